"""Run the averaged model over the validation images, as it would detect when exported."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from detection.label_map import LabelMap
from detection.models.ssd import box_coder
from detection.models.ssd.anchors import make_anchors
from detection.models.ssd.detector import normalise
from detection.models.ssd.postprocessing import select_detections
from detection.picture_cache import CachedSplit
from detection.types import Detection

BATCH = 8


class Validator:
    """Detects with the averaged weights, in float32, by a copy of the model of its own.

    ``model`` is that copy: as the trained one, but not it.
    """

    def __init__(self, model: keras.Model, label_map: LabelMap, input_size: int) -> None:
        self.label_map = label_map
        self.model = model
        self._anchors = tf.constant(make_anchors(input_size))
        self._compiled = tf.function(self._forward, reduce_retracing=True, autograph=False)

    def take_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Set the model's weights, by path. Raises KeyError where they are another model's."""
        for variable in self.model.weights:
            variable.assign(weights[variable.path])

    def detect(self, split: CachedSplit) -> list[list[Detection]]:
        """Detections of each picture of ``split``, in its own pixels, best first."""
        found: list[list[Detection]] = []
        for start in range(0, split.num_images, BATCH):
            pixels = np.asarray(split.pixels[start : start + BATCH], np.float32)
            scores, boxes = (tensor.numpy() for tensor in self._compiled(pixels))
            for row in range(len(pixels)):
                width, height = split.sizes[start + row]
                found.append(self._select(boxes[row], scores[row], int(width), int(height)))
        return found

    def _forward(self, pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = self.model(normalise(pixels), training=False)
        boxes = box_coder.decode(outputs["box_codes"], self._anchors)
        return tf.sigmoid(outputs["class_logits"]), boxes

    def _select(
        self, boxes: np.ndarray, scores: np.ndarray, width: int, height: int
    ) -> list[Detection]:
        kept, kept_scores, classes = select_detections(boxes, scores)
        pixels = np.clip(kept, 0.0, 1.0) * np.array([width, height, width, height], np.float32)
        return [
            Detection(self.label_map.items[index].name, self.label_map.items[index].id, score, *box)
            for box, score, index in zip(
                pixels.tolist(), kept_scores.tolist(), classes.tolist(), strict=True
            )
            if box[2] > box[0] and box[3] > box[1]
        ]
