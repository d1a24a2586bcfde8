"""Which input size a set of boxes needs. Needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

OFFERED_SIZES = (300, 384, 448, 512)
# The finest feature map has a cell every 16 pixels; a thing that is smaller than one is a guess.
LEAST_PIXELS = 16.0
# The share of the boxes that may be smaller than that.
SMALL_SHARE = 0.1


def choose_input_size(relative_sides: Iterable[float]) -> int:
    """The least of ``OFFERED_SIZES`` at which nine of ten boxes are a cell large or larger.

    Args:
        relative_sides: of each box the root of (width / image width x height / image height).
    """
    sides = np.fromiter(relative_sides, np.float64)
    if not len(sides):
        return OFFERED_SIZES[0]
    small = float(np.quantile(sides, SMALL_SHARE))
    fitting = (size for size in OFFERED_SIZES if size * small >= LEAST_PIXELS)
    return next(fitting, OFFERED_SIZES[-1])
