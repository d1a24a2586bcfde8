"""How a trained SSD detects, as the exporters ask for it."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from detection.exports.serving import Serving
from detection.label_map import LabelMap
from detection.models.ssd import box_coder
from detection.models.ssd.anchors import make_anchors
from detection.models.ssd.detector import normalise
from detection.models.ssd.postprocessing import (
    DEFAULT_SCORE_THRESHOLD,
    MAX_CANDIDATES,
    MAX_DETECTIONS,
)

Tensors = dict[str, tf.Tensor]


def ssd_serving(
    model: keras.Model, label_map: LabelMap, input_size: int, iou_threshold: float
) -> Serving:
    """``candidates`` are the decoded anchors. ``detect`` selects as ``detection.inference`` does.

    Its resize filters as Pillow's does (antialiased bilinear), but in float32, where Pillow rounds
    to 8 bits after each direction: input values differ by up to one in 255.
    """
    anchors = tf.constant(make_anchors(input_size))
    class_ids = tf.constant([item.id for item in label_map], tf.float32)

    def candidates(image: tf.Tensor) -> Tensors:
        outputs = model(normalise(image), training=False)
        return {
            "scores": tf.sigmoid(outputs["class_logits"]),
            "boxes": box_coder.decode(outputs["box_codes"], anchors),
        }

    def detect_squares(squares: tf.Tensor) -> Tensors:
        found = candidates(squares)
        return _select(found["boxes"], found["scores"], class_ids, iou_threshold)

    def detect(pictures: tf.Tensor) -> Tensors:
        images = tf.image.resize(pictures, (input_size, input_size), antialias=True)
        return detect_squares(tf.round(images))

    return Serving(model, label_map, input_size, iou_threshold, detect, detect_squares, candidates)


def _select(
    boxes_xyxy: tf.Tensor, scores: tf.Tensor, class_ids: tf.Tensor, iou_threshold: float
) -> Tensors:
    """``postprocessing.select_detections`` in the graph: ``[B, A, 4]`` and ``[B, A, C]``."""
    num_anchors, num_classes = (int(count) for count in scores.shape[1:])
    most = min(MAX_CANDIDATES, num_anchors * num_classes)
    best_scores, flat = tf.math.top_k(tf.reshape(scores, [-1, num_anchors * num_classes]), most)
    boxes = tf.gather(boxes_xyxy, flat // num_classes, batch_dims=1)
    # Each candidate counts for its own class: boxes of two classes never suppress each other.
    of_class = tf.one_hot(flat % num_classes, num_classes) * best_scores[..., None]
    boxes, scores, classes, _ = tf.image.combined_non_max_suppression(
        boxes[:, :, None],
        of_class,
        MAX_DETECTIONS,
        MAX_DETECTIONS,
        iou_threshold,
        # The operator keeps what is over it, not what is equal.
        float(np.nextafter(np.float32(DEFAULT_SCORE_THRESHOLD), np.float32(0))),
        clip_boxes=False,
    )
    return _shown(tf.clip_by_value(boxes, 0.0, 1.0), scores, classes, class_ids)


def _shown(
    boxes_xyxy: tf.Tensor, scores: tf.Tensor, classes: tf.Tensor, class_ids: tf.Tensor
) -> Tensors:
    """Detections by the Object Detection API's names, without those that clipping left nothing of.

    All given are of ``[B, N]`` detections, best first, padded with zeros; so is what comes out.
    """
    xmin, ymin, xmax, ymax = tf.unstack(boxes_xyxy, axis=2)
    is_shown = (xmax > xmin) & (ymax > ymin) & (scores > 0)
    scores = tf.where(is_shown, scores, 0.0)
    scores, order = tf.math.top_k(scores, MAX_DETECTIONS)  # equal ones stay in their order
    boxes_yxyx = tf.gather(tf.stack([ymin, xmin, ymax, xmax], axis=2), order, batch_dims=1)
    ids = tf.gather(class_ids, tf.cast(tf.gather(classes, order, batch_dims=1), tf.int32))
    is_shown = scores > 0
    return {
        "detection_boxes": tf.where(is_shown[..., None], boxes_yxyx, 0.0),
        "detection_scores": scores,
        "detection_classes": tf.where(is_shown, ids, 0.0),
        "num_detections": tf.reduce_sum(tf.cast(is_shown, tf.float32), axis=1),
    }
