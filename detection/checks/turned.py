"""Pictures that a camera turned by EXIF: were the boxes drawn before the turn, or after?"""

from __future__ import annotations

from collections.abc import Sequence

from detection.boxes import turn_boxes
from detection.checks.finding import Check, Finding, Fix, counted
from detection.checks.outside import clipped
from detection.checks.survey import Corners, Edit, PictureFacts, Survey, SurveyedImage

_TOLERANCE = 1.0
# Whoever knows that boxes were drawn before the turn asks for it by this name.
UNSURE_KIND = "turned-unsure"


def find(survey: Survey) -> list[Finding]:
    found = []
    for image in survey.images:
        picture = image.picture
        if picture is None or picture.orientation == 1 or not image.judged_boxes:
            continue
        if image.is_turned_before:
            found.append(_certain(image, picture, "Its size is that before the turn"))
        elif image.declared is None and _fits_only_stored(image, picture):
            found.append(_certain(image, picture, "Its boxes fit the picture only before the turn"))
        elif image.declared is None or (image.gives_size and picture.orientation < 5):
            found.append(_unsure(image, picture))
    return found


def _fits_only_stored(image: SurveyedImage, picture: PictureFacts) -> bool:
    upright = (float(picture.width), float(picture.height))
    stored = (float(picture.stored_size[0]), float(picture.stored_size[1]))
    return not _all_fit(image, upright) and _all_fit(image, stored)


def _all_fit(image: SurveyedImage, frame: tuple[float, float]) -> bool:
    return all(
        abs(a - b) <= _TOLERANCE
        for box in image.boxes
        for a, b in zip(box.ordered, clipped(box.ordered, frame), strict=True)
    )


def turned_corners(image: SurveyedImage, picture: PictureFacts) -> list[Corners]:
    """Each box of the image, drawn before the turn, in the upright picture."""
    width, height = picture.stored_size
    turned = turn_boxes([box.xyxy for box in image.boxes], width, height, picture.orientation)
    return [(row[0], row[1], row[2], row[3]) for row in turned.tolist()]


def _fix(image: SurveyedImage, picture: PictureFacts, kind: str) -> Fix:
    size = (float(picture.width), float(picture.height))
    edits = [
        Edit("move_box", image.name, box.number, corners, box.xyxy)
        for box, corners in zip(image.boxes, turned_corners(image, picture), strict=True)
    ]
    if image.declared is not None:
        edits.append(Edit("set_size", image.name, None, size, image.declared))
    words = f"Turn its {counted(len(image.boxes), 'box', 'boxes')} with the picture."
    return Fix(kind, words, tuple(edits))


def _certain(image: SurveyedImage, picture: PictureFacts, evidence: str) -> Finding:
    words = f"The picture is turned by EXIF (orientation {picture.orientation}). {evidence}, "
    words += "so its boxes were drawn before it."
    return Finding(
        CHECK.key, "error", image.file, words, image.name,
        boxes=tuple(turned_corners(image, picture)), fix=_fix(image, picture, CHECK.key),
    )  # fmt: skip


def _unsure(image: SurveyedImage, picture: PictureFacts) -> Finding:
    words = f"The picture is turned by EXIF (orientation {picture.orientation}), and nothing says "
    words += "whether its boxes were drawn before the turn. They were taken as drawn after it."
    return Finding(
        CHECK.key,
        "info" if image.state else "warning",
        image.file,
        words,
        image.name,
        boxes=tuple(box.ordered for box in image.boxes),
        fix=_fix(image, picture, UNSURE_KIND),
    )


def _title(findings: Sequence[Finding]) -> str:
    certain = sum(finding.severity == "error" for finding in findings)
    if certain:
        return f"{counted(certain, 'image has', 'images have')} boxes from before its EXIF turn"
    return f"{counted(len(findings), 'image is', 'images are')} turned by EXIF"


CHECK = Check(
    "turned",
    find,
    _title,
    "No box was drawn before an EXIF turn",
    "Some tools show the picture as the camera stored it. Boxes drawn there lie on their side.",
    "Turn",
)
