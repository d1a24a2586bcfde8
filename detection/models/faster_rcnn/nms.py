"""Greedy non-max suppression within each class, as the API's batch_multiclass_nms does it.

Suppression sees boxes that are not clipped; then they are clipped to the picture, those without
area are dropped, and the best ``max_total`` are kept.
"""

from __future__ import annotations

import tensorflow as tf

from detection.models.faster_rcnn.anchors import clip_to_window


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
    """Keep the best of ``boxes[B, N, C, 4]`` with ``scores[B, N, C]`` in each picture.

    ``image_shapes`` ``[B, 2]``: each picture's height and width. A score must be over
    ``score_threshold``. Returns boxes ``[B, max_total, 4]``, scores and class indices
    ``[B, max_total]``, best first and padded with zeros, and how many there are, ``[B]`` int32.
    """
    # What clipping leaves without area is replaced by the next best, so all of them are asked for.
    candidates = tf.shape(scores)[1]
    most = tf.minimum(tf.minimum(max_per_class, candidates) * int(scores.shape[2]), 2**20)
    kept = tf.image.combined_non_max_suppression(
        boxes_yxyx,
        scores,
        max_output_size_per_class=max_per_class,
        max_total_size=tf.maximum(most, max_total),
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        clip_boxes=False,
    )
    height, width = image_shapes[:, :1], image_shapes[:, 1:]
    clipped = clip_to_window(kept.nmsed_boxes, height, width)
    area = (clipped[..., 2] - clipped[..., 0]) * (clipped[..., 3] - clipped[..., 1])
    is_kept = tf.range(tf.shape(area)[1])[None] < kept.valid_detections[:, None]
    is_kept &= area > 0
    # Those to keep first, in their order.
    order = tf.argsort(tf.cast(~is_kept, tf.int32), axis=1, stable=True)[:, :max_total]
    count = tf.minimum(tf.reduce_sum(tf.cast(is_kept, tf.int32), axis=1), max_total)
    is_there = tf.cast(tf.range(max_total)[None] < count[:, None], tf.float32)
    boxes = tf.gather(clipped, order, batch_dims=1) * is_there[..., None]
    found_scores = tf.gather(kept.nmsed_scores, order, batch_dims=1) * is_there
    classes = tf.gather(kept.nmsed_classes, order, batch_dims=1) * is_there
    return boxes, found_scores, classes, count
