"""The plain records that travel between Boxloop's layers.

Boxes are in absolute pixels of the *upright* image (after its EXIF orientation is applied), with
``0 <= xmin < xmax <= width`` and ``0 <= ymin < ymax <= height``: edges, not pixel indices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from detection.names import visible

Severity = Literal["note", "mended", "refused"]


@dataclass(frozen=True, slots=True)
class Box:
    """One ground-truth box, in absolute pixels of the upright image.

    ``crowd`` marks a box around many objects at once: it is ignored by evaluation and not trained.
    ``pose`` is Pascal VOC's word for the side that an object is seen from.
    """

    label: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    difficult: bool = False
    truncated: bool = False
    crowd: bool = False
    pose: str = "Unspecified"

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """``(xmin, ymin, xmax, ymax)`` in pixels."""
        return (self.xmin, self.ymin, self.xmax, self.ymax)


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image with its boxes. No boxes means a negative: an image known to show none.

    ``name`` is the image's path relative to its dataset, with ``/`` between folders; it is text
    to show and to match, never a path to open. ``width`` and ``height`` are those of the upright
    image. ``source`` is where the original bytes can be read, where they are a local file.
    """

    name: str
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    source: Path | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was noticed, mended or refused in a user's file.

    ``message`` is a finished sentence that holds the value and what was done about it, as in
    ``Box 3 has xmax 812 in an image 800 wide. Clipped to 800.``
    """

    file: str
    message: str
    severity: Severity = "note"
    line: int | None = None

    def __str__(self) -> str:
        file = visible(self.file)
        where = file if self.line is None else f"{file}, line {self.line}"
        return f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Detection:
    """One box that a model found, in absolute pixels of the image it was given.

    ``class_id`` is the label map's id (1-based); ``score`` lies in 0..1.
    """

    label: str
    class_id: int
    score: float
    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """``(xmin, ymin, xmax, ymax)`` in pixels."""
        return (self.xmin, self.ymin, self.xmax, self.ymax)
