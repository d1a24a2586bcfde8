"""Boxes that were drawn twice: the same thing, the same label, almost the same place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detection.boxes import iou_matrix
from detection.checks.finding import Check, Finding, Fix, counted, span
from detection.checks.survey import Edit, Survey, SurveyedBox, SurveyedImage
from detection.names import visible

# Two people outline one thing with an overlap of 0.7 to 0.9; above this it is one outline, twice.
SAME_IOU = 0.95


def find(survey: Survey) -> list[Finding]:
    found = []
    for image in survey.images:
        for first, second in _twins(image.judged_boxes):
            if first.label == second.label:
                found.append(_drawn_twice(image, first, second))
            elif first.ordered == second.ordered:
                found.append(_two_labels(image, first, second))
    return found


def _twins(boxes: Sequence[SurveyedBox]) -> list[tuple[SurveyedBox, SurveyedBox]]:
    """Pairs of boxes in one place; of three, the second and the third with the first."""
    if len(boxes) < 2:
        return []
    # Thousands of boxes an image would make a matrix of millions: only neighbours in x can match.
    order = sorted(boxes, key=lambda box: box.ordered[0])
    corners = np.array([box.ordered for box in order])
    twins = []
    taken: set[int] = set()
    for index, box in enumerate(order):
        width = corners[index, 2] - corners[index, 0]
        until = int(np.searchsorted(corners[:, 0], box.ordered[0] + width * 0.1, "right"))
        if until <= index + 1:
            continue
        overlaps = iou_matrix(corners[index : index + 1], corners[index + 1 : until])[0]
        for offset in np.nonzero(overlaps >= SAME_IOU)[0].tolist():
            other = order[index + 1 + offset]
            first, second = sorted((box, other), key=lambda one: one.number)
            if second.number not in taken:
                taken.add(second.number)
                twins.append((first, second))
    return sorted(twins, key=lambda pair: pair[1].number)


def _drawn_twice(image: SurveyedImage, first: SurveyedBox, second: SurveyedBox) -> Finding:
    if first.ordered == second.ordered:
        words = f"{second.shown} equals box {first.number}: {span(second.ordered)}."
    else:
        words = f"{second.shown} lies almost exactly on box {first.number}: "
        words += f"{span(second.ordered)} and {span(first.ordered)}."
    edit = Edit("remove_box", image.name, second.number, None, second.xyxy)
    return Finding(
        CHECK.key,
        "warning",
        image.file,
        words,
        image.name,
        second.line,
        second.number,
        boxes=(second.ordered, first.ordered),
        fix=Fix(CHECK.key, f"Remove box {second.number}.", (edit,)),
    )


def _two_labels(image: SurveyedImage, first: SurveyedBox, second: SurveyedBox) -> Finding:
    words = f"Boxes {first.number} ({visible(first.label, 60)}) and {second.number} "
    words += f"({visible(second.label, 60)}) are one rectangle with two labels: "
    words += f"{span(second.ordered)}."
    return Finding(
        CHECK.key, "warning", image.file, words, image.name, second.line, second.number,
        boxes=(second.ordered,),
    )  # fmt: skip


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'box was', 'boxes were')} drawn twice"


CHECK = Check(
    "duplicate-boxes",
    find,
    _title,
    "No box was drawn twice",
    "The second box teaches nothing, and counts as missed when a model finds the thing once.",
    "Remove",
)
