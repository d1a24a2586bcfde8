"""Boxes around the whole picture: often a label of the picture, and not of a thing in it."""

from __future__ import annotations

from collections.abc import Sequence

from detection.checks.finding import Check, Finding, Fix, counted
from detection.checks.survey import Edit, Survey, SurveyedBox, SurveyedImage

# The share of each side that a box must cover.
COVERS = 0.99


def find(survey: Survey) -> list[Finding]:
    return [
        _finding(image, box)
        for image in survey.images
        for box in image.judged_boxes
        if image.frame is not None and _covers(box, image.frame)
    ]


def _covers(box: SurveyedBox, frame: tuple[float, float]) -> bool:
    xmin, ymin, xmax, ymax = box.ordered
    return xmax - xmin >= COVERS * frame[0] and ymax - ymin >= COVERS * frame[1]


def _finding(image: SurveyedImage, box: SurveyedBox) -> Finding:
    edit = Edit("remove_box", image.name, box.number, None, box.xyxy)
    return Finding(
        CHECK.key,
        "warning",
        image.file,
        f"{box.shown} is as large as the image.",
        image.name,
        box.line,
        box.number,
        boxes=(box.ordered,),
        fix=Fix(CHECK.key, f"Remove box {box.number}.", (edit,)),
    )


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'box is', 'boxes are')} as large as the image"


CHECK = Check(
    "whole-image",
    find,
    _title,
    "No box covers its whole image",
    "Right for a close-up; wrong where the box was to label the picture. Look before you remove.",
    "Remove",
)
