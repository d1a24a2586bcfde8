"""Which anchors learn which ground-truth box: task-aligned assignment (TOOD, Feng et al. 2021).

An anchor is judged by what the model makes of it now: its probability of the right class and the
overlap of its predicted box. The box regressors of the base are good from the first step, so the
judgement is, too. Adapted to SSD's anchors: the overlap of the anchor itself counts for half.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from detection.models.ssd.losses import pairwise_iou

MIN_ANCHOR_IOU = 0.35
ANCHORS_PER_BOX = 10
CLASS_POWER = 0.5
OVERLAP_POWER = 4.0
IGNORED_OVERLAP = 0.5


@dataclass(frozen=True)
class Assignment:
    """What each anchor should say, for a batch of B images, A anchors and C labels.

    ``class_targets`` ``[B, A, C]``: 0, or how well the anchor does for its box (0..1).
    ``box_index`` ``[B, A]``: the ground-truth box of each anchor (0 where it has none).
    ``box_weights`` ``[B, A]``: the target's strength; 0 where the anchor has no box.
    ``ignored`` ``[B, A]``: 1 where the anchor lies on an ignored box and must not be punished.
    """

    class_targets: tf.Tensor
    box_index: tf.Tensor
    box_weights: tf.Tensor
    ignored: tf.Tensor


def assign(
    probabilities: tf.Tensor,
    predicted_xyxy: tf.Tensor,
    anchors_xyxy: tf.Tensor,
    boxes_xyxy: tf.Tensor,
    classes: tf.Tensor,
    is_box: tf.Tensor,
    is_ignored: tf.Tensor,
) -> Assignment:
    """Assign ground truth to anchors; all boxes are relative ``xmin, ymin, xmax, ymax``.

    ``probabilities`` ``[B, A, C]``, ``predicted_xyxy`` ``[B, A, 4]``, ``anchors_xyxy`` ``[A, 4]``;
    ground truth padded to M boxes an image: ``boxes_xyxy`` ``[B, M, 4]``, ``classes`` ``[B, M]``,
    ``is_box`` ``[B, M]`` (1 for a box to learn) and ``is_ignored`` ``[B, M]`` (1 for a difficult
    or crowd box). No gradient flows through the result.
    """
    anchor_iou = pairwise_iou(boxes_xyxy, anchors_xyxy[None])  # [B, M, A]
    predicted_iou = pairwise_iou(boxes_xyxy, predicted_xyxy)
    class_probability = tf.gather(
        tf.transpose(probabilities, [0, 2, 1]), classes, axis=1, batch_dims=1
    )
    overlap = 0.5 * (anchor_iou + predicted_iou)
    alignment = class_probability**CLASS_POWER * overlap**OVERLAP_POWER

    best_anchor_iou = tf.reduce_max(anchor_iou, axis=-1, keepdims=True)
    candidate = (anchor_iou > MIN_ANCHOR_IOU) | (
        (anchor_iou >= best_anchor_iou) & (best_anchor_iou > 0)
    )
    candidate &= is_box[..., None] > 0
    alignment = tf.where(candidate, alignment, 0.0)
    count = min(ANCHORS_PER_BOX, anchors_xyxy.shape[0])
    least = tf.math.top_k(alignment, count).values[..., -1:]
    chosen = candidate & (alignment >= least) & (alignment > 0)

    # An anchor that two boxes want goes to the one it overlaps more.
    claims = tf.where(chosen, overlap, -1.0)
    box_index = tf.argmax(claims, axis=1, output_type=tf.int32)  # [B, A]
    taken = tf.reduce_max(claims, axis=1) >= 0
    owner = tf.one_hot(box_index, tf.shape(boxes_xyxy)[1], axis=1, on_value=True, off_value=False)
    chosen = owner & taken[:, None, :]

    alignment = tf.where(chosen, alignment, 0.0)
    best_overlap = tf.reduce_max(tf.where(chosen, predicted_iou, 0.0), axis=-1, keepdims=True)
    best_alignment = tf.reduce_max(alignment, axis=-1, keepdims=True)
    strength = alignment / tf.maximum(best_alignment, 1e-9) * best_overlap
    box_weights = tf.reduce_sum(strength, axis=1)
    label = tf.gather(classes, box_index, batch_dims=1)
    class_targets = box_weights[..., None] * tf.one_hot(label, probabilities.shape[-1])
    ignored = _ignored_anchors(predicted_xyxy, boxes_xyxy, is_ignored) & ~taken
    return Assignment(
        class_targets=tf.stop_gradient(class_targets),
        box_index=box_index,
        box_weights=tf.stop_gradient(box_weights),
        ignored=tf.cast(ignored, tf.float32),
    )


def _ignored_anchors(
    predicted_xyxy: tf.Tensor, boxes_xyxy: tf.Tensor, is_ignored: tf.Tensor
) -> tf.Tensor:
    """Anchors ``[B, A]`` whose predicted box lies for the most part in an ignored box.

    By share of the predicted box, not IoU: a crowd box is larger than each thing in it.
    """
    top_left = tf.maximum(boxes_xyxy[:, :, None, :2], predicted_xyxy[:, None, :, :2])
    bottom_right = tf.minimum(boxes_xyxy[:, :, None, 2:], predicted_xyxy[:, None, :, 2:])
    shared = tf.reduce_prod(tf.maximum(bottom_right - top_left, 0.0), axis=-1)
    size = predicted_xyxy[..., 2:] - predicted_xyxy[..., :2]
    area = tf.reduce_prod(tf.maximum(size, 1e-6), axis=-1)
    share = shared / area[:, None, :] * is_ignored[..., None]
    return tf.reduce_any(share > IGNORED_OVERLAP, axis=1)
