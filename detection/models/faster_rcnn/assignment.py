"""Which anchors and proposals learn which ground-truth box, as the API's target assigners say.

Ren et al. 2015, section 3.1.2, for anchors: a box's best anchor and every anchor with IoU of 0.7
learn it, those below 0.3 are background, the rest learns nothing. Girshick 2015, section 2.3, for
proposals: IoU of 0.5 and more learns the box, less is background. Ground truth that is to be
ignored (difficult, crowd) is not learnt, and what lies in it is no background either.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

ANCHOR_MATCHED, ANCHOR_BACKGROUND = 0.7, 0.3
PROPOSAL_MATCHED = 0.5
IGNORED_SHARE = 0.5


@dataclass(frozen=True)
class GroundTruth:
    """A batch's boxes, padded to M a picture: ``boxes`` ``[B, M, 4]`` in pixels of the resized
    picture, ``classes`` ``[B, M]`` (0-based), ``is_box`` and ``is_ignored`` ``[B, M]`` bool."""

    boxes_yxyx: tf.Tensor
    classes: tf.Tensor
    is_box: tf.Tensor
    is_ignored: tf.Tensor


@dataclass(frozen=True)
class Assignment:
    """What each of N anchors or proposals is to learn, in a batch of B pictures.

    ``matched`` and ``background`` ``[B, N]`` bool; what is neither learns nothing. ``box_index``
    ``[B, N]`` int32: the ground-truth box of what is matched (0 elsewhere).
    """

    matched: tf.Tensor
    background: tf.Tensor
    box_index: tf.Tensor


def assign_anchors(anchors_yxyx: tf.Tensor, truth: GroundTruth) -> Assignment:
    """Assign ground truth to anchors ``[A, 4]``; all of them should lie in the picture."""
    iou = pairwise_iou(truth.boxes_yxyx, anchors_yxyx[None])
    iou = tf.where(truth.is_box[..., None], iou, -1.0)  # [B, M, A]
    best = tf.reduce_max(iou, axis=1)
    box_index = tf.argmax(iou, axis=1, output_type=tf.int32)
    # A box's best anchor is the box's, even where another box overlaps it more.
    forced = tf.one_hot(tf.argmax(iou, axis=2), tf.shape(iou)[2], on_value=True, off_value=False)
    forced &= (truth.is_box & (tf.reduce_max(iou, axis=2) > 0))[..., None]
    is_forced = tf.reduce_any(forced, axis=1)
    forced_index = tf.argmax(tf.cast(forced, tf.int32), axis=1, output_type=tf.int32)
    matched = (best >= ANCHOR_MATCHED) | is_forced
    ignored = _is_ignored(anchors_yxyx[None], truth)
    background = (best < ANCHOR_BACKGROUND) & ~matched & ~ignored
    index = tf.where(is_forced, forced_index, box_index)
    return Assignment(matched, background, tf.where(matched, index, 0))


def assign_proposals(
    proposals_yxyx: tf.Tensor, num_proposals: tf.Tensor, truth: GroundTruth
) -> Assignment:
    """Assign ground truth to proposals ``[B, P, 4]``, of which ``[B]`` are there."""
    iou = pairwise_iou(truth.boxes_yxyx, proposals_yxyx)
    iou = tf.where(truth.is_box[..., None], iou, -1.0)
    best = tf.reduce_max(iou, axis=1)
    is_there = tf.range(tf.shape(proposals_yxyx)[1])[None] < num_proposals[:, None]
    matched = (best >= PROPOSAL_MATCHED) & is_there
    background = ~matched & is_there & ~_is_ignored(proposals_yxyx, truth)
    index = tf.argmax(iou, axis=1, output_type=tf.int32)
    return Assignment(matched, background, tf.where(matched, index, 0))


def pairwise_iou(boxes_a_yxyx: tf.Tensor, boxes_b_yxyx: tf.Tensor) -> tf.Tensor:
    """IoU ``[B, M, N]`` of ``boxes_a[B, M, 4]`` with ``boxes_b[B or 1, N, 4]``; 0 of an empty."""
    overlap = _overlap(boxes_a_yxyx, boxes_b_yxyx)
    union = _area(boxes_a_yxyx)[:, :, None] + _area(boxes_b_yxyx)[:, None, :] - overlap
    return tf.math.divide_no_nan(overlap, union)


def _is_ignored(boxes_yxyx: tf.Tensor, truth: GroundTruth) -> tf.Tensor:
    """Boxes ``[B or 1, N, 4]`` that lie for the most part in an ignored box: ``[B, N]``."""
    overlap = _overlap(truth.boxes_yxyx, boxes_yxyx)
    share = tf.math.divide_no_nan(overlap, _area(boxes_yxyx)[:, None, :])
    return tf.reduce_any((share > IGNORED_SHARE) & truth.is_ignored[..., None], axis=1)


def _area(boxes_yxyx: tf.Tensor) -> tf.Tensor:
    size = tf.maximum(boxes_yxyx[..., 2:] - boxes_yxyx[..., :2], 0.0)
    return size[..., 0] * size[..., 1]


def _overlap(boxes_a_yxyx: tf.Tensor, boxes_b_yxyx: tf.Tensor) -> tf.Tensor:
    a, b = boxes_a_yxyx[:, :, None], boxes_b_yxyx[:, None]
    size = tf.minimum(a[..., 2:], b[..., 2:]) - tf.maximum(a[..., :2], b[..., :2])
    size = tf.maximum(size, 0.0)
    return size[..., 0] * size[..., 1]
