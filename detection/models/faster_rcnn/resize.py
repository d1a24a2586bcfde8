"""The API's resizers: which size a picture gets, and the resize itself.

``resize_to_range`` of the API's preprocessor: the shorter side becomes ``min_dimension``, unless
the longer one would then be over ``max_dimension``, which it becomes instead.
"""

from __future__ import annotations

import tensorflow as tf

from detection.models.faster_rcnn.config import FasterRcnnConfig


def resized_shape(height: tf.Tensor, width: tf.Tensor, config: FasterRcnnConfig) -> tf.Tensor:
    """``[2]`` int32 height and width that a picture of ``height`` x ``width`` pixels gets.

    In float32 and rounded half to even, as the exported graphs do it.
    """
    if config.fixed_size is not None:
        return tf.constant(config.fixed_size, tf.int32)
    size = tf.cast(tf.stack([height, width]), tf.float32)
    by_least = tf.constant(config.min_dimension, tf.float32) / tf.reduce_min(size)
    by_most = tf.constant(config.max_dimension, tf.float32) / tf.reduce_max(size)
    large = tf.cast(tf.round(size * by_least), tf.int32)
    small = tf.cast(tf.round(size * by_most), tf.int32)
    return tf.where(tf.reduce_max(large) > config.max_dimension, small, large)


def resize_images(images: tf.Tensor, config: FasterRcnnConfig) -> tf.Tensor:
    """``[B, H, W, 3]`` pictures of any type to float32 of the resized shape, 0..255.

    TensorFlow 1's bilinear resize: no half-pixel centres, no antialiasing.
    """
    shape = tf.shape(images)
    size = resized_shape(shape[1], shape[2], config)
    return tf.raw_ops.ResizeBilinear(images=tf.cast(images, tf.float32), size=size)


def normalise(images: tf.Tensor) -> tf.Tensor:
    """Float RGB 0..255 to the -1..1 that Inception v2 was trained on."""
    return (2.0 / 255.0) * images - 1.0
