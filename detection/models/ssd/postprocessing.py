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
# Boxes that the suppression compares with one another at once.
BLOCK = 128


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

    A box is dropped when its IoU with a kept box of its class is over ``iou_threshold``. Boxes are
    taken in blocks, so that numpy works on many at once and none is looked at after the last kept.
    """
    kept = np.empty(0, np.intp)
    for start in range(0, len(boxes_xyxy), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(boxes_xyxy)))
        if len(kept):
            block = block[~_suppress(boxes_xyxy, classes, kept, block, iou_threshold).any(axis=0)]
        suppresses = _suppress(boxes_xyxy, classes, block, block, iou_threshold)
        alive = np.ones(len(block), bool)
        for index in range(len(block)):
            if alive[index]:
                alive[index + 1 :] &= ~suppresses[index, index + 1 :]
        kept = np.concatenate([kept, block[alive]])
        if len(kept) >= max_detections:
            break
    return kept[:max_detections]


def _suppress(
    boxes_xyxy: NDArray[np.float32],
    classes: NDArray[np.intp],
    by: NDArray[np.intp],
    of: NDArray[np.intp],
    iou_threshold: float,
) -> NDArray[np.bool_]:
    """Whether each box of ``by`` would drop each of ``of``, ``[len(by), len(of)]``."""
    first, second = boxes_xyxy[by].T[:, :, None], boxes_xyxy[of].T[:, None, :]
    width = np.minimum(first[2], second[2]) - np.maximum(first[0], second[0])
    height = np.minimum(first[3], second[3]) - np.maximum(first[1], second[1])
    overlap = np.maximum(width, 0) * np.maximum(height, 0)
    union = _areas(first) + _areas(second) - overlap
    dropped: NDArray[np.bool_] = overlap > iou_threshold * np.maximum(union, 1e-9)
    return dropped & (classes[by][:, None] == classes[of][None, :])


def _areas(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of boxes ``[4, ...]``; nothing where a side is turned round."""
    xmin, ymin, xmax, ymax = boxes_xyxy
    areas: NDArray[np.float32] = np.maximum(xmax - xmin, 0) * np.maximum(ymax - ymin, 0)
    return areas
