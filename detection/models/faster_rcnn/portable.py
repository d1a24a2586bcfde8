"""What lies before and between the stages, of operators that other runtimes have: for exports.

Each function stands for one that TensorFlow computes by an operator of its own, and gives the same
numbers, most to the last bit: it decides whether a crop that ends at the picture's edge reads the
last column or zeros from beyond. One picture at a time.
"""

from __future__ import annotations

import tensorflow as tf

from detection.models.faster_rcnn.anchors import clip_to_window
from detection.models.faster_rcnn.config import FasterRcnnConfig
from detection.models.faster_rcnn.operators import Operators
from detection.models.faster_rcnn.resize import resized_shape


def resize(images: tf.Tensor, config: FasterRcnnConfig) -> tf.Tensor:
    """``resize.resize_images`` of ``[1, H, W, 3]``, by gathering the four pixels around a point."""
    shape = tf.shape(images)
    size = resized_shape(shape[1], shape[2], config)
    rows, next_rows, row_shares = _around(shape[1], size[0])
    columns, next_columns, column_shares = _around(shape[2], size[1])
    row_shares, column_shares = row_shares[:, None, None], column_shares[:, None]

    def across(row_indices: tf.Tensor) -> tf.Tensor:
        line = tf.gather(images[0], row_indices)
        left = tf.cast(tf.gather(line, columns, axis=1), tf.float32)
        right = tf.cast(tf.gather(line, next_columns, axis=1), tf.float32)
        return left + (right - left) * column_shares

    top, bottom = across(rows), across(next_rows)
    return (top + (bottom - top) * row_shares)[None]


def _around(length: tf.Tensor, new_length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Of each of ``new_length`` points the pixels before and after, and how near it is to the
    latter."""
    scale = tf.cast(length, tf.float32) / tf.cast(new_length, tf.float32)
    places = tf.cast(tf.range(new_length), tf.float32) * scale
    before = tf.floor(places)
    first = tf.cast(before, tf.int32)
    return first, tf.minimum(first + 1, length - 1), places - before


def crop(features: tf.Tensor, boxes_rel_yxyx: tf.Tensor, size: int) -> tf.Tensor:
    """``operators.crop_boxes`` of ``features[1, H, W, D]``, by gathering the four cells around a
    point. ``size``: 2 or more."""
    grid = tf.shape(features)
    ymin, xmin, ymax, xmax = tf.unstack(boxes_rel_yxyx[0], axis=1)
    top, bottom, row_shares, in_rows = _samples(ymin, ymax, grid[1], size)
    left, right, column_shares, in_columns = _samples(xmin, xmax, grid[2], size)
    cells = tf.reshape(features, [-1, features.shape[3]])

    def across(rows: tf.Tensor) -> tf.Tensor:
        starts = (rows * grid[2])[:, :, None]
        at_left = tf.gather(cells, starts + left[:, None, :])
        at_right = tf.gather(cells, starts + right[:, None, :])
        return at_left + (at_right - at_left) * column_shares[:, None, :, None]

    at_top, at_bottom = across(top), across(bottom)
    crops = at_top + (at_bottom - at_top) * row_shares[:, :, None, None]
    return crops * (in_rows[:, :, None] * in_columns[:, None, :])[..., None]


def _samples(
    low: tf.Tensor, high: tf.Tensor, length: tf.Tensor, size: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Along one side of boxes ``[N]``: the cells before and after each of ``size`` points, how near
    the latter is, and 1 where the point is inside, else 0; each ``[N, size]``."""
    last = tf.cast(length - 1, tf.float32)
    # A constant here would be inverted by the converters, and a product rounds otherwise.
    steps = tf.cast(length + (size - 1), tf.float32) - tf.cast(length, tf.float32)
    step = (high - low) * last / steps
    places = (low * last)[:, None] + tf.range(size, dtype=tf.float32) * step[:, None]
    is_inside = (places >= 0.0) & (places <= last)
    within = tf.clip_by_value(places, 0.0, last)
    before, after = tf.floor(within), tf.math.ceil(within)
    return (
        tf.cast(before, tf.int32),
        tf.cast(after, tf.int32),
        within - before,
        tf.cast(is_inside, tf.float32),
    )


def suppress(
    boxes_yxyx: tf.Tensor,
    scores: tf.Tensor,
    image_shapes: tf.Tensor,
    *,
    score_threshold: float,
    iou_threshold: float,
    max_per_class: int,
    max_total: int,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """``nms.suppress`` of one picture, ``boxes[1, N, C, 4]``, label by label."""
    classes = int(scores.shape[2])
    count = tf.shape(scores)[1]
    by_label = tf.transpose(boxes_yxyx[0], [1, 0, 2])
    scores_by_label = tf.transpose(scores[0])
    kept, is_kept = [], []
    for label in range(classes):
        indices, number = tf.raw_ops.NonMaxSuppressionV4(
            boxes=by_label[label],
            scores=scores_by_label[label],
            max_output_size=max_per_class,
            iou_threshold=iou_threshold,
            score_threshold=score_threshold,
            pad_to_max_output_size=True,
        )
        kept.append(indices + label * count)
        is_kept.append(tf.range(max_per_class) < number)
    chosen = tf.concat(kept, axis=0)
    boxes = tf.gather(tf.reshape(by_label, [-1, 4]), chosen)
    clipped = clip_to_window(boxes, image_shapes[0, 0], image_shapes[0, 1])
    area = (clipped[:, 2] - clipped[:, 0]) * (clipped[:, 3] - clipped[:, 1])
    is_there = tf.concat(is_kept, axis=0) & (area > 0)
    found_scores = tf.gather(tf.reshape(scores_by_label, [-1]), chosen)
    ranks = tf.where(is_there, found_scores, tf.float32.min)
    most = min(max_total, classes * max_per_class)
    order = tf.math.top_k(ranks, most).indices
    is_shown = tf.cast(tf.gather(is_there, order), tf.float32)
    missing = [[0, max_total - most]]
    labels = tf.repeat(tf.range(classes, dtype=tf.float32), max_per_class)
    return (
        tf.pad(tf.gather(clipped, order) * is_shown[:, None], [*missing, [0, 0]])[None],
        tf.pad(tf.gather(found_scores, order) * is_shown, missing)[None],
        tf.pad(tf.gather(labels, order) * is_shown, missing)[None],
        tf.cast(tf.reduce_sum(is_shown), tf.int32)[None],
    )


PORTABLE = Operators(resize, crop, suppress)
