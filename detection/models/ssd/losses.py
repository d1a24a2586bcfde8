"""The detector's losses: varifocal for the labels, GIoU for the boxes."""

from __future__ import annotations

import tensorflow as tf

VARIFOCAL_ALPHA = 0.75
VARIFOCAL_GAMMA = 2.0
GIOU_WEIGHT = 2.0


def _areas(boxes_xyxy: tf.Tensor) -> tf.Tensor:
    size = tf.maximum(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0.0)
    return size[..., 0] * size[..., 1]


def pairwise_iou(boxes_a_xyxy: tf.Tensor, boxes_b_xyxy: tf.Tensor) -> tf.Tensor:
    """IoU ``[B, M, A]`` of each box in ``boxes_a[B, M, 4]`` with each in ``boxes_b[B, A, 4]``.

    Empty boxes have IoU 0 with everything.
    """
    a = tf.expand_dims(boxes_a_xyxy, 2)
    b = tf.expand_dims(boxes_b_xyxy, 1)
    width = tf.minimum(a[..., 2], b[..., 2]) - tf.maximum(a[..., 0], b[..., 0])
    height = tf.minimum(a[..., 3], b[..., 3]) - tf.maximum(a[..., 1], b[..., 1])
    overlap = tf.maximum(width, 0.0) * tf.maximum(height, 0.0)
    union = _areas(a) + _areas(b) - overlap
    return tf.math.divide_no_nan(overlap, union)


def giou(boxes_a_xyxy: tf.Tensor, boxes_b_xyxy: tf.Tensor) -> tf.Tensor:
    """Generalised IoU (Rezatofighi et al. 2019), box by box: -1..1; ``[..., 4]`` to ``[...]``."""
    top_left = tf.maximum(boxes_a_xyxy[..., :2], boxes_b_xyxy[..., :2])
    bottom_right = tf.minimum(boxes_a_xyxy[..., 2:], boxes_b_xyxy[..., 2:])
    size = tf.maximum(bottom_right - top_left, 0.0)
    overlap = size[..., 0] * size[..., 1]
    union = _areas(boxes_a_xyxy) + _areas(boxes_b_xyxy) - overlap
    hull = tf.maximum(boxes_a_xyxy[..., 2:], boxes_b_xyxy[..., 2:]) - tf.minimum(
        boxes_a_xyxy[..., :2], boxes_b_xyxy[..., :2]
    )
    hull_area = hull[..., 0] * hull[..., 1]
    iou = tf.math.divide_no_nan(overlap, union)
    return iou - tf.math.divide_no_nan(hull_area - union, hull_area)


def varifocal_loss(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Varifocal loss (Zhang et al. 2021, eq. 2), element by element, of ``logits`` and ``targets``.

    A target over 0 is a positive and weighs as much as itself; a negative weighs by how wrong the
    model is about it, so that the many easy ones do not drown the rest.
    """
    probability = tf.stop_gradient(tf.sigmoid(logits))
    weight = tf.where(targets > 0, targets, VARIFOCAL_ALPHA * probability**VARIFOCAL_GAMMA)
    return weight * tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)


def detection_loss(
    class_logits: tf.Tensor,
    predicted_xyxy: tf.Tensor,
    class_targets: tf.Tensor,
    target_xyxy: tf.Tensor,
    box_weights: tf.Tensor,
    ignored: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The sum to minimise over the batch's positives, and how strong these are in all.

    ``class_logits`` and ``class_targets`` ``[B, A, C]``; boxes ``[B, A, 4]``, relative;
    ``box_weights`` and ``ignored`` ``[B, A]`` as in ``assignment.Assignment``. The loss is the
    quotient of both (of 1 at least); apart, because a batch may be spread over several devices.
    """
    class_loss = varifocal_loss(class_logits, class_targets) * (1.0 - ignored[..., None])
    box_loss = box_weights * (1.0 - giou(predicted_xyxy, target_xyxy))
    total = tf.reduce_sum(class_loss) + GIOU_WEIGHT * tf.reduce_sum(box_loss)
    return total, tf.reduce_sum(box_weights)
