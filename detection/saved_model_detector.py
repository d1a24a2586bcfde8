"""Detect with a bundle that has no LiteRT model, by its SavedModel: TensorFlow is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.api_outputs import as_detections
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
        found = as_detections(outputs, height, width, self.label_map, score_threshold)
        return [one for one in found if one.ymax > one.ymin and one.xmax > one.xmin][
            :max_detections
        ]
