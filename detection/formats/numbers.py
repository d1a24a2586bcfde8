"""Numbers as people's files hold them: read strictly, refused with the value."""

from __future__ import annotations

import math
import re

from detection.names import visible

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_MAX_CHARACTERS = 64


class NumberRefused(ValueError):
    """Text that is no finite decimal number; reads ``'abc', which is not a number``."""


def parse_number(text: str) -> float:
    """A finite decimal number in ASCII digits, white space aside.

    Python's ``float`` also takes ``nan``, ``inf``, ``1_000`` and digits of other scripts; none of
    them is a coordinate. Raises NumberRefused.
    """
    stripped = text.strip()
    if not stripped:
        raise NumberRefused("empty, which is not a number")
    if len(stripped) > _MAX_CHARACTERS or not _NUMBER.fullmatch(stripped):
        raise NumberRefused(f"{visible(stripped, 40)!r}, which is not a number")
    value = float(stripped)
    if not math.isfinite(value):
        raise NumberRefused(f"{stripped!r}, which is too large")
    return value
