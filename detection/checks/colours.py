"""Pictures that are not plain 8-bit colour: grey, CMYK, 16-bit, transparent, animated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from detection.checks.finding import Check, Finding, counted
from detection.checks.survey import PictureFacts, Survey


def find(survey: Survey) -> list[Finding]:
    """All odd pictures; those that are all alike (a set of X-rays) are said once."""
    kinds = {
        image.name: kind
        for image in survey.images
        if image.picture is not None and (kind := kind_of(image.picture))
    }
    counts = Counter(kinds.values())
    readable = sum(image.picture is not None for image in survey.images)
    found = []
    said: set[str] = set()
    for name, kind in kinds.items():
        if counts[kind] == readable:
            if kind not in said:
                words = f"All {readable:,} pictures are like it: {_WORDS[kind]}"
                found.append(Finding(CHECK.key, "info", name, words, name))
            said.add(kind)
            continue
        severity = "info" if kind in ("grey", "transparent") else "warning"
        found.append(
            Finding(
                CHECK.key,
                "warning" if severity == "warning" else "info",
                name,
                f"{_WORDS[kind][0].upper()}{_WORDS[kind][1:]}",
                name,
            )
        )
    return found


def kind_of(picture: PictureFacts) -> str:
    """What is odd about the picture's colours, or ""."""
    mode = picture.mode
    if picture.num_frames > 1:
        return "animated"
    if mode == "CMYK":
        return "cmyk"
    if mode.startswith(("I", "F")):
        return "deep"
    if mode in ("LA", "PA", "RGBA", "La", "RGBa") or mode.endswith("transparency"):
        return "transparent"
    if mode in ("L", "1"):
        return "grey"
    return ""


_WORDS = {
    "animated": "it has several frames; the first one is taken.",
    "cmyk": "it is in CMYK, for printing; it is converted, and colours may shift.",
    "deep": "it has 16 bits or more a pixel; it is scaled to 8.",
    "transparent": "it has an alpha channel; transparent parts are laid on white.",
    "grey": "it is grey; it is taken as three equal channels.",
}


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'picture is', 'pictures are')} not in plain 8-bit colour"


CHECK = Check(
    "colours",
    find,
    _title,
    "All pictures are in plain 8-bit colour",
    "They are all taken. A label that comes in one kind of picture alone may be learned from that "
    "kind and not from the thing.",
)
