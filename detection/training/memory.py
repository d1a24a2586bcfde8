"""What a run does where a batch does not fit into memory: half of it, once."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import keras
import tensorflow as tf

from detection.training.reporting import Reporter
from detection.training.settings import TrainingError, TrainingSettings

Run = TypeVar("Run")


def with_half_a_batch_at_need(
    start: Callable[[int | None], Run],
    settings: TrainingSettings,
    input_size: int,
    reporter: Reporter,
) -> Run:
    """Run; where memory does not do, once more with half the batch. Raises TrainingError."""
    try:
        return start(None)
    except (tf.errors.ResourceExhaustedError, MemoryError):
        half = settings.batch_size // 2
    if half:
        reporter.tell(
            "log",
            message=(
                f"A batch of {settings.batch_size} did not fit into the memory: "
                f"going on with {half}."
            ),
        )
        gc.collect()
        keras.backend.clear_session()
        try:
            return start(half)
        except (tf.errors.ResourceExhaustedError, MemoryError):
            pass
    raise TrainingError(
        f"There is not enough memory on the device, not even for a batch of {half or 1}. Train "
        f"with a smaller --input-size than {input_size}."
    )
