"""Images without boxes: negatives, or forgotten?"""

from __future__ import annotations

from collections.abc import Sequence

from detection.checks.finding import Check, Finding, counted
from detection.checks.survey import Survey, SurveyedImage
from detection.near_duplicates import find_near_pairs


def find(survey: Survey) -> list[Finding]:
    """Each image that is annotated, or done, with no boxes; graver where its twin has some."""
    empty = [image for image in survey.images if _is_empty(image)]
    if not empty:
        return []
    with_boxes = _twins_with_boxes(survey)
    return [_finding(image, with_boxes.get(image.name)) for image in empty]


def _is_empty(image: SurveyedImage) -> bool:
    if image.boxes or image.problems or image.picture is None:
        return False
    return image.state == "done" or bool(image.annotation and not image.state)


def _twins_with_boxes(survey: Survey) -> dict[str, str]:
    """Empty images by name, each with a near-duplicate that has boxes."""
    images = [image for image in survey.images if image.picture is not None]
    hashes = [image.picture.perceptual_hash if image.picture else "" for image in images]
    twins: dict[str, str] = {}
    for pair in find_near_pairs(hashes):
        one, other = images[pair.first], images[pair.second]
        for empty, full in ((one, other), (other, one)):
            if _is_empty(empty) and full.boxes:
                twins.setdefault(empty.name, full.name)
    return twins


def _finding(image: SurveyedImage, twin: str | None) -> Finding:
    if twin is not None:
        words = f"It has no boxes, and {twin} shows almost the same and has some: forgotten?"
        return Finding(CHECK.key, "warning", image.file, words, image.name, related=(twin,))
    words = "It has no boxes, so it counts as showing nothing that is sought (a negative)."
    return Finding(CHECK.key, "info", image.file, words, image.name)


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'image has', 'images have')} no boxes: negative or forgotten?"


CHECK = Check(
    "empty-images",
    find,
    _title,
    "Every labelled image has boxes",
    "Negatives teach a model what not to find. A forgotten image teaches it the wrong thing.",
)
