"""Fractions where pixels belong, and pixels where fractions belong."""

from __future__ import annotations

from collections.abc import Sequence

from detection.checks.finding import Check, Finding, Fix, counted, px, span
from detection.checks.survey import Corners, Edit, Survey, SurveyedBox, SurveyedImage


def find(survey: Survey) -> list[Finding]:
    return [_finding(image) for image in survey.images if image.is_in_other_units]


def _finding(image: SurveyedImage) -> Finding:
    frame = image.frame or (1.0, 1.0)
    convert = _to_fractions if image.relative else _to_pixels
    edits = tuple(
        Edit("move_box", image.name, box.number, convert(box, frame), box.xyxy)
        for box in image.boxes
    )
    first = image.boxes[0]
    values = _as_written(first, frame) if image.relative else first.xyxy
    shown = " ".join(f"{value:.4g}" for value in values)
    size = f"{px(frame[0])}x{px(frame[1])}"
    if image.relative:
        words = f"Its numbers are pixels where fractions of the picture belong: box {first.number} "
        words += f"is {shown} in an image of {size}."
        action = f"Divide by {size}: box {first.number} becomes {span(edits[0].value)} px."
    else:
        words = f"Its numbers are fractions where pixels belong: box {first.number} "
        words += f"is {shown} in an image of {size}."
        action = f"Multiply by {size}: box {first.number} becomes {span(edits[0].value)} px."
    return Finding(
        CHECK.key,
        "error",
        image.file,
        words,
        image.name,
        first.line,
        boxes=tuple(edit.value for edit in edits),
        fix=Fix(CHECK.key, action, edits),
    )


def _to_pixels(box: SurveyedBox, frame: tuple[float, float]) -> Corners:
    xmin, ymin, xmax, ymax = box.xyxy
    return (xmin * frame[0], ymin * frame[1], xmax * frame[0], ymax * frame[1])


def _as_written(box: SurveyedBox, frame: tuple[float, float]) -> Corners:
    """x centre, y centre, width and height as the file has them."""
    xmin, ymin, xmax, ymax = box.xyxy
    return (
        (xmin + xmax) / 2 / frame[0],
        (ymin + ymax) / 2 / frame[1],
        (xmax - xmin) / frame[0],
        (ymax - ymin) / frame[1],
    )


def _to_fractions(box: SurveyedBox, frame: tuple[float, float]) -> Corners:
    """The corners that were meant: the file's numbers taken as pixels."""
    x, y, width, height = _as_written(box, frame)
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _title(findings: Sequence[Finding]) -> str:
    kind = "pixels" if any("are pixels" in f.message for f in findings) else "fractions"
    other = "fractions" if kind == "pixels" else "pixels"
    return f"{counted(len(findings), 'file has', 'files have')} {kind} where {other} belong"


CHECK = Check(
    "units",
    find,
    _title,
    "All boxes are in the units of their format",
    "Read as they stand, all boxes of such a file shrink to a corner or leave the image.",
    "Convert",
)
