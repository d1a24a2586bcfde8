"""From decoded pictures to training batches: shuffle, mosaic, crop, flip, colour, pad.

The whole run is one stream of sample numbers: sample ``p`` of the run is always the same picture
with the same augmentation, whatever came before. That makes a resumed run equal to one that was
never cut off, and needs no state to be saved but the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.picture_cache import BOX, CachedSplit

PREFETCH_BATCHES = 4
MIN_WINDOW, MAX_WINDOW = 0.6, 1.4
MAX_ASPECT_CHANGE = 0.15
# A box that the crop leaves this share of is learnt; one that it leaves less of is not punished.
MIN_VISIBLE = 0.4
MIN_IGNORED_VISIBLE = 0.05
# Half of the samples are mosaics, but none towards the end: there pictures are as they are.
MOSAIC_SHARE, MOSAIC_UNTIL = 0.5, 0.7
MOSAIC_CENTRE = 0.3, 0.7
# Labels in fewer than this share of the pictures are shown more often, up to so many times.
RARE, MOST_REPEATS = 0.1, 4.0


# A pixel is 0 at mid-grey until colours are changed, which divides by this.
HALF_RANGE = 127.5

# Pixels [side, side, 3], boxes [M, 4], classes [M], kinds [M, 2]. Pixels are uint8 as stored, and
# float32 from -HALF_RANGE to HALF_RANGE once they were seen through a window.
Sample = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class Augmentation:
    """Which random changes the pictures go through; each can be left out."""

    crop: bool = True
    flip: bool = True
    vertical_flip: bool = False
    colour: bool = True
    mosaic: bool = False


def repeat_factors(split: CachedSplit, num_labels: int) -> NDArray[np.float64]:
    """How often each picture is to be shown a pass: 1, or more where it holds a rare label.

    Repeat-factor sampling (Gupta et al. 2019, "LVIS", appendix B): the root of ``RARE`` over the
    share of pictures that hold the rarest of its labels. ``[N]``.
    """
    learnt = split.kinds[..., BOX] > 0
    holds = np.zeros((split.num_images, num_labels), bool)
    rows, columns = np.nonzero(learnt)
    holds[rows, split.classes[rows, columns]] = True
    share = np.maximum(holds.mean(axis=0), 1e-9)
    of_label = np.clip(np.sqrt(RARE / share), 1.0, MOST_REPEATS)
    factors: NDArray[np.float64] = np.where(holds, of_label, 1.0).max(axis=1, initial=1.0)
    return factors


def sample_order(
    num_images: int,
    num_samples: int,
    seed: int,
    repeats: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Which picture each sample of the run shows: one shuffled pass over all after another.

    With ``repeats`` ``[num_images]`` a pass shows picture *i* that often; what is left of a whole
    number is drawn anew each pass.
    """
    random = np.random.default_rng([seed, 0x0B0E])
    order: list[NDArray[np.int64]] = []
    count = 0
    while count < num_samples:
        one_pass = np.arange(num_images)
        if repeats is not None and (repeats > 1).any():
            whole = np.floor(repeats + random.random(num_images)).astype(np.int64)
            one_pass = np.repeat(one_pass, whole)
        order.append(random.permutation(one_pass))
        count += len(one_pass)
    return np.concatenate(order)[:num_samples].astype(np.int64)


def training_batches(
    split: CachedSplit,
    order: NDArray[np.int64],
    *,
    batch_size: int,
    input_size: int,
    seed: int,
    augmentation: Augmentation,
    first_sample: int = 0,
) -> tf.data.Dataset:
    """Batches of ``order`` from ``first_sample`` on, as dictionaries of tensors.

    ``images`` ``[B, S, S, 3]`` float32 in -1..1; ground truth padded to the batch's M boxes:
    ``boxes_xyxy`` ``[B, M, 4]`` relative, ``classes`` ``[B, M]`` int32 model indices, ``is_box``
    and ``is_ignored`` ``[B, M]`` float32; ``picture`` ``[B]`` int64, the row in the split.
    """
    side = split.pixels.shape[1]
    mosaic_until = int(MOSAIC_UNTIL * len(order)) if augmentation.mosaic else 0

    def load(picture: tf.Tensor) -> Sample:
        pixels, boxes, classes, kinds = tf.numpy_function(
            lambda row: (
                np.asarray(split.pixels[row]),
                split.boxes_rel_xyxy[row],
                split.classes[row],
                split.kinds[row],
            ),
            [picture],
            [tf.uint8, tf.float32, tf.int32, tf.float32],
        )
        pixels.set_shape((side, side, 3))
        boxes.set_shape((split.max_boxes, 4))
        classes.set_shape((split.max_boxes,))
        kinds.set_shape((split.max_boxes, 2))
        return pixels, boxes, classes, kinds

    def prepare(picture: tf.Tensor, sample: tf.Tensor) -> dict[str, tf.Tensor]:
        random = tf.random.stateless_uniform([20], tf.stack([tf.constant(seed, tf.int64), sample]))

        def alone() -> Sample:
            return _augment_one(load(picture), random, input_size, augmentation.crop)

        def together() -> Sample:
            count = tf.constant(split.num_images, tf.float32)
            others = tf.cast(random[10:13] * count, tf.int64)
            pictures = [load(picture), *(load(others[index]) for index in range(3))]
            return _mosaic(pictures, random, input_size)

        if augmentation.mosaic:
            is_mosaic = (random[13] < MOSAIC_SHARE) & (sample < mosaic_until)
            image, boxes, classes, kinds = tf.cond(is_mosaic, together, alone)
        else:
            image, boxes, classes, kinds = alone()
        image.set_shape((input_size, input_size, 3))
        image, boxes = _flip_and_colour(image, boxes, random, augmentation)
        # One empty box is always there: what follows cannot do with none.
        there = tf.concat([tf.reduce_max(kinds, axis=1)[:-1] > 0, [True]], axis=0)
        kinds = tf.boolean_mask(kinds, there)
        return {
            "images": image,
            "boxes_xyxy": tf.boolean_mask(boxes, there),
            "classes": tf.boolean_mask(classes, there),
            "is_box": kinds[:, 0],
            "is_ignored": kinds[:, 1],
            "picture": picture,
        }

    samples = np.arange(len(order), dtype=np.int64)
    dataset = tf.data.Dataset.from_tensor_slices((order[first_sample:], samples[first_sample:]))
    dataset = dataset.map(prepare, num_parallel_calls=2, deterministic=True)
    return dataset.padded_batch(batch_size, drop_remainder=True).prefetch(PREFETCH_BATCHES)


def _augment_one(sample: Sample, random: tf.Tensor, input_size: int, crop: bool) -> Sample:
    """One picture ``[side, side, 3]``, seen through a random window, and its boxes in that."""
    image, boxes, classes, kinds = sample
    window = _window(random) if crop else tf.constant([0.0, 0.0, 1.0, 1.0])
    image = _view(image, window, tf.constant([0.0, 0.0, 1.0, 1.0]), input_size)
    boxes, kinds = _move_boxes(boxes, kinds, window)
    return image, boxes, classes, kinds


def _mosaic(samples: list[Sample], random: tf.Tensor, input_size: int) -> Sample:
    """Four pictures in the quarters around a random point (Bochkovskiy et al. 2020, YOLOv4)."""
    low, high = MOSAIC_CENTRE
    x, y = tf.unstack(tf.round((low + (high - low) * random[14:16]) * input_size) / input_size)
    zero, one = tf.constant(0.0), tf.constant(1.0)
    quarters = [(zero, zero, x, y), (x, zero, one, y), (zero, y, x, one), (x, y, one, one)]
    canvas = tf.zeros([input_size, input_size, 3])
    boxes, classes, kinds = [], [], []
    for number, ((image, its_boxes, its_classes, its_kinds), corners) in enumerate(
        zip(samples, quarters, strict=True)
    ):
        quarter = tf.stack(corners)
        span = quarter[2:] - quarter[:2]
        # A window as large as its quarter shows things at their size; a larger one makes them less.
        window_span = tf.minimum(span * (1.0 + random[16 + number]), 1.0)
        origin = random[number] * (1.0 - window_span)
        window = tf.concat([origin, origin + window_span], axis=0)
        canvas += _view(image, window, quarter, input_size)
        moved, its_kinds = _move_boxes(its_boxes, its_kinds, window)
        boxes.append(tf.tile(quarter[:2], [2]) + moved * tf.tile(span, [2]))
        classes.append(its_classes)
        kinds.append(its_kinds)
    return canvas, tf.concat(boxes, 0), tf.concat(classes, 0), tf.concat(kinds, 0)


def _flip_and_colour(
    image: tf.Tensor, boxes_xyxy: tf.Tensor, random: tf.Tensor, augmentation: Augmentation
) -> tuple[tf.Tensor, tf.Tensor]:
    if augmentation.flip:
        flipped = random[4] < 0.5
        # A branch, for tf.where would copy each picture three times.
        image = tf.cond(flipped, lambda: tf.reverse(image, [1]), lambda: image)
        boxes_xyxy = tf.where(flipped, mirrored_boxes(boxes_xyxy), boxes_xyxy)
    if augmentation.vertical_flip:
        turned = random[8] < 0.5
        image = tf.cond(turned, lambda: tf.reverse(image, [0]), lambda: image)
        boxes_xyxy = tf.where(turned, mirrored_boxes(boxes_xyxy, vertically=True), boxes_xyxy)
    if augmentation.colour:
        return _recolour(image, random), boxes_xyxy
    return image * (1.0 / HALF_RANGE), boxes_xyxy


def mirrored_boxes(boxes_xyxy: tf.Tensor, *, vertically: bool = False) -> tf.Tensor:
    """Relative boxes ``[M, 4]`` of a picture after its mirroring: left and right, or top and
    bottom."""
    xmin, ymin, xmax, ymax = tf.unstack(boxes_xyxy, axis=1)
    if vertically:
        return tf.stack([xmin, 1 - ymax, xmax, 1 - ymin], axis=1)
    return tf.stack([1 - xmax, ymin, 1 - xmin, ymax], axis=1)


def _window(random: tf.Tensor) -> tf.Tensor:
    """A random view of the picture, relative ``xmin, ymin, xmax, ymax``; may reach beyond it."""
    low, high = np.log(MIN_WINDOW), np.log(MAX_WINDOW)
    scale = low + (high - low) * random[0]
    aspect = MAX_ASPECT_CHANGE * (2 * random[1] - 1)
    width, height = tf.exp(scale + aspect), tf.exp(scale - aspect)
    xmin, ymin = random[2] * (1 - width), random[3] * (1 - height)
    return tf.stack([xmin, ymin, xmin + width, ymin + height])


def _view(
    image: tf.Tensor, window_xyxy: tf.Tensor, place_xyxy: tf.Tensor, input_size: int
) -> tf.Tensor:
    """``window`` of ``image`` at ``place`` of a grey square, as Pillow's antialiased bilinear.

    ``image`` is uint8; the square is float32 and 0 where it is grey. What of the place the window
    reaches beyond the image stays grey, and so does all around it.
    """
    side = image.shape[0]
    place = place_xyxy * input_size
    scale = (place[2:] - place[:2]) / ((window_xyxy[2:] - window_xyxy[:2]) * side)
    shift = place[:2] - window_xyxy[:2] * side * scale
    view = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=[input_size, input_size],
        scale=scale[::-1],
        translation=shift[::-1],
        kernel_type="triangle",
        antialias=True,
    )[0]
    middles = tf.range(input_size, dtype=tf.float32) + 0.5
    across = tf.cast((middles > place[0]) & (middles < place[2]), tf.float32)
    down = tf.cast((middles > place[1]) & (middles < place[3]), tf.float32)
    return (view - HALF_RANGE) * (down[:, None, None] * across[None, :, None])


def _move_boxes(
    boxes_xyxy: tf.Tensor, kinds: tf.Tensor, window_xyxy: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Boxes in the window's own coordinates, clipped; little-visible ones become ignored."""
    origin = tf.tile(window_xyxy[:2], [2])
    span = tf.tile(window_xyxy[2:] - window_xyxy[:2], [2])
    moved = (boxes_xyxy - origin) / span
    clipped = tf.clip_by_value(moved, 0.0, 1.0)
    area = tf.reduce_prod(tf.maximum(moved[:, 2:] - moved[:, :2], 1e-9), axis=1)
    visible = tf.reduce_prod(clipped[:, 2:] - clipped[:, :2], axis=1) / area
    is_box = kinds[:, 0] * tf.cast(visible >= MIN_VISIBLE, tf.float32)
    is_ignored = (
        tf.reduce_max(kinds, axis=1) * tf.cast(visible > MIN_IGNORED_VISIBLE, tf.float32) - is_box
    )
    return clipped, tf.stack([is_box, is_ignored], axis=1)


def _recolour(image: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
    """Brightness, contrast and saturation in one product, and to -1..1: it takes half the time."""
    brightness = 0.2 * (2 * random[5] - 1)
    contrast = 0.75 + 0.5 * random[6]
    saturation = 0.6 + 0.8 * random[7]
    # A colour is its grey (the mean of the three) and its distance from that.
    colours = saturation * tf.eye(3) + (1.0 - saturation) / 3.0
    mixed = tf.matmul(tf.reshape(image, [-1, 3]), colours * (contrast / HALF_RANGE))
    return tf.reshape(tf.clip_by_value(mixed + brightness, -1.0, 1.0), image.shape)
