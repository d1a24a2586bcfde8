"""Frames of one video: numbered names whose pictures change little from one to the next."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from detection.checks.finding import Check, Finding, Fix, counted
from detection.checks.same_side import moves_to_one_side, words_for_moves
from detection.checks.survey import Edit, Survey, SurveyedImage
from detection.names import stem_of, visible
from detection.near_duplicates import hash_distance

FEWEST = 4
# Between two frames things move: more than in copies, less than in two photos of one kind.
MOVED_BITS = 72
_NUMBERED = re.compile(r"(.*?)(\d{1,12})(\D{0,24})", re.DOTALL)


def find(survey: Survey) -> list[Finding]:
    return [finding for run in frame_runs(survey) if (finding := _finding(run)) is not None]


def frame_runs(survey: Survey) -> list[list[SurveyedImage]]:
    """Runs of images whose names count up and whose pictures follow from each other."""
    numbered: dict[tuple[str, str], list[tuple[int, SurveyedImage]]] = defaultdict(list)
    for image in survey.images:
        match = _NUMBERED.fullmatch(stem_of(image.name))
        if match and image.picture is not None and image.picture.perceptual_hash:
            numbered[(match[1], match[3])].append((int(match[2]), image))
    runs = []
    for series in numbered.values():
        series.sort(key=lambda item: item[0])
        run: list[SurveyedImage] = []
        for _, image in series:
            if run and not _follows(run[-1], image):
                runs.append(run)
                run = []
            run.append(image)
        runs.append(run)
    return [run for run in runs if len(run) >= FEWEST]


def _follows(one: SurveyedImage, other: SurveyedImage) -> bool:
    a, b = one.picture, other.picture
    if a is None or b is None or (a.width, a.height) != (b.width, b.height):
        return False
    return hash_distance(a.perceptual_hash, b.perceptual_hash) <= MOVED_BITS


def _finding(run: list[SurveyedImage]) -> Finding | None:
    groups = {image.group for image in run}
    moves = moves_to_one_side(run)
    grouped = len(groups) == 1 and "" not in groups
    if grouped and not moves:
        return None
    words = f"{visible(run[0].name)} to {visible(run[-1].name)} look like "
    words += f"{len(run):,} frames of one video."
    edits = list(moves)
    action = words_for_moves(moves)
    if not grouped and run[0].state:  # Only a project has groups to write down.
        group = next((image.group for image in run if image.group), "") or _group_name(run[0])
        edits += [
            Edit("set_group", image.name, None, group, image.group)
            for image in run
            if image.group != group
        ]
        action = f"Put them into the group {visible(group, 60)!r}. {action}".strip()
    if moves:
        splits = sorted({image.split for image in run if image.split})
        words += f" They lie in {' and '.join(splits)}."
    return Finding(
        CHECK.key,
        "warning" if moves else "info",
        run[0].name,
        words,
        run[0].name,
        related=tuple(image.name for image in run[1:]),
        fix=Fix(CHECK.key, action, tuple(edits)) if edits else None,
    )


def _group_name(image: SurveyedImage) -> str:
    match = _NUMBERED.fullmatch(stem_of(image.name))
    prefix = (match[1] if match else "").rpartition("/")[2].rstrip(" _-.")
    number = match[2] if match else ""
    return f"{prefix or 'video'} {number}"[:200]


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'run')} of video frames"


CHECK = Check(
    "video-frames",
    find,
    _title,
    "No run of video frames",
    "Frames of one video belong into one split: a model knows the frame before and the one after.",
    "Keep together",
)
