"""The worst errors of a detector, each with the boxes that show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from detection.boxes import iou_matrix
from detection.evaluation.matching import MATCH_IOU, UNMATCHED, ImageMatches, match_image
from detection.label_map import LabelMap
from detection.types import Box, Detection, LabelledImage

# Of the right label and with at least this IoU, a detection means the box, however poorly.
POOR_IOU = 0.2
# A match below this IoU is found, and still worth a look.
GOOD_IOU = 0.65
MOST_PER_IMAGE = 3
MOST_SHOWN = 60

Error = dict[str, Any]


def worst_images(
    images: Sequence[LabelledImage],
    detections: Sequence[Sequence[Detection]],
    label_map: LabelMap,
    score_threshold: float,
    most: int = MOST_SHOWN,
) -> list[Error]:
    """The ``most`` worst errors at ``score_threshold``, the worst first.

    Each kind of error has its turn, so that one frequent kind does not hide the others, and no
    image has more than ``MOST_PER_IMAGE``.

    Returns:
        ``{"image", "kind", "label", "predicted", "score", "iou", "box", "boxes", "width",
        "height"}`` with kind ``missed``, ``false``, ``duplicate`` (a box found a second time),
        ``wrong_label`` or ``poor_box``; boxes in pixels of the upright image.
    """
    by_kind: dict[str, list[tuple[float, Error]]] = {}
    for image, found in zip(images, detections, strict=True):
        matches = match_image(image, found, label_map, score_threshold)
        errors = sorted(_errors(image, matches, found), key=lambda pair: -pair[0])
        for badness, error in errors[:MOST_PER_IMAGE]:
            by_kind.setdefault(error["kind"], []).append((badness, error))
    queues = [sorted(kind, key=lambda pair: -pair[0]) for kind in by_kind.values()]
    longest = max((len(queue) for queue in queues), default=0)
    turns = [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]
    worst = sorted(turns[:most], key=lambda pair: -pair[0])
    return [error for _, error in worst]


def _errors(
    image: LabelledImage, matches: ImageMatches, all_found: Sequence[Detection]
) -> Iterator[tuple[float, Error]]:
    """Each error of an image with how bad it is, 0..1."""
    truth_of = matches.with_other_labels()
    poor = _poor_pairs(matches, truth_of)
    meant = {truth for truth in truth_of.tolist() if truth != UNMATCHED} | set(poor.values())
    for index, detection in enumerate(matches.detections):
        matched = int(truth_of[index]) if truth_of[index] != UNMATCHED else poor.get(index)
        if matched is None:
            yield detection.score, _false(image, matches, index, meant)
            continue
        truth, iou = matches.truths[matched], float(matches.iou[index, matched])
        if truth.label != detection.label:
            yield detection.score, _error(image, "wrong_label", truth, detection, iou)
        elif iou < GOOD_IOU:
            yield 1.0 - iou, _error(image, "poor_box", truth, detection, iou)
    for index in set(range(len(matches.truths))) - meant:
        truth = matches.truths[index]
        yield 1.0 - _faintly_seen(truth, all_found), _error(image, "missed", truth, None, None)


def _poor_pairs(matches: ImageMatches, truth_of: np.ndarray) -> dict[int, int]:
    """Unmatched detections that lie on an unmatched box of their label, as detection: truth."""
    free = set(range(len(matches.truths))) - set(truth_of.tolist())
    pairs: dict[int, int] = {}
    for index in np.flatnonzero(truth_of == UNMATCHED).tolist():
        label = matches.detections[index].label
        near = [t for t in free if matches.truths[t].label == label]
        best = max(near, key=lambda t: matches.iou[index, t], default=None)
        if best is not None and matches.iou[index, best] >= POOR_IOU:
            pairs[index] = best
            free.discard(best)
    return pairs


def _false(image: LabelledImage, matches: ImageMatches, index: int, meant: set[int]) -> Error:
    """A false detection, or a duplicate: one of a box that another detection found (``meant``)."""
    detection = matches.detections[index]
    row = matches.iou[index]
    nearest = int(row.argmax()) if row.size else None
    if nearest is None or row[nearest] < POOR_IOU:
        return _error(image, "false", None, detection, None)
    truth, iou = matches.truths[nearest], float(row[nearest])
    again = iou >= MATCH_IOU and truth.label == detection.label and nearest in meant
    return _error(image, "duplicate" if again else "false", truth, detection, iou)


def _faintly_seen(truth: Box, found: Sequence[Detection]) -> float:
    """The best score of a detection of the box's label that lies on it, below the threshold."""
    same = [detection for detection in found if detection.label == truth.label]
    if not same:
        return 0.0
    iou = iou_matrix([detection.xyxy for detection in same], [truth.xyxy])[:, 0]
    scores = [d.score for d, overlap in zip(same, iou, strict=True) if overlap >= POOR_IOU]
    return min(max(scores, default=0.0), 1.0)


def _error(
    image: LabelledImage,
    kind: str,
    truth: Box | None,
    detection: Detection | None,
    iou: float | None,
) -> Error:
    boxes = []
    if truth is not None:
        boxes.append(_shown(truth, None, "truth"))
    if detection is not None:
        boxes.append(_shown(detection, detection.score, "detection"))
    subject = detection if truth is None or kind in ("false", "duplicate") else truth
    assert subject is not None
    return {
        "image": image.name,
        "kind": kind,
        "label": subject.label,
        "predicted": detection.label if detection else None,
        "score": round(detection.score, 4) if detection else None,
        "iou": round(iou, 4) if iou is not None else None,
        "box": _rounded(subject.xyxy),
        "boxes": boxes,
        "width": image.width,
        "height": image.height,
    }


def _shown(box: Box | Detection, score: float | None, kind: str) -> dict[str, Any]:
    corners = _rounded(box.xyxy)
    return {
        "box": corners,
        **dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)),
        "label": box.label,
        "score": round(score, 4) if score is not None else None,
        "kind": kind,
    }


def _rounded(xyxy: tuple[float, float, float, float]) -> list[float]:
    return [round(float(value), 2) for value in xyxy]
