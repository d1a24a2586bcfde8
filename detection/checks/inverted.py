"""Boxes whose xmin lies right of their xmax, or ymin below ymax."""

from __future__ import annotations

from collections.abc import Sequence

from detection.checks.finding import Check, Finding, Fix, counted, px
from detection.checks.survey import Edit, Survey, SurveyedBox, SurveyedImage


def find(survey: Survey) -> list[Finding]:
    return [
        _finding(image, box)
        for image in survey.images
        for box in image.judged_boxes
        if box.ordered != box.xyxy
    ]


def _finding(image: SurveyedImage, box: SurveyedBox) -> Finding:
    xmin, ymin, xmax, ymax = box.xyxy
    wrong = [
        f"{low} {px(a)} above {high} {px(b)}"
        for low, a, high, b in (("xmin", xmin, "xmax", xmax), ("ymin", ymin, "ymax", ymax))
        if a > b
    ]
    edit = Edit("move_box", image.name, box.number, box.ordered, box.xyxy)
    return Finding(
        CHECK.key,
        "error",
        image.file,
        f"{box.shown} has {' and '.join(wrong)}.",
        image.name,
        box.line,
        box.number,
        boxes=(box.ordered,),
        fix=Fix(CHECK.key, f"Swap them in box {box.number}.", (edit,)),
    )


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'box is', 'boxes are')} inverted"


CHECK = Check(
    "inverted",
    find,
    _title,
    "No box is inverted",
    "Its corners are there in the wrong order; swapping them gives the box that was meant.",
    "Swap",
)
