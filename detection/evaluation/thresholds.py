"""The score threshold to recommend, and what the model does at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detection.evaluation.matching import UNMATCHED, ImageMatches
from detection.label_map import LabelMap

BACKGROUND = "background"
# Where nothing is measured, or nothing was found.
DEFAULT_THRESHOLD = 0.5
# A matrix of more labels than this holds only those that occur.
MOST_LABELS_SHOWN_ALL = 100


def label_thresholds(matches: Sequence[ImageMatches], label_map: LabelMap) -> dict[str, float]:
    """Each label's own threshold with the best F1; of labels that were found, and are there."""
    found = {}
    for name in label_map.names:
        threshold = best_score_threshold(matches, label=name, otherwise=None)
        if threshold is not None:
            found[name] = threshold
    return found


def best_score_threshold(
    matches: Sequence[ImageMatches],
    label: str | None = None,
    otherwise: float | None = DEFAULT_THRESHOLD,
) -> float | None:
    """The threshold with the best F1 at IoU 0.5, counted over all boxes of all labels.

    Or over those of one ``label``. ``otherwise`` where there is no box, or none is found.

    It lies in the middle between the last score that is worth keeping and the next lower one, and
    has no more digits than that needs.
    """
    truths = [box.label for image in matches for box in image.truths]
    found = [d for image in matches for d in image.detections]
    scores = np.array([d.score for d in found])
    right = np.concatenate([image.truth_of != UNMATCHED for image in matches] or [np.zeros(0)])
    if label is not None:
        chosen = np.array([d.label == label for d in found], bool)
        scores, right = scores[chosen], right[chosen]
        truths = [name for name in truths if name == label]
    num_truths = len(truths)
    if not num_truths or not right.any():
        return otherwise
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    f1 = 2 * np.cumsum(right) / (np.arange(1, len(scores) + 1) + num_truths)
    # A threshold cannot part equal scores: only the last of each is a place to cut.
    f1[:-1][scores[:-1] == scores[1:]] = 0.0
    last = int(f1.argmax())
    lower = float(scores[last + 1]) if last + 1 < len(scores) else 0.0
    return _between(lower, float(scores[last]))


def confusion_matrix(matches: Sequence[ImageMatches], label_map: LabelMap) -> dict[str, Any]:
    """``{"labels", "matrix"}``: rows what is there, columns what the model said.

    The last row and column are the background: false detections, and missed boxes.
    """
    names = list(label_map.names)
    if len(names) > MOST_LABELS_SHOWN_ALL:
        occurring = {box.label for image in matches for box in image.truths}
        occurring |= {d.label for image in matches for d in image.detections}
        names = [name for name in names if name in occurring]
    row_of = {name: index for index, name in enumerate(names)}
    background = len(names)  # by its place: a user's label may be called "background", too
    matrix = np.zeros((background + 1, background + 1), dtype=int)
    for image in matches:
        truth_of = image.with_other_labels()
        for detection, truth in zip(image.detections, truth_of, strict=True):
            row = background if truth == UNMATCHED else row_of[image.truths[truth].label]
            matrix[row, row_of[detection.label]] += 1
        for index in set(range(len(image.truths))) - set(truth_of.tolist()):
            matrix[row_of[image.truths[index].label], background] += 1
    return {"labels": [*names, BACKGROUND], "matrix": matrix.tolist()}


def _between(low: float, high: float) -> float:
    """A short decimal with ``low < it <= high``, near the middle."""
    middle = (low + high) / 2
    for digits in range(2, 8):
        value = round(middle, digits)
        if low < value <= high:
            return value
    return high
