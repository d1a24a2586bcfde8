"""From decoded pictures to training batches: shuffle, crop, flip, colour, pad.

The whole run is one stream of sample numbers: sample ``p`` of the run is always the same picture
with the same augmentation, whatever came before. That makes a resumed run equal to one that was
never cut off, and needs no state to be saved but the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.picture_cache import CachedSplit

PREFETCH_BATCHES = 4
MIN_WINDOW, MAX_WINDOW = 0.6, 1.4
MAX_ASPECT_CHANGE = 0.15
# A box that the crop leaves this share of is learnt; one that it leaves less of is not punished.
MIN_VISIBLE = 0.4
MIN_IGNORED_VISIBLE = 0.05


@dataclass(frozen=True)
class Augmentation:
    """Which random changes the pictures go through; each can be left out."""

    crop: bool = True
    flip: bool = True
    colour: bool = True


def sample_order(num_images: int, num_samples: int, seed: int) -> NDArray[np.int64]:
    """Which picture each sample of the run shows: one shuffled pass over all after another."""
    random = np.random.default_rng([seed, 0x0B0E])
    passes = -(-num_samples // num_images)
    order = np.concatenate([random.permutation(num_images) for _ in range(passes)])
    return order[:num_samples].astype(np.int64)


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

    ``images`` ``[B, S, S, 3]`` float32 in -1..1; ground truth padded to the split's M boxes:
    ``boxes_xyxy`` ``[B, M, 4]`` relative, ``classes`` ``[B, M]`` int32 model indices, ``is_box``
    and ``is_ignored`` ``[B, M]`` float32; ``picture`` ``[B]`` int64, the row in the split.
    """
    side = split.pixels.shape[1]

    def load(picture: tf.Tensor) -> tuple[tf.Tensor, ...]:
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
        pixels, boxes, classes, kinds = load(picture)
        images, boxes, kinds = _augment(
            pixels, boxes, kinds, tf.stack([tf.constant(seed, tf.int64), sample]), input_size,
            augmentation,
        )  # fmt: skip
        return {
            "images": images,
            "boxes_xyxy": boxes,
            "classes": classes,
            "is_box": kinds[:, 0],
            "is_ignored": kinds[:, 1],
            "picture": picture,
        }

    samples = np.arange(len(order), dtype=np.int64)
    dataset = tf.data.Dataset.from_tensor_slices((order[first_sample:], samples[first_sample:]))
    dataset = dataset.map(prepare, num_parallel_calls=2, deterministic=True)
    return dataset.batch(batch_size, drop_remainder=True).prefetch(PREFETCH_BATCHES)


def _augment(
    pixels: tf.Tensor,
    boxes_xyxy: tf.Tensor,
    kinds: tf.Tensor,
    seed: tf.Tensor,
    input_size: int,
    augmentation: Augmentation,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """One picture ``[side, side, 3]`` uint8 to ``[S, S, 3]`` in -1..1, its boxes with it."""
    random = tf.random.stateless_uniform([10], seed)
    image = tf.cast(pixels, tf.float32) * (1.0 / 127.5) - 1.0
    if augmentation.crop:
        window = _window(random)
    else:
        window = tf.constant([0.0, 0.0, 1.0, 1.0])
    image = _view(image, window, input_size)
    boxes_xyxy, kinds = _move_boxes(boxes_xyxy, kinds, window)
    if augmentation.flip:
        flipped = random[4] < 0.5
        image = tf.where(flipped, tf.reverse(image, [1]), image)
        mirrored = tf.stack(
            [1 - boxes_xyxy[:, 2], boxes_xyxy[:, 1], 1 - boxes_xyxy[:, 0], boxes_xyxy[:, 3]], 1
        )
        boxes_xyxy = tf.where(flipped, mirrored, boxes_xyxy)
    if augmentation.colour:
        image = _recolour(image, random)
    return image, boxes_xyxy, kinds


def _window(random: tf.Tensor) -> tf.Tensor:
    """A random view of the picture, relative ``xmin, ymin, xmax, ymax``; may reach beyond it."""
    low, high = np.log(MIN_WINDOW), np.log(MAX_WINDOW)
    scale = low + (high - low) * random[0]
    aspect = MAX_ASPECT_CHANGE * (2 * random[1] - 1)
    width, height = tf.exp(scale + aspect), tf.exp(scale - aspect)
    xmin, ymin = random[2] * (1 - width), random[3] * (1 - height)
    return tf.stack([xmin, ymin, xmin + width, ymin + height])


def _view(image: tf.Tensor, window_xyxy: tf.Tensor, input_size: int) -> tf.Tensor:
    """The window of ``image``, resampled as Pillow's antialiased bilinear; 0 (grey) outside."""
    side = image.shape[0]
    span = window_xyxy[2:] - window_xyxy[:2]
    scale = input_size / (span * side)
    shift = -window_xyxy[:2] * side * scale
    view = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=[input_size, input_size],
        scale=scale[::-1],
        translation=shift[::-1],
        kernel_type="triangle",
        antialias=True,
    )
    return view[0]


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
    brightness = 0.2 * (2 * random[5] - 1)
    contrast = 0.75 + 0.5 * random[6]
    saturation = 0.6 + 0.8 * random[7]
    grey = tf.reduce_mean(image, axis=-1, keepdims=True)
    image = grey + (image - grey) * saturation
    return tf.clip_by_value(image * contrast + brightness, -1.0, 1.0)
