"""How long a run takes: a few steps are timed before it starts. Needs no TensorFlow."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from detection.training.settings import (
    MOST_EVALUATIONS,
    TrainingSettings,
    automatic_epochs,
    epochs_in,
)

MEASURED_STEPS = 5
# The first steps build graphs and fill queues.
UNCOUNTED_STEPS = 2
# Converting, checking and evaluating the exports.
EXPORT_SECONDS = 75.0
# Evaluating a picture takes about half as long as learning from it.
EVALUATION_SHARE = 0.5
# What converting the model takes on top of what training does.
EXPORT_MEMORY = 900_000_000


@dataclass(frozen=True)
class Pace:
    """What a run's parts take, in seconds: measured, but for the export."""

    an_epoch: float
    an_evaluation: float
    overhead: float

    def epochs(self, settings: TrainingSettings, num_images: int) -> int:
        """The epochs that were asked for, or that fit into the time that was."""
        if settings.epochs is not None:
            return settings.epochs
        if settings.minutes is not None:
            budget = settings.minutes * 60
            return epochs_in(budget, self.an_epoch, self.overhead, self.an_evaluation)
        return automatic_epochs(num_images)

    def seconds(self, epochs: int) -> float:
        """Seconds that ``epochs`` take, with their evaluations, starting and exporting."""
        evaluations = min(epochs, MOST_EVALUATIONS)
        return epochs * self.an_epoch + evaluations * self.an_evaluation + self.overhead


def seconds_a_step(
    batches: Iterable[Any], step: Callable[[Any], object], is_stopped: Callable[[], bool]
) -> float:
    """The median of some steps, with their waiting for data."""
    times: list[float] = []
    began = time.monotonic()
    for batch in batches:
        if is_stopped() and times:
            break
        step(batch)
        times.append(time.monotonic() - began)
        began = time.monotonic()
    counted = times[UNCOUNTED_STEPS:] or times
    return float(np.median(counted))


def peak_memory() -> int:
    """The process's greatest memory so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
