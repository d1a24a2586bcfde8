"""Read a TensorFlow 1 checkpoint of the API's faster_rcnn_inception_v2 into the Keras model.

A layer is named for its TF1 scope, so a variable's name follows from its layer's; what is checked
is that the checkpoint has each of them, in the right shape, and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from detection.models.faster_rcnn.checkpoint_files import CheckpointError
from detection.models.faster_rcnn.detector import FasterRcnn

SHOWN = 5
# How each Keras variable is called in TF1, by its own name and its layer's kind.
_PARTS = {
    "depthwise_kernel": "depthwise_weights",
    "pointwise_kernel": "pointwise_weights",
    "kernel": "weights",
    "bias": "biases",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "moving_mean",
    "moving_variance": "moving_variance",
}
# What training leaves in a checkpoint that is no part of the model.
_TRAINING = re.compile(
    r"^(global_step|beta[12]_power|.*/(Momentum|RMSProp(_1)?|Adam(_1)?|ExponentialMovingAverage))$"
)
# These have one row or column a class: new where the classes are new.
_PER_CLASS = "SecondStageBoxPredictor/"


@dataclass(frozen=True)
class Fit:
    """How a checkpoint fits a model: variable names, and words for shapes that differ."""

    read: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        return not (self.missing or self.unused or self.misshapen)


def load_checkpoint(model: FasterRcnn, prefix: str, *, new_classes: bool = False) -> Fit:
    """Set ``model``'s weights from the checkpoint; with ``new_classes`` the last layers stay.

    Raises CheckpointError, naming what is missing, left over or of another shape; then nothing is
    set.
    """
    stored = read_shapes(prefix)
    wanted = variable_map(model)
    fit = compare(wanted, stored, new_classes=new_classes)
    if not fit.is_whole:
        raise CheckpointError(f"{prefix}: {describe(fit)}")
    reader = _reader(prefix)
    for name in fit.read:
        try:
            values = np.asarray(reader.get_tensor(name), np.float32)
        # The reader raises a plain IndexError where the data ends too soon.
        except (tf.errors.OpError, LookupError, ValueError, RuntimeError) as error:
            raise _unreadable(prefix, f"{name}: {error}") from error
        if not np.isfinite(values).all():
            raise CheckpointError(
                f"{prefix}: {name} holds values that are no numbers; the training that wrote it "
                "had gone astray. Take an earlier checkpoint of it."
            )
        wanted[name].assign(values)
    return fit


def variable_map(model: FasterRcnn) -> dict[str, keras.Variable]:
    """Each variable of ``model`` by its TF1 name.

    Raises CheckpointError where two would have one name.
    """
    found: dict[str, keras.Variable] = {}
    for stage in (model.first_stage, model.second_stage):
        for layer in stage.layers:
            for variable in layer.weights:
                name = f"{layer.name.replace('.', '/')}/{_PARTS[variable.name]}"
                if name in found:
                    raise CheckpointError(f"Two layers of the model want the variable {name}.")
                found[name] = variable
    return found


def read_shapes(prefix: str) -> dict[str, tuple[int, ...]]:
    """The shapes of a checkpoint's variables, without those of the training only."""
    shapes = _reader(prefix).get_variable_to_shape_map()
    return {name: tuple(shape) for name, shape in shapes.items() if not _TRAINING.match(name)}


def compare(
    wanted: dict[str, keras.Variable], stored: dict[str, tuple[int, ...]], *, new_classes: bool
) -> Fit:
    """Hold the variables that a model wants against those that a checkpoint has."""
    names = {name for name in wanted if not (new_classes and name.startswith(_PER_CLASS))}
    unused = {name for name in stored if name not in wanted}
    both = sorted(names & set(stored))
    misshapen = [
        f"{name} is {list(stored[name])}, where {list(wanted[name].shape)} is wanted"
        for name in both
        if stored[name] != tuple(wanted[name].shape)
    ]
    return Fit(
        read=tuple(name for name in both if stored[name] == tuple(wanted[name].shape)),
        missing=tuple(sorted(names - set(stored))),
        unused=tuple(sorted(unused)),
        misshapen=tuple(misshapen),
    )


def describe(fit: Fit) -> str:
    """What does not fit, in sentences."""
    words = []
    if fit.missing:
        words.append(f"It lacks {_listed(fit.missing)}.")
    if fit.unused:
        words.append(f"It has what the model does not: {_listed(fit.unused)}.")
    if fit.misshapen:
        words.append(f"Shapes differ: {_listed(fit.misshapen)}.")
    if any(_PER_CLASS in name for name in fit.misshapen):
        words.append("The number of classes in the pipeline.config must be the checkpoint's.")
    elif words:
        words.append("Is it a checkpoint of faster_rcnn_inception_v2?")
    return " ".join(words)


def _reader(prefix: str) -> tf.train.CheckpointReader:
    try:
        return tf.train.load_checkpoint(prefix)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise _unreadable(prefix, str(error)) from error


def _unreadable(prefix: str, reason: str) -> CheckpointError:
    first = reason.splitlines()[0][:200]
    return CheckpointError(
        f"{prefix}: the checkpoint cannot be read ({first}). Is every file of it there, whole?"
    )


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
