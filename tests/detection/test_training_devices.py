"""Several devices, and too little memory: two logical CPUs stand in for two GPUs."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

tf = pytest.importorskip("tensorflow")

from detection.training.memory import with_half_a_batch_at_need  # noqa: E402
from detection.training.settings import TrainingError, TrainingSettings  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

TWO_REPLICAS = """
import json
import numpy as np, tensorflow as tf, keras
cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from detection.augmentation import Augmentation
from detection.input_pipeline import sample_order, training_batches
from detection.models.ssd.detector import build_detector, freeze_norms
from detection.training.step import TrainingStep
from tests.detection.synthetic import scene_split
split = scene_split(4, 96)
def losses(strategy):
    keras.utils.set_random_seed(3)
    with strategy.scope():
        model = build_detector(2, 96, width=0.25)
        freeze_norms(model)  # a replica's own statistics would tell it from the whole batch
    step = TrainingStep(model, 96, strategy)
    batches = training_batches(
        split, sample_order(4, 16, 0), batch_size=4, input_size=96, seed=1,
        augmentation=Augmentation())
    found = [step(batch, 1e-3) for batch in batches]
    state = step.state()
    step.restore(state)
    return found, float(sum(np.abs(values).sum() for values in step.averaged_weights().values()))
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
print(json.dumps([two.num_replicas_in_sync, losses(two), losses(tf.distribute.get_strategy())]))
"""


MIXED = """
from detection.training.cpu import prepare_cpu
prepare_cpu(mixed=True)
import json
import keras
from detection.augmentation import Augmentation
from detection.input_pipeline import sample_order, training_batches
from detection.models.ssd.detector import build_detector
from detection.training.devices import dtype_policy, precision_policy
from detection.training.step import TrainingStep
from tests.detection.synthetic import scene_split
keras.utils.set_random_seed(3)
with dtype_policy(precision_policy("mixed")):
    step = TrainingStep(build_detector(2, 96, width=0.25), 96)
batches = training_batches(
    scene_split(4, 96), sample_order(4, 160, 5), batch_size=4, input_size=96, seed=1,
    augmentation=Augmentation())
losses = [step(batch, 2e-3) for batch in batches]
computed = step.model.get_layer("Conv").compute_dtype
print(json.dumps([losses, computed, sorted({str(one.dtype) for one in step.model.weights})]))
"""


def test_mixed_precision_learns_in_float32_weights() -> None:
    # Another test may have chosen oneDNN's kernels for this process.
    env = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    command = [sys.executable, "-c", MIXED]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    losses, computed, kept = json.loads(done.stdout.splitlines()[-1])
    assert all(map(math.isfinite, losses))
    assert sum(losses[-4:]) < sum(losses[:4])
    assert (computed, kept) == ("bfloat16", ["float32"])


def test_two_replicas_learn_as_one_device_does() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_REPLICAS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    replicas, (losses, weights), (alone, weights_alone) = json.loads(done.stdout.splitlines()[-1])
    assert replicas == 2
    assert losses == pytest.approx(alone, rel=1e-3)
    assert weights == pytest.approx(weights_alone, rel=1e-4)


class Told:
    def __init__(self) -> None:
        self.messages: list[str] = []

    def tell(self, event: str, **facts: str) -> None:
        self.messages.append(facts["message"])


def fits(most: int, tried: list[int]) -> Callable[[int | None], int]:
    """A run on a device that has memory for batches of ``most``."""

    def start(batch_size: int | None) -> int:
        tried.append(batch_size or 8)
        if tried[-1] > most:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return tried[-1]

    return start


def test_a_batch_that_does_not_fit_is_halved_once_and_said() -> None:
    told, tried = Told(), []
    assert with_half_a_batch_at_need(fits(4, tried), TrainingSettings(), 300, told) == 4
    assert tried == [8, 4]
    assert told.messages == [
        "A batch of 8 did not fit into the memory: going on with 4.",
    ]


def test_a_half_that_does_not_fit_either_ends_the_run() -> None:
    told, tried = Told(), []
    with pytest.raises(TrainingError, match=r"not even for a batch of 4.*smaller --input-size"):
        with_half_a_batch_at_need(fits(3, tried), TrainingSettings(), 300, told)
    assert tried == [8, 4]
