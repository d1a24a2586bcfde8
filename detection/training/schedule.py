"""The learning rate over a run: linear warm-up, then a cosine (Loshchilov & Hutter 2017)."""

from __future__ import annotations

import math

WARM_UP = 0.05
FINAL = 0.02


def learning_rate(step: int, total_steps: int, peak: float) -> float:
    """The rate of ``step`` (0-based): up to ``peak`` over the first 5 %, down to 2 % of it."""
    warm_up = max(1, round(WARM_UP * total_steps))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    done = (step - warm_up) / max(1, total_steps - warm_up)
    return peak * (FINAL + (1 - FINAL) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
