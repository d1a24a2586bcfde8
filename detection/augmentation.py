"""Random changes to a training picture and its boxes: window, mosaic, mirroring, colour.

By Pillow, on bytes: on a CPU that takes a fifth of the time of TensorFlow's own operations. Needs
no TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detection.picture_cache import BOX, IGNORED, CachedSplit

MIN_WINDOW, MAX_WINDOW = 0.6, 1.4
MAX_ASPECT_CHANGE = 0.15
# A box that the crop leaves this share of is learnt; one that it leaves less of is not punished.
MIN_VISIBLE = 0.4
MIN_IGNORED_VISIBLE = 0.05
MOSAIC_CENTRE = 0.3, 0.7
# What lies beyond a picture: 0 once pixels are -1..1, but for half a step.
GREY = (128, 128, 128)
HALF_RANGE = 127.5
# How many random numbers a sample may use. Each change has its own, whichever others are on.
NUM_RANDOM = 20

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """Which random changes the pictures go through; each can be left out."""

    crop: bool = True
    flip: bool = True
    vertical_flip: bool = False
    colour: bool = True
    mosaic: bool = False


@dataclass(frozen=True)
class Sample:
    """A picture and its ground truth, in the columns of `CachedSplit`.

    ``image`` RGB; ``boxes_xyxy`` ``[M, 4]`` float32 relative to it; ``classes`` ``[M]`` int32;
    ``kinds`` ``[M, 2]`` float32.
    """

    image: Image.Image
    boxes_xyxy: Floats
    classes: NDArray[np.int32]
    kinds: Floats


def sample_of(split: CachedSplit, row: int) -> Sample:
    """The picture of ``split`` in that row, as it is kept."""
    return Sample(
        Image.fromarray(np.asarray(split.pixels[row])),
        split.boxes_rel_xyxy[row],
        split.classes[row],
        split.kinds[row],
    )


def through_a_window(sample: Sample, random: Floats, size: int, *, crop: bool) -> Sample:
    """``sample`` at ``size`` x ``size`` pixels: all of it, or what a random window shows."""
    window = _window(random) if crop else np.array([0.0, 0.0, 1.0, 1.0], np.float32)
    canvas = _canvas(size)
    _show(sample.image, window, canvas, (0, 0, size, size))
    boxes, kinds = _move_boxes(sample.boxes_xyxy, sample.kinds, window)
    return Sample(canvas, boxes, sample.classes, kinds)


def mosaic(samples: Sequence[Sample], random: Floats, size: int) -> Sample:
    """Four pictures in the quarters around a random point (Bochkovskiy et al. 2020, YOLOv4)."""
    low, high = MOSAIC_CENTRE
    x, y = (round(float(share) * size) for share in low + (high - low) * random[14:16])
    quarters = [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]
    canvas = _canvas(size)
    boxes, kinds = [], []
    for number, (sample, place) in enumerate(zip(samples, quarters, strict=True)):
        quarter = np.array(place, np.float32) / size
        span = quarter[2:] - quarter[:2]
        # A window as large as its quarter shows things at their size; a larger one makes them less.
        window_span = np.minimum(span * (1.0 + random[16 + number]), 1.0)
        origin = random[number] * (1.0 - window_span)
        window = np.concatenate([origin, origin + window_span])
        _show(sample.image, window, canvas, place)
        moved, its_kinds = _move_boxes(sample.boxes_xyxy, sample.kinds, window)
        boxes.append(np.tile(quarter[:2], 2) + moved * np.tile(span, 2))
        kinds.append(its_kinds)
    classes = np.concatenate([sample.classes for sample in samples])
    return Sample(canvas, np.concatenate(boxes), classes, np.concatenate(kinds))


def flip_and_recolour(sample: Sample, random: Floats, augmentation: Augmentation) -> Sample:
    """The changes that need no other picture and leave its size."""
    image, boxes = sample.image, sample.boxes_xyxy
    if augmentation.flip and random[4] < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        boxes = mirrored_boxes(boxes)
    if augmentation.vertical_flip and random[8] < 0.5:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        boxes = mirrored_boxes(boxes, vertically=True)
    if augmentation.colour:
        image = _recolour(image, random)
    return replace(sample, image=image, boxes_xyxy=boxes)


def mirrored_boxes(boxes_xyxy: Floats, *, vertically: bool = False) -> Floats:
    """Relative boxes ``[M, 4]`` of a picture after its mirroring: left and right, or top and
    bottom."""
    xmin, ymin, xmax, ymax = boxes_xyxy.T
    if vertically:
        return np.stack([xmin, 1 - ymax, xmax, 1 - ymin], axis=1)
    return np.stack([1 - xmax, ymin, 1 - xmin, ymax], axis=1)


def _window(random: Floats) -> Floats:
    """A random view of the picture, relative ``xmin, ymin, xmax, ymax``; may reach beyond it."""
    low, high = math.log(MIN_WINDOW), math.log(MAX_WINDOW)
    scale = low + (high - low) * random[0]
    aspect = MAX_ASPECT_CHANGE * (2 * random[1] - 1)
    span = np.exp([scale + aspect, scale - aspect]).astype(np.float32)
    origin = random[2:4] * (1 - span)
    return np.concatenate([origin, origin + span])


def _canvas(size: int) -> Image.Image:
    return Image.new("RGB", (size, size), GREY)


def _show(
    image: Image.Image, window_xyxy: Floats, canvas: Image.Image, place: tuple[int, int, int, int]
) -> None:
    """Paint ``window`` of ``image`` over ``place`` of ``canvas``, antialiased.

    ``window`` is relative to the image, ``place`` in whole pixels. Where the window reaches beyond
    the image, the canvas stays as it is; so do pixels that the image covers in part.
    """
    corners, spans = [], []
    for axis in (0, 1):
        start, end = place[axis], place[axis + 2]
        low, high = float(window_xyxy[axis]), float(window_xyxy[axis + 2])
        pixel = (high - low) / (end - start)  # one pixel of the canvas, relative to the image
        first = max(start, math.ceil(start - low / pixel - 1e-3))
        last = min(end, math.floor(start + (1.0 - low) / pixel + 1e-3))
        if last <= first:
            return
        side = image.size[axis]
        spans.append((first, last))
        corners.append(
            [side * min(1.0, max(0.0, low + (edge - start) * pixel)) for edge in (first, last)]
        )
    (left, right), (top, bottom) = spans
    box = (corners[0][0], corners[1][0], corners[0][1], corners[1][1])
    view = image.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box)
    canvas.paste(view, (left, top))


def _move_boxes(boxes_xyxy: Floats, kinds: Floats, window_xyxy: Floats) -> tuple[Floats, Floats]:
    """Boxes in the window's own coordinates, clipped; little-visible ones become ignored."""
    origin = np.tile(window_xyxy[:2], 2)
    span = np.tile(window_xyxy[2:] - window_xyxy[:2], 2)
    moved = (boxes_xyxy - origin) / span
    clipped = np.clip(moved, 0.0, 1.0)
    area = np.maximum(moved[:, 2:] - moved[:, :2], 1e-9).prod(axis=1)
    visible = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1) / area
    is_box = kinds[:, BOX] * (visible >= MIN_VISIBLE)
    is_ignored = kinds[:, [BOX, IGNORED]].max(axis=1) * (visible > MIN_IGNORED_VISIBLE) - is_box
    both = np.stack([is_box, is_ignored], axis=1)
    return clipped.astype(np.float32), both.astype(np.float32)


def _recolour(image: Image.Image, random: Floats) -> Image.Image:
    """Brightness, contrast and saturation, as one matrix of colours."""
    brightness = 0.2 * (2 * random[5] - 1)
    contrast = 0.75 + 0.5 * random[6]
    saturation = 0.6 + 0.8 * random[7]
    # A colour is its grey (the mean of the three) and its distance from that.
    mixed = contrast * (saturation * np.eye(3) + (1.0 - saturation) / 3.0)
    offset = np.full((3, 1), HALF_RANGE * (1.0 - contrast + brightness))
    return image.convert("RGB", tuple(np.hstack([mixed, offset]).ravel().tolist()))
