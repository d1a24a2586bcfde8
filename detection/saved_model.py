"""Export a detector as a SavedModel with the TensorFlow Object Detection API's signature."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

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


def write_saved_model(
    model: keras.Model,
    label_map: LabelMap,
    input_size: int,
    folder: Path,
    iou_threshold: float,
) -> None:
    """Write the SSD ``model`` to ``folder``, as `saved_model.pb` with its variables.

    Signature ``serving_default``, in: ``input_tensor`` uint8 ``[1, H, W, 3]``, RGB, of any size.
    Out, float32: ``detection_boxes`` ``[1, 100, 4]`` as ymin, xmin, ymax, xmax relative to the
    picture and clipped to it, ``detection_scores`` and ``detection_classes`` ``[1, 100]`` (the
    label map's ids), ``num_detections`` ``[1]``; best score first, padded with zeros.

    Everything but the picture's resize is as in ``detection.inference``. The resize filters alike
    (antialiased bilinear) in float32, where Pillow rounds to 8 bits: input values differ by up to
    one in 255.
    """
    anchors = tf.constant(make_anchors(input_size))
    class_ids = tf.constant([item.id for item in label_map], tf.float32)

    def serve(input_tensor: tf.Tensor) -> dict[str, tf.Tensor]:
        image = tf.image.resize(input_tensor, (input_size, input_size), antialias=True)
        outputs = model(normalise(tf.round(image)), training=False)
        boxes = box_coder.decode(outputs["box_codes"], anchors)[0]
        scores = tf.sigmoid(outputs["class_logits"])[0]
        return _select(boxes, scores, class_ids, iou_threshold)

    # By Keras's own archive, which keeps track of the weights.
    archive = keras.export.ExportArchive()
    archive.track(model)
    picture = tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")
    archive.add_endpoint("serving_default", serve, input_signature=[picture])
    archive.write_out(str(folder), verbose=False)


def _select(
    boxes_xyxy: tf.Tensor, scores: tf.Tensor, class_ids: tf.Tensor, iou_threshold: float
) -> dict[str, tf.Tensor]:
    """``postprocessing.select_detections`` in the graph, for one picture: A boxes, C classes."""
    num_classes = int(scores.shape[1])
    most = min(MAX_CANDIDATES, int(scores.shape[0]) * num_classes)
    best_scores, flat = tf.math.top_k(tf.reshape(scores, [-1]), most)
    candidates = tf.gather(boxes_xyxy, flat // num_classes)
    classes = flat % num_classes
    overlaps = pairwise_iou(candidates[None], candidates[None])[0]
    # Boxes of two classes never suppress each other.
    overlaps = tf.where(classes[:, None] == classes[None, :], overlaps, 0.0)
    kept = tf.image.non_max_suppression_overlaps(
        overlaps, best_scores, MAX_DETECTIONS, iou_threshold, DEFAULT_SCORE_THRESHOLD
    )
    clipped = tf.clip_by_value(tf.gather(candidates, kept), 0.0, 1.0)
    xmin, ymin, xmax, ymax = tf.unstack(clipped, axis=1)
    shown = (xmax > xmin) & (ymax > ymin)
    found = tf.boolean_mask(tf.stack([ymin, xmin, ymax, xmax], axis=1), shown)
    found_scores = tf.boolean_mask(tf.gather(best_scores, kept), shown)
    found_ids = tf.boolean_mask(tf.gather(class_ids, tf.gather(classes, kept)), shown)
    count = tf.shape(found_scores)[0]
    missing = MAX_DETECTIONS - count
    return {
        "detection_boxes": tf.pad(found, [[0, missing], [0, 0]])[None],
        "detection_scores": tf.pad(found_scores, [[0, missing]])[None],
        "detection_classes": tf.pad(found_ids, [[0, missing]])[None],
        "num_detections": tf.cast(count, tf.float32)[None],
    }


class SavedModel:
    """A SavedModel on the disk, loaded to be called. Raises OSError where there is none."""

    def __init__(self, folder: Path) -> None:
        # Held, as its variables live as long as it does.
        self._loaded = tf.saved_model.load(str(folder))
        self._serve = self._loaded.signatures["serving_default"]

    def __call__(self, picture: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The signature's outputs for a picture ``[H, W, 3]``, without their batch dimension."""
        outputs = self._serve(input_tensor=tf.constant(picture[None]))
        return {name: value.numpy()[0] for name, value in outputs.items()}
