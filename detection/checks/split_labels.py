"""Splits that lack a label, or that are missing: what is in no val cannot be judged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from detection.checks.finding import Check, Finding, counted
from detection.checks.survey import Survey
from detection.names import visible


def find(survey: Survey) -> list[Finding]:
    if not survey.has_splits:
        return []
    boxes: dict[str, Counter[str]] = defaultdict(Counter)
    images: Counter[str] = Counter()
    example: dict[str, str] = {}
    for image in survey.images:
        if not image.split:
            continue
        images[image.split] += 1
        for box in image.boxes:
            boxes[box.label][image.split] += 1
            example.setdefault(box.label, image.name)
    found = []
    for split in ("train", "val", "test"):
        # Without test (or val) images the split is not asked for; without train nothing is learned.
        if split == "train" and not images["train"]:
            words = "No image is in train, so there is nothing to learn from."
            found.append(Finding(CHECK.key, "error", "train", words))
        elif images[split]:
            for label, counts in sorted(boxes.items()):
                if not counts[split]:
                    found.append(_missing(split, label, sum(counts.values()), example[label]))
    return found


def _missing(split: str, label: str, total: int, image: str) -> Finding:
    consequence = "cannot be learned" if split == "train" else "cannot be judged"
    words = f"None of the {counted(total, 'box', 'boxes')} of {visible(label, 60)!r} lies in "
    words += f"{split}, where it {consequence}."
    severity = "error" if split == "train" else "warning"
    return Finding(CHECK.key, "error" if severity == "error" else "warning", split, words, image)


def _title(findings: Sequence[Finding]) -> str:
    labels = counted(len(findings), "label is", "labels are")
    return f"{labels} missing from a split" if findings[0].image else "There is nothing in train"


CHECK = Check(
    "splits",
    find,
    _title,
    "Each split holds every label",
    "Move images that show the label, or deal the splits again.",
)
