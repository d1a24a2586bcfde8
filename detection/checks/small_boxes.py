"""Labels many of whose boxes are small once a picture has a model's input size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from detection.checks.finding import Check, Finding, counted
from detection.checks.survey import Survey
from detection.names import visible

INPUT_SIZE = 300
# COCO's "small" is under 32 px; half of that is two cells of the finest feature map.
SMALL_SIDE = 16.0
_SHARE = 0.1


def find(survey: Survey) -> list[Finding]:
    all_boxes: Counter[str] = Counter()
    small: Counter[str] = Counter()
    example: dict[str, str] = {}
    for image in survey.images:
        if image.frame is None:
            continue
        x, y = INPUT_SIZE / image.frame[0], INPUT_SIZE / image.frame[1]
        for box in image.judged_boxes:
            all_boxes[box.label] += 1
            xmin, ymin, xmax, ymax = box.ordered
            side = ((xmax - xmin) * x * (ymax - ymin) * y) ** 0.5
            if 0 < side < SMALL_SIDE:
                small[box.label] += 1
                example.setdefault(box.label, image.name)
    found = []
    for label, number in small.most_common():
        if number >= max(2, _SHARE * all_boxes[label]):
            image = survey.by_name[example[label]]
            words = f"{number:,} of {counted(all_boxes[label], 'box', 'boxes')} of "
            words += f"{visible(label, 60)!r} are under {SMALL_SIDE:g} px once the picture has "
            words += f"{INPUT_SIZE} px. Train with a larger input size to find them."
            found.append(Finding(CHECK.key, "info", image.file, words, image.name))
    return found


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'label has', 'labels have')} many small boxes"


CHECK = Check(
    "small-boxes",
    find,
    _title,
    f"Boxes are large enough for {INPUT_SIZE} px",
    "Small things are found better at 512 px than at 300 px; training takes longer.",
)
