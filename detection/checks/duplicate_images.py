"""The same file twice, byte for byte."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from detection.checks.finding import Check, Finding, Fix, counted
from detection.checks.same_side import moves_to_one_side, words_for_moves
from detection.checks.survey import Survey, SurveyedImage
from detection.names import visible


def find(survey: Survey) -> list[Finding]:
    by_hash: dict[str, list[SurveyedImage]] = defaultdict(list)
    for image in survey.images:
        if image.picture is not None and image.picture.sha256:
            by_hash[image.picture.sha256].append(image)
    return [_finding(images) for images in by_hash.values() if len(images) > 1]


def _finding(images: list[SurveyedImage]) -> Finding:
    first, second, *others = images
    words = f"It is {visible(second.name)} again, byte for byte"
    words += f", and {counted(len(others), 'more image')}." if others else "."
    if len({_boxes(image) for image in images}) > 1:
        words += " Their boxes differ."
    moves = moves_to_one_side(images)
    splits = sorted({image.split for image in images if image.split})
    if moves:
        words += f" They lie in {' and '.join(splits)}."
    return Finding(
        CHECK.key,
        "error" if moves else "warning",
        first.name,
        words,
        first.name,
        related=tuple(image.name for image in images[1:]),
        fix=Fix(CHECK.key, words_for_moves(moves), moves) if moves else None,
    )


def _boxes(image: SurveyedImage) -> tuple[tuple[str, tuple[float, ...]], ...]:
    return tuple(sorted((box.label, box.ordered) for box in image.boxes))


def _title(findings: Sequence[Finding]) -> str:
    across = sum(finding.severity == "error" for finding in findings)
    if across:
        return f"{counted(across, 'image lies', 'images lie')} in two splits"
    return f"{counted(len(findings), 'image is', 'images are')} there twice"


CHECK = Check(
    "duplicate-images",
    find,
    _title,
    "No image is there twice",
    "A copy in val or test makes a model look better than it is.",
    "Move",
)
