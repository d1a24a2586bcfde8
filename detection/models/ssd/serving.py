"""How a trained SSD detects, as the exporters ask for it."""

from __future__ import annotations

import keras
import tensorflow as tf

from detection.exports.serving import Serving
from detection.label_map import LabelMap
from detection.models.ssd import box_coder
from detection.models.ssd.anchors import make_anchors
from detection.models.ssd.detector import normalise
from detection.models.ssd.losses import pairwise_iou
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

    def detect(picture: tf.Tensor) -> Tensors:
        image = tf.image.resize(picture, (input_size, input_size), antialias=True)
        found = candidates(tf.round(image))
        return _select(found["boxes"][0], found["scores"][0], class_ids, iou_threshold)

    return Serving(model, label_map, input_size, iou_threshold, detect, candidates)


def _select(
    boxes_xyxy: tf.Tensor, scores: tf.Tensor, class_ids: tf.Tensor, iou_threshold: float
) -> Tensors:
    """``postprocessing.select_detections`` in the graph, for one picture: A boxes, C classes."""
    num_classes = int(scores.shape[1])
    most = min(MAX_CANDIDATES, int(scores.shape[0]) * num_classes)
    best_scores, flat = tf.math.top_k(tf.reshape(scores, [-1]), most)
    found = tf.gather(boxes_xyxy, flat // num_classes)
    classes = flat % num_classes
    overlaps = pairwise_iou(found[None], found[None])[0]
    # Boxes of two classes never suppress each other.
    overlaps = tf.where(classes[:, None] == classes[None, :], overlaps, 0.0)
    kept = tf.image.non_max_suppression_overlaps(
        overlaps, best_scores, MAX_DETECTIONS, iou_threshold, DEFAULT_SCORE_THRESHOLD
    )
    clipped = tf.clip_by_value(tf.gather(found, kept), 0.0, 1.0)
    xmin, ymin, xmax, ymax = tf.unstack(clipped, axis=1)
    shown = (xmax > xmin) & (ymax > ymin)
    boxes_yxyx = tf.boolean_mask(tf.stack([ymin, xmin, ymax, xmax], axis=1), shown)
    found_scores = tf.boolean_mask(tf.gather(best_scores, kept), shown)
    found_ids = tf.boolean_mask(tf.gather(class_ids, tf.gather(classes, kept)), shown)
    count = tf.shape(found_scores)[0]
    missing = MAX_DETECTIONS - count
    return {
        "detection_boxes": _padded(boxes_yxyx, [[0, missing], [0, 0]], [1, MAX_DETECTIONS, 4]),
        "detection_scores": _padded(found_scores, [[0, missing]], [1, MAX_DETECTIONS]),
        "detection_classes": _padded(found_ids, [[0, missing]], [1, MAX_DETECTIONS]),
        "num_detections": tf.cast(count, tf.float32)[None],
    }


def _padded(values: tf.Tensor, paddings: list[list[int]], shape: list[int]) -> tf.Tensor:
    return tf.ensure_shape(tf.pad(values, paddings)[None], shape)
