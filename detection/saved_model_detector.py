"""Detect by a bundle's SavedModel: on GPUs, and where LiteRT cannot. TensorFlow is loaded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.api_outputs import as_detections
from detection.exports.saved_model import SavedModel
from detection.inference import LOWEST_SCORE, Detector, DetectorError
from detection.models.ssd.postprocessing import MAX_DETECTIONS
from detection.squares import squared
from detection.training.devices import is_on_gpu
from detection.types import Detection

logger = logging.getLogger(__name__)
GPU_BATCH = 16


class SavedModelDetector(Detector):
    """A model that is ready to detect, many photos at a time where it sees them all at one size.

    On a GPU that has no memory left, because a training takes it, ``instead`` detects.
    """

    def __init__(self, bundle: Path, instead: Detector | None = None) -> None:
        self._read_facts(bundle)
        self._instead = instead
        # A Faster R-CNN sees each photo at a size of its own.
        self._is_square = self.facts.get("architecture") != "faster_rcnn"
        try:
            self._model = SavedModel(bundle / "saved_model")
        except (OSError, ValueError) as error:
            raise DetectorError(f"{bundle}: the SavedModel cannot be read ({error}).") from error
        if self._is_square and self._model.takes_batches and is_on_gpu():
            self.batch_size = GPU_BATCH

    def detect(
        self,
        images: Sequence[NDArray[np.uint8]],
        score_threshold: float = LOWEST_SCORE,
        max_detections: int = MAX_DETECTIONS,
    ) -> list[list[Detection]]:
        found: list[list[Detection]] = []
        try:
            for start in range(0, len(images), self.batch_size):
                batch = images[start : start + self.batch_size]
                found += self._detect_batch(batch, score_threshold, max_detections)
        except tf.errors.ResourceExhaustedError:
            if self._instead is None:
                raise
            logger.warning("The GPU has no memory left: LiteRT detects instead")
            return self._instead.detect(images, score_threshold, max_detections)
        return found

    def _detect_batch(
        self, images: Sequence[NDArray[np.uint8]], score_threshold: float, max_detections: int
    ) -> list[list[Detection]]:
        if self._is_square:
            # As training and LiteRT see them, so that the graph has nothing to resize.
            pictures = [squared(image, self.input_size) for image in images]
        else:
            pictures = list(images)
        outputs = self._model.batch(np.stack(pictures))
        found = []
        for row, image in enumerate(images):
            height, width = image.shape[:2]
            one = {name: values[row] for name, values in outputs.items()}
            boxes = as_detections(one, height, width, self.label_map, score_threshold)
            shown = [box for box in boxes if box.ymax > box.ymin and box.xmax > box.xmin]
            found.append(shown[:max_detections])
        return found
