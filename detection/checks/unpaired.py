"""Annotations without an image, and images without annotations."""

from __future__ import annotations

from collections.abc import Sequence

from detection.checks.finding import Check, Finding, counted
from detection.checks.survey import Survey


def find(survey: Survey) -> list[Finding]:
    orphans = [
        Finding(CHECK.key, "error", problem.file, problem.message, line=problem.line)
        for problem in survey.orphans
    ]
    if not any(image.annotation for image in survey.images):
        return orphans  # In a project boxes stand in no file; new images have none yet.
    words = "There is no annotation for this image. It is left out, and is no negative."
    return orphans + [
        Finding(CHECK.key, "warning", image.name, words, image.name)
        for image in survey.images
        if not image.annotation and image.picture is not None
    ]


def _title(findings: Sequence[Finding]) -> str:
    annotations = sum(finding.severity == "error" for finding in findings)
    images = len(findings) - annotations
    parts = []
    if annotations:
        parts.append(f"{counted(annotations, 'annotation')} without an image")
    if images:
        parts.append(f"{counted(images, 'image')} without annotations")
    return ", ".join(parts)


CHECK = Check(
    "unpaired",
    find,
    _title,
    "Images and annotations belong together",
    "Boxes whose image is missing are lost. An image that truly shows nothing needs an annotation "
    "file without boxes (in YOLO, an empty one).",
)
