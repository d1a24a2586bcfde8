"""From a model's raw scores and boxes to a list of detections: threshold, NMS, best N.

Pure numpy: needs no TensorFlow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEFAULT_IOU_THRESHOLD = 0.6
DEFAULT_SCORE_THRESHOLD = 0.05
MAX_DETECTIONS = 100
MAX_CANDIDATES = 600


def select_detections(
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    score_threshold: float = DEFAULT_SCORE_THRESHOLD,
    iou_threshold: float = DEFAULT_IOU_THRESHOLD,
    max_detections: int = MAX_DETECTIONS,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Keep the best of ``boxes[A, 4]`` with ``scores[A, C]``: greedy NMS within each class.

    Boxes are in any one unit and are not clipped here. Returns boxes ``[N, 4]``, scores ``[N]``
    and class indices ``[N]`` (0-based), best score first, N <= ``max_detections``.
    """
    anchor, klass = np.nonzero(scores >= score_threshold)
    candidate_scores = scores[anchor, klass]
    if len(anchor) > MAX_CANDIDATES:
        best = np.argpartition(candidate_scores, -MAX_CANDIDATES)[-MAX_CANDIDATES:]
        anchor, klass, candidate_scores = anchor[best], klass[best], candidate_scores[best]
    order = np.argsort(-candidate_scores, kind="stable")
    anchor, klass, candidate_scores = anchor[order], klass[order], candidate_scores[order]
    candidates = boxes_xyxy[anchor]
    keep = non_max_suppression(candidates, klass, iou_threshold, max_detections)
    return candidates[keep], candidate_scores[keep], klass[keep]


def non_max_suppression(
    boxes_xyxy: NDArray[np.float32],
    classes: NDArray[np.intp],
    iou_threshold: float,
    max_detections: int,
) -> NDArray[np.intp]:
    """Indices that greedy NMS keeps of ``boxes[N, 4]``, which must be sorted best first.

    A box is dropped when its IoU with a kept box of its class is over ``iou_threshold``.
    """
    xmin, ymin, xmax, ymax = boxes_xyxy.T
    area = np.maximum(xmax - xmin, 0) * np.maximum(ymax - ymin, 0)
    alive = np.ones(len(boxes_xyxy), dtype=bool)
    keep: list[int] = []
    for i in range(len(boxes_xyxy)):
        if not alive[i]:
            continue
        keep.append(i)
        if len(keep) == max_detections:
            break
        rest = np.flatnonzero(alive[i + 1 :]) + i + 1
        rest = rest[classes[rest] == classes[i]]
        width = np.minimum(xmax[i], xmax[rest]) - np.maximum(xmin[i], xmin[rest])
        height = np.minimum(ymax[i], ymax[rest]) - np.maximum(ymin[i], ymin[rest])
        overlap = np.maximum(width, 0) * np.maximum(height, 0)
        union = area[i] + area[rest] - overlap
        alive[rest[overlap > iou_threshold * np.maximum(union, 1e-9)]] = False
    return np.array(keep, dtype=np.intp)
