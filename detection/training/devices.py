"""Where a run computes: all visible GPUs or the CPU, and how exactly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import keras
import tensorflow as tf

# bfloat16 needs no scaling of the loss; GPUs compute with it since Ampere (compute capability 8).
MIXED = "mixed_bfloat16"
LEAST_CAPABILITY = 8


def make_strategy() -> tf.distribute.Strategy:
    """One replica for each visible GPU (`MirroredStrategy`), else the default strategy."""
    share_gpus()
    gpus = tf.config.list_logical_devices("GPU")
    if len(gpus) > 1:
        return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus])
    return tf.distribute.get_strategy()


def share_gpus() -> None:
    """Take a GPU's memory as it is needed, and not all at once: others compute there, too.

    Without effect where TensorFlow has begun to use them.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        with suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


def is_on_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


def precision_policy(precision: str) -> str:
    """Keras's dtype policy for "auto", "float32" or "mixed".

    Automatic is mixed on GPUs that have bfloat16, and float32 elsewhere: CPUs without it take
    longer for less.
    """
    if precision == "mixed":
        return MIXED
    if precision == "float32":
        return "float32"
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    capable = [one.get("compute_capability", (0, 0))[0] >= LEAST_CAPABILITY for one in details]
    return MIXED if capable and all(capable) else "float32"


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Layers made within compute by Keras's dtype policy ``name``."""
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)
