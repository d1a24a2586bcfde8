"""Boxes that reach over the picture's edge, or lie wholly outside it."""

from __future__ import annotations

from collections.abc import Sequence

from detection.boxes import MIN_SIDE
from detection.checks.finding import Check, Finding, Fix, counted, px, span
from detection.checks.survey import Corners, Edit, Survey, SurveyedBox, SurveyedImage

# What a file's decimals leave over the edge is not worth a word.
_TOLERANCE = 0.01


def find(survey: Survey) -> list[Finding]:
    found = []
    for image in survey.images:
        for box in image.judged_boxes:
            frame = image.frame
            if frame is not None and _leaves(box.ordered, frame):
                found.append(_finding(image, box, frame))
    return found


def clipped(corners: Corners, frame: tuple[float, float]) -> Corners:
    """The part of a rectangle that lies in the picture; without area where none does."""
    width, height = frame
    xmin, ymin, xmax, ymax = corners
    return (
        min(max(xmin, 0.0), width),
        min(max(ymin, 0.0), height),
        min(max(xmax, 0.0), width),
        min(max(ymax, 0.0), height),
    )


def _leaves(corners: Corners, frame: tuple[float, float]) -> bool:
    inside = clipped(corners, frame)
    return any(abs(a - b) > _TOLERANCE for a, b in zip(corners, inside, strict=True))


def _finding(image: SurveyedImage, box: SurveyedBox, frame: tuple[float, float]) -> Finding:
    inside = clipped(box.ordered, frame)
    size = f"{px(frame[0])} wide and {px(frame[1])} high"
    if min(inside[2] - inside[0], inside[3] - inside[1]) < MIN_SIDE:
        words = f"{box.shown} lies outside the image: {span(box.ordered)} in one {size}."
        edit = Edit("remove_box", image.name, box.number, None, box.xyxy)
        fix = Fix(CHECK.key, f"Remove box {box.number}.", (edit,))
        return _make(image, box, "error", words, fix)
    sides = [
        (name, old, new)
        for name, old, new in zip(
            ("xmin", "ymin", "xmax", "ymax"), box.ordered, inside, strict=True
        )
        if abs(old - new) > _TOLERANCE
    ]
    over = " and ".join(f"{name} {px(old)}" for name, old, _ in sides)
    words = f"{box.shown} has {over} in an image {size}."
    edit = Edit("move_box", image.name, box.number, inside, box.xyxy)
    clips = " and ".join(f"{name} to {px(new)}" for name, _, new in sides)
    return _make(image, box, "warning", words, Fix(CHECK.key, f"Clip {clips}.", (edit,)))


def _make(image: SurveyedImage, box: SurveyedBox, severity: str, words: str, fix: Fix) -> Finding:
    return Finding(
        CHECK.key,
        "error" if severity == "error" else "warning",
        image.file,
        words,
        image.name,
        box.line,
        box.number,
        boxes=(box.ordered,),
        fix=fix,
    )


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'box leaves its image', 'boxes leave their images')}"


CHECK = Check(
    "outside",
    find,
    _title,
    "Every box lies in its image",
    "What reaches over the edge is clipped; a box that is wholly outside is removed.",
    "Clip",
)
