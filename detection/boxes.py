"""Box geometry: conversions between box formats, clipping, overlap, and mending of drawn boxes.

Arrays are ``boxes_xyxy``: float ``[N, 4]`` with ``xmin, ymin, xmax, ymax`` in absolute pixels,
unless a name says otherwise. All functions take ``N = 0``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detection.names import visible
from detection.types import Box, Problem, Severity

FloatArray = NDArray[np.floating]

# Boxes thinner than this have no area worth the name, and vanish in float32 relative numbers.
MIN_SIDE = 0.01


def as_boxes(values: ArrayLike) -> FloatArray:
    """``values`` as a float ``[N, 4]`` array; an empty list gives ``[0, 4]``."""
    boxes = np.asarray(values)
    if not np.issubdtype(boxes.dtype, np.floating):
        boxes = boxes.astype(np.float64)
    return boxes.reshape(-1, 4)


def clip_boxes(boxes_xyxy: ArrayLike, width: float, height: float) -> FloatArray:
    """Boxes cut to ``0..width`` and ``0..height``; ``[N, 4]``. One outside gets zero area."""
    limits = np.array([width, height, width, height], dtype=np.float64)
    boxes = as_boxes(boxes_xyxy)
    clipped: FloatArray = np.clip(boxes, 0.0, limits.astype(boxes.dtype))
    return clipped


def box_areas(boxes_xyxy: ArrayLike) -> FloatArray:
    """Areas in square pixels, ``[N]``; zero for an inverted box."""
    boxes = as_boxes(boxes_xyxy)
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None)
    areas: FloatArray = sides[:, 0] * sides[:, 1]
    return areas


def iou_matrix(boxes_xyxy: ArrayLike, others_xyxy: ArrayLike) -> FloatArray:
    """Intersection over union of each box with each other, ``[N, M]``; 0 where both are empty."""
    boxes, others = as_boxes(boxes_xyxy), as_boxes(others_xyxy)
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    sides = np.clip(high - low, 0.0, None)
    intersection = sides[..., 0] * sides[..., 1]
    union = box_areas(boxes)[:, None] + box_areas(others)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def xyxy_to_xywh(boxes_xyxy: ArrayLike) -> FloatArray:
    """To ``xmin, ymin, width, height`` in pixels, as COCO writes boxes."""
    boxes = as_boxes(boxes_xyxy)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def xywh_to_xyxy(boxes_xywh: ArrayLike) -> FloatArray:
    """From ``xmin, ymin, width, height`` in pixels."""
    boxes = as_boxes(boxes_xywh)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def xyxy_to_rel_yxyx(boxes_xyxy: ArrayLike, width: float, height: float) -> FloatArray:
    """To ``ymin, xmin, ymax, xmax`` relative to the image, as the Object Detection API has them."""
    boxes = as_boxes(boxes_xyxy)
    scale = np.array([height, width, height, width], dtype=boxes.dtype)
    return boxes[:, [1, 0, 3, 2]] / scale


def rel_yxyx_to_xyxy(boxes_rel_yxyx: ArrayLike, width: float, height: float) -> FloatArray:
    """From relative ``ymin, xmin, ymax, xmax`` to absolute pixels."""
    boxes = as_boxes(boxes_rel_yxyx)
    scale = np.array([width, height, width, height], dtype=boxes.dtype)
    return boxes[:, [1, 0, 3, 2]] * scale


def xyxy_to_rel_cxcywh(boxes_xyxy: ArrayLike, width: float, height: float) -> FloatArray:
    """To relative ``x centre, y centre, width, height``, as YOLO writes boxes."""
    boxes = as_boxes(boxes_xyxy)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    scale = np.array([width, height, width, height], dtype=boxes.dtype)
    return np.concatenate([centres, boxes[:, 2:] - boxes[:, :2]], axis=1) / scale


def rel_cxcywh_to_xyxy(boxes_rel_cxcywh: ArrayLike, width: float, height: float) -> FloatArray:
    """From relative ``x centre, y centre, width, height`` to absolute pixels."""
    boxes = as_boxes(boxes_rel_cxcywh)
    scale = np.array([width, height, width, height], dtype=boxes.dtype)
    scaled = boxes * scale
    half = scaled[:, 2:] / 2
    return np.concatenate([scaled[:, :2] - half, scaled[:, :2] + half], axis=1)


def turn_boxes(
    boxes_xyxy: ArrayLike, stored_width: float, stored_height: float, orientation: int
) -> FloatArray:
    """Carry boxes from an image's stored frame into its upright one, ``[N, 4]``.

    ``orientation`` is the EXIF value 1..8 (TIFF 6.0, tag 274); the stored size is that before
    the turn. Where orientation is 5..8 the upright image is ``stored_height`` wide.
    """
    xmin, ymin, xmax, ymax = as_boxes(boxes_xyxy).T
    if orientation in (2, 3, 7, 8):
        xmin, xmax = stored_width - xmax, stored_width - xmin
    if orientation in (3, 4, 6, 7):
        ymin, ymax = stored_height - ymax, stored_height - ymin
    if orientation >= 5:
        xmin, ymin, xmax, ymax = ymin, xmin, ymax, xmax
    return np.stack([xmin, ymin, xmax, ymax], axis=1)


def clean_boxes(
    boxes: Sequence[Box],
    width: float,
    height: float,
    file: str,
    *,
    numbers: Sequence[int] | None = None,
    lines: Sequence[int | None] | None = None,
) -> tuple[tuple[Box, ...], list[Problem]]:
    """Make drawn boxes valid for an image of ``width`` x ``height``, saying what was done.

    Inverted boxes are turned round, boxes over the edge are clipped; boxes that are not finite,
    lie outside or have no area are left out, and equal boxes of one label are merged.

    Args:
        numbers: the boxes' numbers in their file for the messages; 1, 2, 3 ... if not given.
        lines: the boxes' lines in their file, if known.

    Returns:
        Boxes with ``0 <= xmin < xmax <= width`` and the same for y, in their order; problems.
    """
    kept: dict[tuple[str, float, float, float, float], int] = {}
    cleaned: list[Box] = []
    problems: list[Problem] = []
    for index, box in enumerate(boxes):
        number = numbers[index] if numbers else index + 1
        line = lines[index] if lines else None
        result, words = _clean_box(box, width, height, number)
        severity: Severity = "refused" if result is None else "mended"
        if result is not None and (result.label, *result.xyxy) in kept:
            twin = kept[(result.label, *result.xyxy)]
            words = f"{words} Box {number} ({visible(box.label, 60)}) equals box {twin}. Merged."
            result = None
        if words:
            problems.append(Problem(file, words.strip(), severity, line))
        if result is not None:
            kept[(result.label, *result.xyxy)] = number
            cleaned.append(result)
    return tuple(cleaned), problems


def _clean_box(box: Box, width: float, height: float, number: int) -> tuple[Box | None, str]:
    """The valid box, or None where it is left out; and the words about it, or nothing."""
    # Nearly every box is good, and there are a lot of them. What is not finite fails it, too.
    if (
        box.xmin >= 0
        and box.ymin >= 0
        and box.xmax <= width
        and box.ymax <= height
        and box.xmax - box.xmin >= MIN_SIDE
        and box.ymax - box.ymin >= MIN_SIDE
    ):
        return box, ""
    name = f"Box {number} ({visible(box.label, 60)})"
    values = dict(zip(("xmin", "ymin", "xmax", "ymax"), box.xyxy, strict=True))
    for side, value in values.items():
        if not math.isfinite(value):
            return None, f"{name} has {side} {value}, which is not a finite number. Left out."
    words = []
    for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
        if values[low] > values[high]:
            shown = f"{low} {_show(values[low])} above {high} {_show(values[high])}"
            words.append(f"{name} has {shown}. Swapped.")
            values[low], values[high] = values[high], values[low]
    if min(values["xmax"], values["ymax"]) < 0 or values["xmin"] > width or values["ymin"] > height:
        size = f"{_show(width)} wide and {_show(height)} high"
        return None, f"{name} lies outside the image: {_span(values)} in one {size}. Left out."
    words += _clip(values, width, height, name)
    if min(values["xmax"] - values["xmin"], values["ymax"] - values["ymin"]) < MIN_SIDE:
        return None, f"{name} has no area: {_span(values)}. Left out."
    if not words:
        return box, ""
    xmin, ymin, xmax, ymax = values.values()
    return replace(box, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax), " ".join(words)


def _clip(values: dict[str, float], width: float, height: float, name: str) -> list[str]:
    """Clip ``values`` in place; returns a sentence for each side that was clipped."""
    words = []
    for side, limit, extent in (
        ("xmin", width, "wide"), ("ymin", height, "high"),
        ("xmax", width, "wide"), ("ymax", height, "high"),
    ):  # fmt: skip
        value = values[side]
        values[side] = min(max(value, 0.0), float(limit))
        if values[side] != value:
            shown = f"{side} {_show(value)} in an image {_show(limit)} {extent}"
            words.append(f"{name} has {shown}. Clipped to {_show(values[side])}.")
    return words


def _span(values: dict[str, float]) -> str:
    return "{} {} to {} {}".format(
        *(_show(values[side]) for side in ("xmin", "ymin", "xmax", "ymax"))
    )


def _show(value: float) -> str:
    """A pixel value as people write it: no trailing zeros, at most three decimals."""
    if abs(value) >= 1e9:
        return f"{value:.3g}"
    return f"{value:.3f}".rstrip("0").rstrip(".")
