"""From the region proposal network's answers to proposals (Ren et al. 2015, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from detection.models.faster_rcnn import box_coder
from detection.models.faster_rcnn.config import FasterRcnnConfig
from detection.models.faster_rcnn.nms import suppress


def propose(
    box_codes: tf.Tensor,
    objectness_logits: tf.Tensor,
    anchors_yxyx: tf.Tensor,
    image_shapes: tf.Tensor,
    config: FasterRcnnConfig,
    suppress: Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]] = suppress,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The most likely regions: ``[B, max_proposals, 4]`` in pixels, and how many, ``[B]``.

    ``box_codes`` ``[B, A, 4]``, ``objectness_logits`` ``[B, A, 2]`` (background, object),
    ``anchors`` ``[A, 4]``, ``image_shapes`` ``[B, 2]``. Padded with zeros, best first. No gradient
    flows through them.
    """
    boxes = box_coder.decode(tf.stop_gradient(box_codes), anchors_yxyx)
    scores = tf.nn.softmax(tf.stop_gradient(objectness_logits))[..., 1:]
    proposals, _, _, count = suppress(
        boxes[:, :, None, :],
        scores,
        image_shapes,
        score_threshold=config.first_stage_score_threshold,
        iou_threshold=config.first_stage_iou_threshold,
        max_per_class=config.max_proposals,
        max_total=config.max_proposals,
    )
    return tf.stop_gradient(proposals), count


def relative(boxes_yxyx: tf.Tensor, image_shapes: tf.Tensor) -> tf.Tensor:
    """Boxes ``[B, N, 4]`` in pixels as shares of their picture's ``[B, 2]`` height and width.

    By the reciprocal, as the API does: the last bit decides whether a crop that ends at the
    picture's edge still reads its last row, or zeros from beyond it.
    """
    scale = 1.0 / tf.cast(tf.concat([image_shapes, image_shapes], axis=1), tf.float32)
    return boxes_yxyx * scale[:, None, :]


def absolute(boxes_rel_yxyx: tf.Tensor, image_shapes: tf.Tensor) -> tf.Tensor:
    """The inverse of ``relative``, but for the last bit."""
    size = tf.cast(tf.concat([image_shapes, image_shapes], axis=1), tf.float32)
    return boxes_rel_yxyx * size[:, None, :]
