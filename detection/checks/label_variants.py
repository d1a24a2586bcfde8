"""One label in several spellings: case, spaces, dashes, Unicode forms."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from detection.checks.finding import Check, Finding, Fix, counted
from detection.checks.survey import Edit, Survey
from detection.names import visible

_BETWEEN_WORDS = re.compile(r"[\s_\-]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


def find(survey: Survey) -> list[Finding]:
    """One finding for each spelling that is to go; the commonest stays."""
    counts = Counter(box.label for image in survey.images for box in image.boxes)
    for listed in survey.labels:
        counts.setdefault(listed.name, 0)
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in counts:
        spellings[meaning_of(label)].append(label)
    found = []
    for variants in spellings.values():
        if len(variants) > 1:
            # Of equals the one that most lists of labels would have: shortest, lower case first.
            kept, *others = sorted(variants, key=lambda v: (-counts[v], len(v), v.swapcase()))
            found += [
                _finding(survey, other, kept, counts) for other in sorted(others) if counts[other]
            ]
    return found


def meaning_of(label: str) -> str:
    """What spellings of one label share."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", label)).casefold()
    return _BETWEEN_WORDS.sub(" ", text).strip()


def _finding(survey: Survey, other: str, kept: str, counts: Counter[str]) -> Finding:
    edits = tuple(
        Edit("relabel", image.name, box.number, kept, other)
        for image in survey.images
        for box in image.boxes
        if box.label == other
    )
    first = survey.by_name[edits[0].image]
    box = next(box for box in first.boxes if box.label == other)
    shown, shown_kept = visible(other, 60), visible(kept, 60)
    words = f"{shown!r} ({counted(counts[other], 'box', 'boxes')}) and {shown_kept!r} "
    words += f"({counts[kept]:,}) are two labels that differ in {_difference(other, kept)}."
    action = f"Name {counted(len(edits), 'box', 'boxes')} {shown_kept!r}."
    return Finding(
        CHECK.key, "warning", first.file, words, first.name, box.line, box.number,
        related=tuple(dict.fromkeys(edit.image for edit in edits))[1:],
        boxes=tuple(each.ordered for each in first.boxes if each.label == other),
        fix=Fix(CHECK.key, action, edits),
    )  # fmt: skip


def _difference(one: str, other: str) -> str:
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return "their Unicode form alone"
    if one.casefold() == other.casefold():
        return "capital letters alone"
    if _BETWEEN_WORDS.sub("", one) == _BETWEEN_WORDS.sub("", other):
        return "spaces or dashes alone"
    return "spelling alone"


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'label is', 'labels are')} another's second spelling"


CHECK = Check(
    "label-variants",
    find,
    _title,
    "Every label has one spelling",
    "A model takes two spellings for two things and learns each from a part of its boxes.",
    "Rename",
)
