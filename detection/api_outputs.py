"""The Object Detection API's outputs of one picture, read as detections."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detection.label_map import LabelMap
from detection.types import Detection


def as_detections(
    outputs: Mapping[str, NDArray[np.float32]],
    height: int,
    width: int,
    label_map: LabelMap,
    score_threshold: float,
) -> list[Detection]:
    """Detections in the picture's pixels, in the outputs' order: best first.

    ``outputs`` are without their batch dimension; ``detection_boxes`` are relative
    ``[N, (ymin, xmin, ymax, xmax)]``, ``detection_classes`` are the label map's ids.
    """
    by_id = label_map.by_id
    count = int(outputs["num_detections"])
    boxes = outputs["detection_boxes"][:count] * np.array([height, width, height, width])
    found = []
    for (ymin, xmin, ymax, xmax), score, class_id in zip(
        boxes.tolist(),
        outputs["detection_scores"][:count].tolist(),
        outputs["detection_classes"][:count].astype(int).tolist(),
        strict=True,
    ):
        if score >= score_threshold:
            item = by_id[class_id]
            found.append(Detection(item.name, class_id, score, xmin, ymin, xmax, ymax))
    return found
