"""How far luck goes in a score: a bootstrap over the images that it was measured on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.evaluation.matching import MATCH_IOU, ImageMatches

RESAMPLES = 200
COVERAGE = 0.95
# Of fewer images, resampling says nothing.
LEAST_IMAGES = 5
RECALLS = np.linspace(0.0, 1.0, 101)
IOUS = np.arange(10) * 0.05 + MATCH_IOU

Found = list[tuple[float, int, bool]]


def score_intervals(matches: Sequence[ImageMatches], seed: int = 0) -> dict[str, Any] | None:
    """Where the scores lie with ``COVERAGE`` if other such images are measured.

    A percentile bootstrap (Efron 1979): the score again and again over as many images drawn with
    repetition. None for fewer than ``LEAST_IMAGES`` images with boxes.

    Returns:
        ``map_50`` and ``map_50_95``: ``[low, high]``; ``ap_50``: the same of each label that has
        boxes in ``LEAST_IMAGES`` images; ``resampled``: both scores of every draw. What is drawn
        depends on the number of images and the seed alone: two detectors that were judged on the
        same images, in the same order, are compared draw by draw.
    """
    if sum(bool(image.truths) for image in matches) < LEAST_IMAGES:
        return None
    draws = np.random.default_rng(seed).multinomial(
        len(matches), np.full(len(matches), 1 / len(matches)), size=RESAMPLES
    )
    truths_of = _truths_by_label(matches)
    by_iou = [_resampled(matches, truths_of, draws, float(iou)) for iou in IOUS]
    map_50 = _mean_of_labels(by_iou[0])
    map_50_95 = np.mean([_mean_of_labels(scores) for scores in by_iou], axis=0)
    return {
        "map_50": _interval(map_50),
        "map_50_95": _interval(map_50_95),
        "ap_50": {
            label: _interval(scores)
            for label, scores in by_iou[0].items()
            if np.count_nonzero(truths_of[label]) >= LEAST_IMAGES
        },
        "resampled": {"map_50": _rounded(map_50), "map_50_95": _rounded(map_50_95)},
    }


def _resampled(
    matches: Sequence[ImageMatches],
    truths_of: dict[str, NDArray[np.float64]],
    draws: NDArray[np.int64],
    least_iou: float,
) -> dict[str, NDArray[np.float64]]:
    """Each label's average precision at ``least_iou`` for each of the draws.

    It is NaN where no image that was drawn has a box of the label.
    """
    found_of = _found_by_label(matches, least_iou)
    scores_of = {}
    for label, truths in truths_of.items():
        in_image, right = _sorted_by_score(found_of.get(label, []))
        scores = scores_of[label] = np.full(len(draws), np.nan)
        for number, weights in enumerate(draws.astype(np.float64)):
            num_truths = float(weights @ truths)
            if num_truths:
                scores[number] = _average_precision(weights[in_image], right, num_truths)
    return scores_of


def _mean_of_labels(scores_of: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean over the labels that each draw has boxes of; NaN where it has none at all."""
    scores = np.stack(list(scores_of.values()))
    counts = np.count_nonzero(~np.isnan(scores), axis=0)
    none = np.full(scores.shape[1], np.nan)
    return np.divide(np.nansum(scores, axis=0), counts, out=none, where=counts > 0)


def _interval(scores: NDArray[np.float64]) -> list[float]:
    tail = (1 - COVERAGE) / 2
    low, high = np.nanquantile(scores, [tail, 1 - tail])
    return [round(float(low), 4), round(float(high), 4)]


def _rounded(scores: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(score) else round(float(score), 4) for score in scores]


def _truths_by_label(matches: Sequence[ImageMatches]) -> dict[str, NDArray[np.float64]]:
    """For each label: boxes per image."""
    truths_of: dict[str, NDArray[np.float64]] = {}
    for number, image in enumerate(matches):
        for truth in image.truths:
            truths_of.setdefault(truth.label, np.zeros(len(matches)))[number] += 1
    return truths_of


def _found_by_label(matches: Sequence[ImageMatches], least_iou: float) -> dict[str, Found]:
    """For each label its detections as (score, image, right)."""
    found_of: dict[str, Found] = defaultdict(list)
    for number, image in enumerate(matches):
        for detection, right in zip(image.detections, image.right_at(least_iou), strict=True):
            found_of[detection.label].append((detection.score, number, bool(right)))
    return found_of


def _sorted_by_score(found: Found) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    ordered = sorted(found, key=lambda one: -one[0])
    in_image = np.array([image for _, image, _ in ordered], dtype=np.intp)
    return in_image, np.array([right for _, _, right in ordered], dtype=bool)


def _average_precision(
    weights: NDArray[np.float64], right: NDArray[np.bool_], num_truths: float
) -> float:
    """COCO's 101-point average precision of detections that count ``weights`` times each."""
    if not len(weights):
        return 0.0
    true = np.cumsum(weights * right)
    precision = true / np.maximum(np.cumsum(weights), 1e-9)
    ceiling = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(true / num_truths, RECALLS - 1e-9, side="left")
    return float(np.append(ceiling, 0.0)[at].mean())
