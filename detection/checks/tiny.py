"""Boxes without area, or thinner than a pixel: a click that was meant to be a drag."""

from __future__ import annotations

from collections.abc import Sequence

from detection.boxes import MIN_SIDE
from detection.checks.finding import Check, Finding, Fix, counted, px, span
from detection.checks.survey import Edit, Survey, SurveyedBox, SurveyedImage

LEAST_SIDE = 1.0


def find(survey: Survey) -> list[Finding]:
    return [
        _finding(image, box)
        for image in survey.images
        for box in image.judged_boxes
        if min(_sides(box)) < LEAST_SIDE
    ]


def _sides(box: SurveyedBox) -> tuple[float, float]:
    xmin, ymin, xmax, ymax = box.ordered
    return xmax - xmin, ymax - ymin


def _finding(image: SurveyedImage, box: SurveyedBox) -> Finding:
    width, height = _sides(box)
    if min(width, height) < MIN_SIDE:
        words = f"{box.shown} has no area: {span(box.ordered)}."
    else:
        words = f"{box.shown} is {px(width)} x {px(height)} px: {span(box.ordered)}."
    edit = Edit("remove_box", image.name, box.number, None, box.xyxy)
    return Finding(
        CHECK.key,
        "error",
        image.file,
        words,
        image.name,
        box.line,
        box.number,
        boxes=(box.ordered,),
        fix=Fix(CHECK.key, f"Remove box {box.number}.", (edit,)),
    )


def _title(findings: Sequence[Finding]) -> str:
    without = sum("has no area" in finding.message for finding in findings)
    if without == len(findings):
        return f"{counted(without, 'box has', 'boxes have')} no area"
    return f"{counted(len(findings), 'box is', 'boxes are')} thinner than a pixel"


CHECK = Check(
    "tiny",
    find,
    _title,
    "Every box has an area",
    "Nothing can be learned from a box without area, and its logarithm is not a number.",
    "Remove",
)
