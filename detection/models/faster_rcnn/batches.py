"""Training batches of pictures at their own aspect ratio: resize, mirror, recolour, pad.

Sample ``p`` of a run is always the same picture with the same changes and the same draw of anchors
and proposals, whatever came before: a resumed run equals one that was never cut off.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.augmentation import mirrored_boxes
from detection.models.faster_rcnn.config import FasterRcnnConfig
from detection.models.faster_rcnn.pictures import EncodedSplit
from detection.models.faster_rcnn.resize import normalise, resize_images

PREFETCH_BATCHES = 2


def training_batches(
    split: EncodedSplit,
    order: NDArray[np.int64],
    config: FasterRcnnConfig,
    *,
    batch_size: int,
    seed: int,
    flip: bool,
    vertical_flip: bool,
    colour: bool,
    first_sample: int = 0,
) -> tf.data.Dataset:
    """Batches of ``order`` from ``first_sample`` on, as dictionaries of tensors.

    ``images`` ``[B, H, W, 3]`` float32 in -1..1, padded at the right and at the bottom;
    ``shapes`` ``[B, 2]`` int32 without the padding; ground truth padded to the split's M boxes:
    ``boxes_xyxy`` ``[B, M, 4]`` relative to the picture, ``classes`` ``[B, M]`` int32, ``is_box``
    and ``is_ignored`` ``[B, M]`` float32; ``sample`` ``[B]`` int64, the number in the run, and
    ``picture`` ``[B]`` int64, the row in the split.
    """

    def load(row: int, is_flipped: bool, is_turned: bool) -> tuple[NDArray[np.generic], ...]:
        pixels, boxes = split.pictures[row], split.boxes_rel_xyxy[row]
        if is_flipped:
            pixels, boxes = pixels[:, ::-1], mirrored_boxes(boxes)
        if is_turned:
            pixels, boxes = pixels[::-1], mirrored_boxes(boxes, vertically=True)
        return np.ascontiguousarray(pixels), boxes, split.classes[row], split.kinds[row]

    def prepare(picture: tf.Tensor, number: tf.Tensor) -> dict[str, tf.Tensor]:
        random = tf.random.stateless_uniform([5], tf.stack([tf.constant(seed, tf.int64), number]))
        is_flipped = (random[0] < 0.5) & flip
        is_turned = (random[4] < 0.5) & vertical_flip
        types = [tf.uint8, tf.float32, tf.int32, tf.float32]
        given = [picture, is_flipped, is_turned]
        pixels, boxes, classes, kinds = tf.numpy_function(load, given, types)
        pixels.set_shape((None, None, 3))
        boxes.set_shape((split.max_boxes, 4))
        classes.set_shape((split.max_boxes,))
        kinds.set_shape((split.max_boxes, 2))
        image = resize_images(pixels[None], config)[0]
        if colour:
            image = _recolour(image, random)
        return {
            "images": image,
            "shapes": tf.shape(image)[:2],
            "boxes_xyxy": boxes,
            "classes": classes,
            "is_box": kinds[:, 0],
            "is_ignored": kinds[:, 1],
            "sample": number,
            "picture": picture,
        }

    samples = np.arange(len(order), dtype=np.int64)
    dataset = tf.data.Dataset.from_tensor_slices((order[first_sample:], samples[first_sample:]))
    dataset = dataset.map(prepare, num_parallel_calls=2, deterministic=True)
    dataset = dataset.padded_batch(batch_size, drop_remainder=True)
    dataset = dataset.map(lambda batch: {**batch, "images": normalise(batch["images"])})
    return dataset.prefetch(PREFETCH_BATCHES)


def _recolour(image: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
    """A little more or less brightness, contrast and saturation; values stay in 0..255."""
    grey = tf.reduce_mean(image, axis=-1, keepdims=True)
    image = grey + (image - grey) * (0.6 + 0.8 * random[1])
    image = (image - 127.5) * (0.75 + 0.5 * random[2]) + 127.5
    return tf.clip_by_value(image + 25.0 * (2.0 * random[3] - 1.0), 0.0, 255.0)
