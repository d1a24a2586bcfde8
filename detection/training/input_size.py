"""Which input size a set of boxes needs. Needs no TensorFlow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable

import numpy as np

OFFERED_SIZES = (300, 384, 448, 512)
# One and a half of the finest feature map's cells. A thing that is hardly larger than one is found,
# but not placed well: BCCD's platelets had AP 0.36 at 17 pixels, 0.44 at 22 and 0.45 at 25.
LEAST_PIXELS = 24.0
# The share of a label's boxes that may be smaller than that.
SMALL_SHARE = 0.1
# A label with fewer boxes does not make all others wait for larger pictures.
LEAST_BOXES = 10


def choose_input_size(boxes: Iterable[tuple[Hashable, float]]) -> int:
    """The least of ``OFFERED_SIZES`` at which nine of ten boxes of each label are large enough.

    By label, for a label's AP counts the same whether it has many boxes or few.

    Args:
        boxes: of each its label and its relative side, the root of (width / image width x
            height / image height).
    """
    sides: dict[Hashable, list[float]] = defaultdict(list)
    for label, side in boxes:
        sides[label].append(side)
    if not sides:
        return OFFERED_SIZES[0]
    judged = [values for values in sides.values() if len(values) >= LEAST_BOXES]
    judged = judged or [[side for values in sides.values() for side in values]]
    small = min(float(np.quantile(values, SMALL_SHARE)) for values in judged)
    fitting = (size for size in OFFERED_SIZES if size * small >= LEAST_PIXELS)
    return next(fitting, OFFERED_SIZES[-1])
