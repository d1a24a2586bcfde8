"""From a model's raw scores and boxes to a list of detections: threshold, NMS, best N.

Pure numpy: needs no TensorFlow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEFAULT_IOU_THRESHOLD = 0.65
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
    sides, labels = np.ascontiguousarray(boxes_xyxy.T), classes.astype(np.int32)
    kept = np.empty(0, np.intp)
    for start in range(0, len(boxes_xyxy), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(boxes_xyxy)))
        if len(kept):
            dropped = _suppress(sides, labels, kept, block, iou_threshold).any(axis=0)
            block = block[~dropped]
        kept = np.concatenate([kept, block[_best_first(sides, labels, block, iou_threshold)]])
        if len(kept) >= max_detections:
            break
    return kept[:max_detections]


def _best_first(
    sides: NDArray[np.float32],
    labels: NDArray[np.int32],
    block: NDArray[np.intp],
    iou_threshold: float,
) -> list[int]:
    """Places in ``block`` of the boxes that none before them, which is kept itself, drops."""
    suppresses = _suppress(sides, labels, block, block, iou_threshold)
    # A row as the bits of one integer: Python is faster with these than with arrays of a hundred.
    packed = np.packbits(suppresses, axis=1, bitorder="little")
    kept, dropped = [], 0
    for index, row in enumerate(packed):
        if not dropped >> index & 1:
            kept.append(index)
            dropped |= int.from_bytes(row.tobytes(), "little")
    return kept


def _suppress(
    sides: NDArray[np.float32],
    labels: NDArray[np.int32],
    by: NDArray[np.intp],
    of: NDArray[np.intp],
    iou_threshold: float,
) -> NDArray[np.bool_]:
    """Whether each box of ``by`` would drop each of ``of``, ``[len(by), len(of)]``.

    ``sides`` ``[4, N]`` and ``labels`` ``[N]`` are of all boxes.
    """
    first, second = sides[:, by, None], sides[:, None, of]
    overlap = _lengths(first[0], second[0], first[2], second[2])
    overlap *= _lengths(first[1], second[1], first[3], second[3])
    # IoU > t, without its division: overlap > t (area + area - overlap).
    area = iou_threshold * (_areas(sides[:, by])[:, None] + _areas(sides[:, of])[None])
    overlap *= 1.0 + iou_threshold
    dropped: NDArray[np.bool_] = overlap > area
    dropped &= labels[by, None] == labels[None, of]
    return dropped


def _lengths(
    low: NDArray[np.float32],
    other_low: NDArray[np.float32],
    high: NDArray[np.float32],
    other_high: NDArray[np.float32],
) -> NDArray[np.float32]:
    """How long each two intervals overlap."""
    length: NDArray[np.float32] = np.minimum(high, other_high)
    length -= np.maximum(low, other_low)
    np.maximum(length, 0, out=length)
    return length


def _areas(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of boxes ``[4, ...]``; nothing where a side is turned round."""
    xmin, ymin, xmax, ymax = boxes_xyxy
    areas: NDArray[np.float32] = np.maximum(xmax - xmin, 0) * np.maximum(ymax - ymin, 0)
    return areas
