"""Bounds of COCO's run-length masks: the box around them, without making the mask.

Counts alternate between outside and inside, down the columns, starting outside. The packed form
is that of ``rleFrString`` in pycocotools' maskApi.c: numbers of 5-bit groups, of which those from
the fourth on are differences to the one before last.
"""

from __future__ import annotations

MAX_RUNS = 4_000_000
_MAX_SIDE = 100_000


class RunLengthError(ValueError):
    """Run lengths that mean no box; the message follows "a segmentation that"."""


def bounds_of_run_lengths(counts: object, size: object) -> tuple[float, float, float, float]:
    """``(xmin, ymin, xmax, ymax)``, edges in pixels, of a mask of ``size`` [height, width].

    Raises RunLengthError: not run lengths, an empty mask, or one that does not fit its size.
    """
    height, width = _size(size)
    runs = _unpacked(counts) if isinstance(counts, str) else _listed(counts)
    at, inside = 0, False
    left, top, right, bottom = width, height, -1, -1
    for run in runs:
        if inside and run:
            first, last = at, at + run - 1
            left = min(left, first // height)
            right = max(right, last // height)
            # A run that leaves its column covers the foot of it and the head of the next.
            spans = first // height != last // height
            top = 0 if spans else min(top, first % height)
            bottom = height - 1 if spans else max(bottom, last % height)
        at, inside = at + run, not inside
    if at != height * width:
        raise RunLengthError(f"covers {at:,} pixels of {height * width:,}")
    if right < 0:
        raise RunLengthError("is an empty mask")
    return float(left), float(top), float(right + 1), float(bottom + 1)


def _size(size: object) -> tuple[int, int]:
    if isinstance(size, list) and len(size) == 2:
        height, width = size
        whole = type(height) is int and type(width) is int
        if whole and 0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE:
            return height, width
    raise RunLengthError(f"has no usable size ({str(size)[:40]})")


def _listed(counts: object) -> list[int]:
    if not isinstance(counts, list) or len(counts) > MAX_RUNS:
        raise RunLengthError("has no run lengths")
    if not all(type(run) is int and run >= 0 for run in counts):
        raise RunLengthError("has run lengths that are not whole numbers from 0")
    return counts


def _unpacked(text: str) -> list[int]:
    if len(text) > MAX_RUNS:
        raise RunLengthError("has too many run lengths")
    runs: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 60:
            raise RunLengthError("has run lengths that cannot be unpacked")
        value |= (group & 0x1F) << shift
        shift += 5
        if group & 0x20:
            continue
        if group & 0x10:
            value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        if value < 0:
            raise RunLengthError("has run lengths below 0")
        runs.append(value)
        value = shift = 0
    if shift:
        raise RunLengthError("has run lengths that are cut short")
    return runs
