"""Will this train? One question to a dataset a module, each with a ``CHECK``.

A survey says what lies there (``survey``), checks look at it and give findings (``finding``), and
fixes are edits of the survey (``apply_edits``) that are shown before anything is written.
"""

from __future__ import annotations

from collections.abc import Collection

from detection.checks import (
    colours,
    declared_size,
    duplicate_boxes,
    duplicate_images,
    empty_images,
    few_boxes,
    inverted,
    label_ids,
    label_variants,
    near_duplicates,
    outside,
    same_stem,
    small_boxes,
    split_labels,
    tiny,
    turned,
    units,
    unpaired,
    unreadable,
    video_frames,
    whole_image,
)
from detection.checks.finding import Check, Result
from detection.checks.survey import Edit, Survey, apply_edits

# In the order in which fixes are made: units and frames first, for they move every box; boxes are
# put in order before they are clipped, clipped before they are measured and compared.
CHECKS: tuple[Check, ...] = (
    unreadable.CHECK,
    unpaired.CHECK,
    same_stem.CHECK,
    units.CHECK,
    turned.CHECK,
    declared_size.CHECK,
    inverted.CHECK,
    outside.CHECK,
    tiny.CHECK,
    label_variants.CHECK,
    duplicate_boxes.CHECK,
    whole_image.CHECK,
    label_ids.CHECK,
    few_boxes.CHECK,
    small_boxes.CHECK,
    empty_images.CHECK,
    colours.CHECK,
    duplicate_images.CHECK,
    near_duplicates.CHECK,
    video_frames.CHECK,
    split_labels.CHECK,
)
# The two at the end change what may be right: they are made only where they are asked for by name.
BY_NAME_ONLY = (whole_image.CHECK.key, turned.UNSURE_KIND)
FIX_KINDS = (
    *(check.key for check in CHECKS if check.action and check.key not in BY_NAME_ONLY),
    *BY_NAME_ONLY,
)


def run_checks(survey: Survey) -> list[Result]:
    """Every check's result, in the order of ``CHECKS``; also those that found nothing."""
    return [Result(check, tuple(check.find(survey))) for check in CHECKS]


def mend(survey: Survey, kinds: Collection[str]) -> tuple[Survey, list[Edit]]:
    """The survey after the fixes of these kinds, and their edits in order; nothing is written.

    Each kind looks at what those before it left: a box that is clipped to nothing is removed.
    """
    edits: list[Edit] = []
    for check in CHECKS:
        if not check.action:
            continue
        fixes = [finding.fix for finding in check.find(survey) if finding.fix]
        made = [edit for fix in fixes if fix.kind in kinds for edit in fix.edits]
        survey = apply_edits(survey, made)
        edits += made
    return survey, edits
