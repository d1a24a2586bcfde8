"""Grid anchors (Ren et al. 2015, section 3.1.1), as the API's GridAnchorGenerator makes them."""

from __future__ import annotations

import tensorflow as tf

from detection.models.faster_rcnn.config import FasterRcnnConfig


def make_anchors(
    grid_height: tf.Tensor, grid_width: tf.Tensor, config: FasterRcnnConfig
) -> tf.Tensor:
    """Anchors ``[grid_height * grid_width * K, 4]``, ymin, xmin, ymax, xmax in pixels.

    Order: row, column, aspect ratio, scale. Not clipped to the picture.
    """
    shapes = [
        (scale / ratio**0.5 * config.anchor_base[0], scale * ratio**0.5 * config.anchor_base[1])
        for ratio in config.anchor_aspect_ratios
        for scale in config.anchor_scales
    ]
    half = 0.5 * tf.constant(shapes, tf.float32)  # [K, 2]
    y = tf.cast(tf.range(grid_height), tf.float32) * config.anchor_stride[0]
    x = tf.cast(tf.range(grid_width), tf.float32) * config.anchor_stride[1]
    rows, columns = tf.meshgrid(
        y + config.anchor_offset[0], x + config.anchor_offset[1], indexing="ij"
    )
    centres = tf.expand_dims(tf.stack([rows, columns], axis=-1), 2)
    return tf.reshape(tf.concat([centres - half, centres + half], axis=-1), [-1, 4])


def clip_to_window(boxes_yxyx: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Boxes ``[..., 4]`` cut to the picture; ``height`` and ``width`` broadcast to ``[...]``."""
    height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    ymin, xmin, ymax, xmax = tf.unstack(boxes_yxyx, axis=-1)
    return tf.stack(
        [
            tf.clip_by_value(ymin, 0.0, height),
            tf.clip_by_value(xmin, 0.0, width),
            tf.clip_by_value(ymax, 0.0, height),
            tf.clip_by_value(xmax, 0.0, width),
        ],
        axis=-1,
    )


def inside_window(anchors_yxyx: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Which anchors ``[A]`` lie wholly in the picture: only these are learnt from."""
    height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    ymin, xmin, ymax, xmax = tf.unstack(anchors_yxyx, axis=-1)
    return (ymin >= 0) & (xmin >= 0) & (ymax <= height) & (xmax <= width)
