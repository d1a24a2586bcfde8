"""What annotations say about one image, and how it is held against the picture.

Where the size that they give is not the picture's: turned sides of an EXIF-turned picture mean
boxes drawn before the turn, and they are turned with it; the picture's own proportions mean that
it was resized after it was labelled, and boxes are scaled; anything else is a wrong size, and
boxes are taken as pixels of the picture. Each is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from detection.boxes import clean_boxes, turn_boxes
from detection.types import Box, LabelledImage, Problem

# Two sizes have the same proportions where one, scaled, misses the other by under 1 %.
_PROPORTION_TOLERANCE = 0.01
# Less than this over the edge is what a file's decimals leave, and nothing to speak of.
_SNAP = 0.01
# Fractions of a picture are pixels to this many decimals; the rest is the rounding of float32 or
# of the decimals that a file has.
_DECIMALS = 3


class AnnotationError(ValueError):
    """An annotation file that cannot be taken as a whole. ``line`` counts from 1 where known."""

    def __init__(self, file: str, message: str, line: int | None = None) -> None:
        self.problem = Problem(file, message, "refused", line)
        super().__init__(str(self.problem))


@dataclass(frozen=True, slots=True)
class Drawn:
    """One image's annotations, before they are held against its picture.

    ``boxes`` are finite but unchecked: in the frame of ``width`` and ``height`` (None where the
    file does not say), or, where ``relative``, in fractions of the upright picture; or, where
    ``stored`` too, of the picture before its EXIF turn. ``numbers``
    and ``lines`` say which object of ``file`` each is. ``size_word`` is what the format calls the
    size that each of its files should give. ``bundle`` is what only Boxloop's own bundle holds.
    """

    file: str
    boxes: tuple[Box, ...] = ()
    width: float | None = None
    height: float | None = None
    relative: bool = False
    stored: bool = False
    numbers: Sequence[int] | None = None
    lines: Sequence[int | None] | None = None
    problems: tuple[Problem, ...] = ()
    size_word: str = ""
    bundle: Mapping[str, Any] | None = None


def hold_against(
    drawn: Drawn, name: str, width: int, height: int, orientation: int = 1
) -> tuple[LabelledImage, list[Problem]]:
    """Boxes that are valid in the upright picture, and what was done to make them so.

    Args:
        name: the image's name.
        width, height: the upright picture's size.
        orientation: the picture's EXIF orientation (1..8).
    """
    boxes, problem = _in_upright_frame(drawn, width, height, orientation)
    snapped = [_snapped(box, width, height) for box in boxes]
    cleaned, found = clean_boxes(
        snapped, width, height, drawn.file, numbers=drawn.numbers, lines=drawn.lines
    )
    problems = [*drawn.problems, *([problem] if problem else []), *found]
    return LabelledImage(name, width, height, cleaned), problems


def scaled(boxes: Sequence[Box], x_scale: float, y_scale: float) -> tuple[Box, ...]:
    """Boxes with their x and y multiplied."""
    return tuple(
        moved(box, box.xmin * x_scale, box.ymin * y_scale, box.xmax * x_scale, box.ymax * y_scale)
        for box in boxes
    )


def moved(box: Box, xmin: float, ymin: float, xmax: float, ymax: float) -> Box:
    """The same box at another place."""
    return replace(box, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)


def turned(
    boxes: Sequence[Box], stored_width: int, stored_height: int, orientation: int
) -> tuple[Box, ...]:
    """Boxes drawn on the stored picture, in the upright one."""
    corners = turn_boxes([box.xyxy for box in boxes], stored_width, stored_height, orientation)
    return tuple(moved(box, *row) for box, row in zip(boxes, corners.tolist(), strict=True))


def _in_upright_frame(
    drawn: Drawn, width: int, height: int, orientation: int
) -> tuple[tuple[Box, ...], Problem | None]:
    boxes, file = drawn.boxes, drawn.file
    if drawn.relative:
        sides = (height, width) if drawn.stored and orientation >= 5 else (width, height)
        pixels = scaled(boxes, *sides)
        if drawn.stored and orientation != 1:
            pixels = turned(pixels, *sides, orientation)
        return tuple(moved(box, *(round(v, _DECIMALS) for v in box.xyxy)) for box in pixels), None
    said = (drawn.width, drawn.height)
    if drawn.width is None or drawn.height is None:
        if not boxes or not drawn.size_word:
            return boxes, None
        words = f"It has no usable {drawn.size_word}; the picture's own, {width}x{height}, "
        words += "was taken."
        return boxes, Problem(file, words, "note")
    if said == (width, height):
        return boxes, None
    told = f"Its {drawn.size_word or 'size'} is {drawn.width:g}x{drawn.height:g}, "
    told += f"but the picture has {width}x{height}"
    if orientation >= 5 and said == (height, width):
        words = f"{told} after its EXIF turn. The boxes were drawn before it, and were turned too."
        return turned(boxes, height, width, orientation), Problem(file, words, "mended")
    x_scale, y_scale = width / drawn.width, height / drawn.height
    if abs(x_scale / y_scale - 1) < _PROPORTION_TOLERANCE:
        words = f"{told}, which has the same proportions: resized after it was labelled. "
        words += f"The boxes were scaled by {x_scale:.4g}."
        return scaled(boxes, x_scale, y_scale), Problem(file, words, "mended")
    return boxes, Problem(file, f"{told}. The boxes were taken as its pixels.", "mended")


def _snapped(box: Box, width: int, height: int) -> Box:
    xmin = 0.0 if -_SNAP < box.xmin < 0 else box.xmin
    ymin = 0.0 if -_SNAP < box.ymin < 0 else box.ymin
    xmax = float(width) if width < box.xmax < width + _SNAP else box.xmax
    ymax = float(height) if height < box.ymax < height + _SNAP else box.ymax
    return box if (xmin, ymin, xmax, ymax) == box.xyxy else moved(box, xmin, ymin, xmax, ymax)
