"""How far luck goes in a score: a bootstrap over the images that it was measured on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detection.evaluation.matching import UNMATCHED, ImageMatches

RESAMPLES = 200
COVERAGE = 0.95
# Of fewer images, resampling says nothing.
LEAST_IMAGES = 5
RECALLS = np.linspace(0.0, 1.0, 101)


def map_50_interval(matches: Sequence[ImageMatches], seed: int = 0) -> list[float] | None:
    """``[low, high]``: where AP50 lies with ``COVERAGE`` if other such images are measured.

    A percentile bootstrap (Efron 1979): AP50 again and again, over as many images drawn with
    repetition. None for fewer than ``LEAST_IMAGES`` images with boxes.
    """
    if sum(bool(image.truths) for image in matches) < LEAST_IMAGES:
        return None
    draws = np.random.default_rng(seed).multinomial(
        len(matches), np.full(len(matches), 1 / len(matches)), size=RESAMPLES
    )
    sums, counts = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    truths_of, found_of = _by_label(matches)
    for label, truths in truths_of.items():
        in_image, right = _sorted_by_score(found_of.get(label, []))
        for number, weights in enumerate(draws.astype(np.float64)):
            num_truths = float(weights @ truths)
            if num_truths:
                sums[number] += _average_precision(weights[in_image], right, num_truths)
                counts[number] += 1
    scores = sums[counts > 0] / counts[counts > 0]
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return [round(float(low), 4), round(float(high), 4)]


def _by_label(
    matches: Sequence[ImageMatches],
) -> tuple[dict[str, NDArray[np.float64]], dict[str, list[tuple[float, int, bool]]]]:
    """For each label: boxes per image; and its detections as (score, image, right)."""
    truths_of: dict[str, NDArray[np.float64]] = {}
    found_of: dict[str, list[tuple[float, int, bool]]] = defaultdict(list)
    for number, image in enumerate(matches):
        for truth in image.truths:
            truths_of.setdefault(truth.label, np.zeros(len(matches)))[number] += 1
        for detection, truth_index in zip(image.detections, image.truth_of, strict=True):
            found_of[detection.label].append(
                (detection.score, number, bool(truth_index != UNMATCHED))
            )
    return truths_of, found_of


def _sorted_by_score(
    found: list[tuple[float, int, bool]],
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
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
