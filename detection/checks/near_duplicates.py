"""Pictures that show almost the same, above all in two splits."""

from __future__ import annotations

from collections.abc import Sequence

from detection.checks.finding import Check, Finding, Fix, counted
from detection.checks.same_side import moves_to_one_side, words_for_moves
from detection.checks.survey import Survey, SurveyedImage
from detection.checks.video_frames import frame_runs
from detection.names import visible
from detection.near_duplicates import near_groups


def find(survey: Survey) -> list[Finding]:
    """Groups of near-duplicates; frames of one video are told by ``video_frames``."""
    images = [image for image in survey.images if image.picture is not None]
    hashes = {
        image.name: image.picture.perceptual_hash for image in images if image.picture is not None
    }
    frames = [{image.name for image in run} for run in frame_runs(survey)]
    found = []
    for names in near_groups(hashes):
        members = [survey.by_name[name] for name in names]
        if _one_file(members) or any(set(names) <= run for run in frames):
            continue
        found.append(_finding(members))
    return found


def _one_file(images: Sequence[SurveyedImage]) -> bool:
    """Exact copies have a check of their own."""
    return len({image.picture.sha256 for image in images if image.picture}) == 1 and bool(
        images[0].picture and images[0].picture.sha256
    )


def _finding(images: list[SurveyedImage]) -> Finding:
    first, second, *others = images
    words = f"It shows almost the same as {visible(second.name)}"
    words += f" and {counted(len(others), 'more image')}." if others else "."
    moves = moves_to_one_side(images)
    groups = {image.group for image in images}
    if moves:
        splits = sorted({image.split for image in images if image.split})
        words += f" They lie in {' and '.join(splits)}."
    elif len(groups) == 1 and "" not in groups:
        words += " They are in one group."
    return Finding(
        CHECK.key,
        "warning" if moves else "info",
        first.name,
        words,
        first.name,
        related=tuple(image.name for image in images[1:]),
        fix=Fix(CHECK.key, words_for_moves(moves), moves) if moves else None,
    )


def _title(findings: Sequence[Finding]) -> str:
    across = sum(finding.fix is not None for finding in findings)
    if across:
        groups = counted(across, "group of near-identical images lies",
                         "groups of near-identical images lie")  # fmt: skip
        return f"{groups} in two splits"
    return counted(len(findings), "group of near-identical images",
                   "groups of near-identical images")  # fmt: skip


CHECK = Check(
    "near-duplicates",
    find,
    _title,
    "No two images show almost the same",
    "Across splits they make a result look better than it is; within one they teach little new.",
    "Move",
)
