"""Run the averaged model over the validation pictures, as it would detect when exported."""

from __future__ import annotations

import numpy as np

from detection.label_map import LabelMap
from detection.models.faster_rcnn.detector import FasterRcnn
from detection.models.faster_rcnn.pictures import EncodedSplit
from detection.models.faster_rcnn.serving import CheckpointDetector
from detection.picture_cache import CachedSplit
from detection.types import Detection

# As for every detector: below this a detection is noise, and one answers a hundred at most.
LOWEST_SCORE = 0.05
MAX_DETECTIONS = 100


class Judge:
    """Detects with the averaged weights, in float32, by a model of its own, ``model``."""

    def __init__(self, model: FasterRcnn, label_map: LabelMap) -> None:
        self.model = model
        self._detector = CheckpointDetector(model, label_map)

    def take_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Set the model's weights, by path. Raises KeyError where they are another model's."""
        for variable in self.model.weights:
            variable.assign(weights[variable.path])

    def detect(self, split: CachedSplit) -> list[list[Detection]]:
        """Detections of each picture of ``split``, in its own pixels, best first."""
        assert isinstance(split, EncodedSplit)
        found = []
        for row in range(split.num_images):
            picture = split.pictures[row]
            found += self._detector.detect([picture], LOWEST_SCORE, MAX_DETECTIONS)
        return found
