"""From the second stage's answers to detections: softmax, decode, suppress within each class."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from detection.models.faster_rcnn import box_coder
from detection.models.faster_rcnn.config import FasterRcnnConfig
from detection.models.faster_rcnn.nms import suppress
from detection.models.faster_rcnn.proposals import relative


def class_scores(class_logits: tf.Tensor) -> tf.Tensor:
    """``[..., 1 + C]`` logits to ``[..., C]`` probabilities, without the background's."""
    return tf.nn.softmax(class_logits)[..., 1:]


def decode_boxes(box_codes: tf.Tensor, proposals_yxyx: tf.Tensor) -> tf.Tensor:
    """Refined boxes ``[B, P, C, 4]`` in pixels; ``proposals`` ``[B, P, 4]`` in pixels."""
    return box_coder.decode(box_codes, proposals_yxyx[:, :, None, :])


def postprocess(
    box_codes: tf.Tensor,
    class_logits: tf.Tensor,
    proposals_yxyx: tf.Tensor,
    num_proposals: tf.Tensor,
    image_shapes: tf.Tensor,
    config: FasterRcnnConfig,
    suppress: Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]] = suppress,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Detections of each picture, best first, padded with zeros to ``max_detections`` M.

    ``box_codes`` ``[B, P, C, 4]``, ``class_logits`` ``[B, P, 1 + C]``, ``num_proposals`` ``[B]``,
    ``image_shapes`` ``[B, 2]``. Returns boxes ``[B, M, 4]`` as relative ymin, xmin, ymax, xmax,
    scores ``[B, M]``, class indices ``[B, M]`` (0-based, float32) and the count ``[B]`` int32.
    """
    boxes = decode_boxes(box_codes, proposals_yxyx)
    scores = class_scores(class_logits)
    # Padding is no proposal: a score that no threshold lets through.
    is_there = tf.range(tf.shape(scores)[1])[None] < num_proposals[:, None]
    scores = tf.where(is_there[..., None], scores, -1.0)
    found, found_scores, classes, count = suppress(
        boxes,
        scores,
        image_shapes,
        score_threshold=config.score_threshold,
        iou_threshold=config.iou_threshold,
        max_per_class=config.max_detections_per_class,
        max_total=config.max_detections,
    )
    return relative(found, image_shapes), found_scores, classes, count
