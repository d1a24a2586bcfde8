"""Detect with a bundle that has no LiteRT model, by its SavedModel: TensorFlow is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.exports.saved_model import SavedModel
from detection.inference import Detector, DetectorError
from detection.types import Detection


class SavedModelDetector(Detector):
    """A model that is ready to detect, for architectures that LiteRT cannot run."""

    def __init__(self, bundle: Path) -> None:
        self._read_facts(bundle)
        try:
            self._model = SavedModel(bundle / "saved_model")
        except (OSError, ValueError) as error:
            raise DetectorError(f"{bundle}: the SavedModel cannot be read ({error}).") from error

    def _detect(
        self, image: NDArray[np.uint8], score_threshold: float, max_detections: int
    ) -> list[Detection]:
        height, width = image.shape[:2]
        outputs = self._model(image)
        count = int(outputs["num_detections"])
        boxes = outputs["detection_boxes"][:count] * np.array([height, width, height, width])
        found = []
        for (ymin, xmin, ymax, xmax), score, class_id in zip(
            boxes.tolist(),
            outputs["detection_scores"][:count].tolist(),
            outputs["detection_classes"][:count].astype(int).tolist(),
            strict=True,
        ):
            if score >= score_threshold and ymax > ymin and xmax > xmin:
                item = self.label_map.by_id[class_id]
                found.append(Detection(item.name, item.id, score, xmin, ymin, xmax, ymax))
        return found[:max_detections]
