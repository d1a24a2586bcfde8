"""Two images with one stem, such as a.jpg and a.png: which of them does a.xml belong to?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from detection.checks.finding import Check, Finding, counted
from detection.checks.survey import Survey
from detection.names import layout_key, stem_of, visible


def find(survey: Survey) -> list[Finding]:
    by_stem: dict[str, list[str]] = defaultdict(list)
    for image in survey.images:
        by_stem[layout_key(stem_of(image.name)).casefold()].append(image.name)
    found = []
    for names in by_stem.values():
        for name in names[1:]:
            words = f"It has the stem of {visible(names[0])}; an annotation of that name could "
            words += "belong to either. Rename one."
            related = tuple(other for other in names if other != name)
            found.append(Finding(CHECK.key, "warning", name, words, name, related=related))
    return found


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'image shares', 'images share')} another's stem"


CHECK = Check(
    "same-stem",
    find,
    _title,
    "Every image has a stem of its own",
    "Formats with one annotation file an image tell images apart by their stems alone.",
)
