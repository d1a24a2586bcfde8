"""The size that an annotation file gives, held against the picture."""

from __future__ import annotations

from collections.abc import Sequence

from detection.checks.finding import Check, Finding, Fix, counted, px
from detection.checks.survey import Edit, PictureFacts, Survey, SurveyedImage


def find(survey: Survey) -> list[Finding]:
    found = []
    for image in survey.images:
        if image.picture is None or not image.gives_size or image.is_turned_before:
            continue
        size = (float(image.picture.width), float(image.picture.height))
        if image.declared is None:
            # A negative needs no size: nothing is measured by it.
            if image.boxes:
                found.append(_missing(image, image.picture, size))
        elif image.declared != size:
            found.append(_wrong(image, image.picture, size))
    return found


def _missing(image: SurveyedImage, picture: PictureFacts, size: tuple[float, float]) -> Finding:
    own = f"{picture.width}x{picture.height}"
    edit = Edit("set_size", image.name, None, size, None)
    return Finding(
        CHECK.key, "info", image.file, f"It gives no size; the picture has {own}.", image.name,
        fix=Fix(CHECK.key, f"Write {own}.", (edit,)),
    )  # fmt: skip


def _wrong(image: SurveyedImage, picture: PictureFacts, size: tuple[float, float]) -> Finding:
    own = f"{picture.width}x{picture.height}"
    said = f"{px((image.declared or size)[0])}x{px((image.declared or size)[1])}"
    words = f"It gives {said}, but the picture has {own}."
    edits = [Edit("set_size", image.name, None, size, image.declared)]
    action = f"Write {own}; boxes stay as they are."
    if image.scale is not None:
        x, y = image.scale
        words += " It was resized after it was labelled."
        action = (
            f"Write {own} and scale its {counted(len(image.boxes), 'box', 'boxes')} by {x:.4g}."
        )
        edits += [
            Edit(
                "move_box",
                image.name,
                box.number,
                (box.xyxy[0] * x, box.xyxy[1] * y, box.xyxy[2] * x, box.xyxy[3] * y),
                box.xyxy,
            )
            for box in image.boxes
        ]
    return Finding(
        CHECK.key, "warning", image.file, words, image.name,
        boxes=tuple(edit.value for edit in edits[1:]),
        fix=Fix(CHECK.key, action, tuple(edits)),
    )  # fmt: skip


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'file does not give', 'files do not give')} the picture's size"


CHECK = Check(
    "size",
    find,
    _title,
    "Sizes in the files are the pictures'",
    "Programs that trust the file place every box wrong; the picture's own size is what counts.",
    "Correct",
)
