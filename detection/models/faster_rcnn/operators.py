"""What lies before and between the stages, as operators that can be exchanged.

TensorFlow has one for each; other runtimes lack some (see ``portable``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from detection.models.faster_rcnn.nms import suppress
from detection.models.faster_rcnn.resize import resize_images


@dataclass(frozen=True)
class Operators:
    """``resize``: see ``resize.resize_images``; ``crop``: see ``crop_boxes``; ``suppress``: see
    ``nms.suppress``."""

    resize: Callable[..., tf.Tensor]
    crop: Callable[[tf.Tensor, tf.Tensor, int], tf.Tensor]
    suppress: Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]]


def crop_boxes(features: tf.Tensor, boxes_rel_yxyx: tf.Tensor, size: int) -> tf.Tensor:
    """What of ``features[B, H, W, D]`` is in each box of ``[B, N, 4]``: ``[B * N, size, size, D]``.

    Sampled bilinearly, the outermost points on the box's edges; zeros outside the features.
    """
    count = tf.shape(boxes_rel_yxyx)[1]
    picture = tf.repeat(tf.range(tf.shape(features)[0]), count)
    boxes = tf.reshape(boxes_rel_yxyx, [-1, 4])
    return tf.image.crop_and_resize(tf.cast(features, tf.float32), boxes, picture, [size, size])


TENSORFLOW = Operators(resize_images, crop_boxes, suppress)
