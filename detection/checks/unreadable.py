"""Pictures and annotations that cannot be read, in whole or in part."""

from __future__ import annotations

from collections.abc import Sequence

from detection.checks.finding import Check, Finding, counted
from detection.checks.survey import Survey


def find(survey: Survey) -> list[Finding]:
    found = []
    for image in survey.images:
        if image.refused:
            found.append(Finding(CHECK.key, "error", image.name, image.refused, image.name))
        for problem in image.problems:
            found.append(
                Finding(CHECK.key, "error", problem.file, problem.message, image.name, problem.line)
            )
    return found


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'thing')} cannot be read"


CHECK = Check(
    "unreadable",
    find,
    _title,
    "Every file can be read",
    "It is left out of training. Save the picture again, or correct the line.",
)
