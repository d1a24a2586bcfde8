"""Labels with too few boxes to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from detection.checks.finding import Check, Finding, counted
from detection.checks.survey import Survey
from detection.names import visible

ENOUGH = 10


def find(survey: Survey) -> list[Finding]:
    counts = Counter(box.label for image in survey.images for box in image.boxes)
    file_of = {label.name: label for label in reversed(survey.labels)}
    for listed in survey.labels:
        counts.setdefault(listed.name, 0)
    found = []
    for label, number in sorted(counts.items(), key=lambda item: (item[1], item[0])):
        if number >= ENOUGH:
            break
        shown = visible(label, 60)
        listed_as = file_of.get(label)
        image = next((i for i in survey.images if any(b.label == label for b in i.boxes)), None)
        file = image.file if image else listed_as.file if listed_as else ""
        if number:
            words = f"{shown!r} has {counted(number, 'box', 'boxes')}; {ENOUGH} are few already."
        else:
            words = f"{shown!r} has not a single box, so a model will never find it."
        line = listed_as.line if listed_as and image is None else None
        found.append(Finding(CHECK.key, "warning", file, words, image.name if image else "", line))
    return found


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'label has', 'labels have')} fewer than {ENOUGH} boxes"


CHECK = Check(
    "few-boxes",
    find,
    _title,
    "Every label has enough boxes",
    "Draw more of them, or retire the label: a model learns little from a handful of boxes.",
)
