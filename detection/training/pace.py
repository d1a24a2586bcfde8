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
# Evaluating a picture takes about half as long as learning from it.
EVALUATION_SHARE = 0.5
# What converting the model takes on top of what the measured steps did.
EXPORT_MEMORY = 650_000_000


@dataclass(frozen=True)
class Pace:
    """What a run's parts take, in seconds, by the steps that were measured.

    ``finish``: judging the best epoch, converting it and checking what became of it. ``spent`` is
    what went by before: it counts where the whole is to fit into a given time.
    """

    a_step: float
    an_epoch: float
    an_evaluation: float
    finish: float
    spent: float = 0.0

    def epochs(self, settings: TrainingSettings, num_images: int, enlarged: float = 1.0) -> int:
        """The epochs that were asked for, or that fit into the time that was.

        ``enlarged``: see ``automatic_epochs``.
        """
        if settings.epochs is not None:
            return settings.epochs
        if settings.minutes is not None:
            left = settings.minutes * 60
            return epochs_in(left, self.an_epoch, self.finish + self.spent, self.an_evaluation)
        return automatic_epochs(num_images, enlarged)

    def seconds(self, epochs: int) -> float:
        """Seconds from now on that ``epochs`` take, with their evaluations and the finish."""
        evaluations = min(epochs, MOST_EVALUATIONS)
        return epochs * self.an_epoch + evaluations * self.an_evaluation + self.finish


def make_pace(
    a_step: float, *, steps: int, batch_size: int, num_val: int, finish: float, spent: float
) -> Pace:
    """The pace of a run of ``steps`` an epoch and ``num_val`` val images, each step ``a_step``."""
    a_picture = a_step / batch_size
    return Pace(
        a_step,
        an_epoch=steps * a_step,
        an_evaluation=num_val * a_picture * EVALUATION_SHARE,
        finish=finish,
        spent=spent,
    )


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


def forecast_memory() -> int:
    """The most that the run will have taken at its end, in bytes: to be asked after some steps."""
    return peak_memory() + EXPORT_MEMORY


def peak_memory() -> int:
    """The process's greatest memory so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
