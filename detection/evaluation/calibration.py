"""Whether 90 % means 90 %: how often detections are right, by how sure the model was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detection.evaluation.matching import UNMATCHED, ImageMatches

BINS = 10


def calibration(matches: Sequence[ImageMatches]) -> dict[str, Any] | None:
    """A reliability diagram's bars, and the expected calibration error (Guo et al. 2017, eq. 3).

    A detection is right where it finds a box of its label at IoU 0.5.

    Returns:
        ``{"bins": [{"low", "high", "count", "score", "right"}], "error"}``: the bins' bounds, how
        many detections, their mean score and the share of them that is right; bins without a
        detection are left out. None without any detection.
    """
    scores = np.array([d.score for image in matches for d in image.detections], np.float64)
    right = np.concatenate([image.truth_of != UNMATCHED for image in matches] or [np.zeros(0)])
    if not len(scores):
        return None
    number = np.minimum((scores * BINS).astype(int), BINS - 1)
    bins, error = [], 0.0
    for index in range(BINS):
        inside = number == index
        if not inside.any():
            continue
        score, share = float(scores[inside].mean()), float(right[inside].mean())
        error += abs(score - share) * inside.sum() / len(scores)
        bins.append(
            {
                "low": index / BINS,
                "high": (index + 1) / BINS,
                "count": int(inside.sum()),
                "score": round(score, 4),
                "right": round(share, 4),
            }
        )
    return {"bins": bins, "error": round(float(error), 4)}
