"""Which detection found which ground-truth box: greedy, the best score first, as COCO matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.boxes import as_boxes, box_areas, iou_matrix
from detection.label_map import LabelMap
from detection.types import Box, Detection, LabelledImage

MATCH_IOU = 0.5
UNMATCHED = -1


@dataclass(frozen=True)
class ImageMatches:
    """One image's boxes and detections, and who belongs to whom at IoU ``MATCH_IOU``.

    Attributes:
        truths: the boxes that count: neither difficult nor crowds, with a known label.
        detections: best score first, without those that found an ignored box.
        truth_of: for each detection the index of its box of the same label, or ``UNMATCHED``.
        iou: ``[detections, truths]``.
    """

    truths: list[Box]
    detections: list[Detection]
    truth_of: NDArray[np.intp]
    iou: NDArray[np.floating]

    def with_other_labels(self) -> NDArray[np.intp]:
        """``truth_of``, where what is left is matched irrespective of its label.

        A box keeps a detection of its own label even where one of another label scores higher.
        """
        truth_of = self.truth_of.copy()
        free = np.ones(len(self.truths), dtype=bool)
        free[truth_of[truth_of != UNMATCHED]] = False
        rest = np.flatnonzero(truth_of == UNMATCHED)
        allowed = np.broadcast_to(free, (len(rest), len(self.truths)))
        truth_of[rest] = greedy_match(self.iou[rest], allowed)
        return truth_of

    def right_at(self, least_iou: float) -> NDArray[np.bool_]:
        """Whether each detection finds a box of its label, matched anew at ``least_iou``."""
        allowed = same_label(self.detections, self.truths)
        found: NDArray[np.bool_] = greedy_match(self.iou, allowed, least_iou) != UNMATCHED
        return found


def countable_boxes(image: LabelledImage, label_map: LabelMap) -> list[Box]:
    """The boxes that a detector must find: neither difficult nor crowds, with a known label."""
    return [
        box
        for box in image.boxes
        if box.label in label_map.by_name and not box.difficult and not box.crowd
    ]


def match_image(
    image: LabelledImage,
    detections: Sequence[Detection],
    label_map: LabelMap,
    score_threshold: float = 0.0,
) -> ImageMatches:
    """Match an image's detections with ``score_threshold`` or more to its boxes of their label."""
    truths = countable_boxes(image, label_map)
    ignored = [box for box in image.boxes if box.difficult or box.crowd]
    found = sorted(
        (
            detection
            for detection in detections
            if detection.score >= score_threshold and detection.class_id in label_map.by_id
        ),
        key=lambda detection: -detection.score,
    )
    iou = iou_matrix([d.xyxy for d in found], [t.xyxy for t in truths])
    truth_of = greedy_match(iou, same_label(found, truths))
    on_ignored = _covered(found, ignored) & same_label(found, ignored)
    counts = (truth_of != UNMATCHED) | ~on_ignored.any(axis=1)
    kept = [detection for detection, count in zip(found, counts, strict=True) if count]
    return ImageMatches(truths, kept, truth_of[counts], iou[counts])


def greedy_match(
    iou: NDArray[np.floating], allowed: NDArray[np.bool_], least_iou: float = MATCH_IOU
) -> NDArray[np.intp]:
    """For each detection (rows, best score first) its best free box, or ``UNMATCHED``.

    A pair needs an IoU of ``least_iou`` and to be ``allowed``; each box is given once.
    """
    candidates = np.where(allowed & (iou >= least_iou), iou, 0.0)
    matched = np.full(len(iou), UNMATCHED, dtype=np.intp)
    if not candidates.size:
        return matched
    for row in np.flatnonzero(candidates.any(axis=1)):
        best = int(candidates[row].argmax())
        if candidates[row, best] > 0:
            matched[row] = best
            candidates[:, best] = 0.0
    return matched


def same_label(detections: Sequence[Detection], boxes: Sequence[Box]) -> NDArray[np.bool_]:
    found = np.array([detection.label for detection in detections], dtype=object)
    there = np.array([box.label for box in boxes], dtype=object)
    same: NDArray[np.bool_] = (found[:, None] == there[None, :]).astype(bool)
    return same


def _covered(detections: Sequence[Detection], ignored: Sequence[Box]) -> NDArray[np.bool_]:
    """Whether half a detection's own area lies in an ignored box, which may be around many."""
    found, areas = as_boxes([d.xyxy for d in detections]), as_boxes([b.xyxy for b in ignored])
    low = np.maximum(found[:, None, :2], areas[None, :, :2])
    high = np.minimum(found[:, None, 2:], areas[None, :, 2:])
    sides = np.clip(high - low, 0.0, None)
    covered: NDArray[np.bool_] = (
        sides[..., 0] * sides[..., 1] >= MATCH_IOU * np.maximum(box_areas(found), 1e-9)[:, None]
    )
    return covered
