"""The SavedModel and the frozen graph, with the TensorFlow Object Detection API's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.exports.graphs import as_module, freeze
from detection.exports.serving import Serving

OUTPUTS = ["detection_boxes", "detection_scores", "detection_classes", "num_detections"]
Outputs = dict[str, NDArray[np.float32]]


def detecting_graph(serving: Serving, input_name: str) -> Any:
    """``serving.detect`` as a frozen GraphDef: uint8 ``[None, None, None, 3]`` in."""
    return freeze(serving.detect, _pictures(input_name))


def write_saved_model(serving: Serving, folder: Path) -> None:
    """Write `saved_model.pb` to ``folder``.

    Signature ``serving_default``, in: ``input_tensor`` uint8 ``[B, H, W, 3]``, RGB, any size, all
    pictures of a batch of one size. Out: see ``Serving``.
    """
    pictures = _pictures("input_tensor")
    module = as_module(detecting_graph(serving, "input_tensor"), pictures, OUTPUTS)
    tf.saved_model.save(module, str(folder), signatures=module.serve)


def write_frozen_graph(serving: Serving, path: Path) -> None:
    """Write a TensorFlow 1 GraphDef with its weights as constants, as the API exported them.

    In: ``image_tensor:0``; out: ``detection_boxes:0``, ``detection_scores:0``,
    ``detection_classes:0`` and ``num_detections:0``, as in the SavedModel.
    """
    path.write_bytes(detecting_graph(serving, "image_tensor").SerializeToString())


def _pictures(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None, None, None, 3], tf.uint8, name=name)


class SavedModel:
    """A SavedModel on the disk, loaded to be called. Raises OSError where there is none."""

    def __init__(self, folder: Path) -> None:
        # Held, as its functions live as long as it does.
        self._loaded = tf.saved_model.load(str(folder))
        self._serve = self._loaded.signatures["serving_default"]
        (taken,) = self._serve.structured_input_signature[1].values()
        self.takes_batches = taken.shape[0] is None

    def __call__(self, picture: NDArray[np.uint8]) -> Outputs:
        """The signature's outputs for a picture ``[H, W, 3]``, without their batch dimension."""
        return {name: value[0] for name, value in self.batch(picture[None]).items()}

    def batch(self, pictures: NDArray[np.uint8]) -> Outputs:
        """The signature's outputs for pictures ``[B, H, W, 3]`` of one size."""
        outputs = self._serve(input_tensor=tf.constant(pictures))
        return {name: outputs[name].numpy() for name in OUTPUTS}


class FrozenGraph:
    """A frozen graph on the disk, loaded by the Object Detection API's names alone."""

    def __init__(self, path: Path) -> None:
        graph_def = tf.compat.v1.GraphDef()
        graph_def.ParseFromString(path.read_bytes())
        graph = tf.Graph()
        with graph.as_default():
            tf.compat.v1.import_graph_def(graph_def, name="")
        self._session = tf.compat.v1.Session(graph=graph)

    def __call__(self, picture: NDArray[np.uint8]) -> Outputs:
        """The four outputs for a picture ``[H, W, 3]``, without their batch dimension."""
        wanted = {name: f"{name}:0" for name in OUTPUTS}
        outputs = self._session.run(wanted, {"image_tensor:0": picture[None]})
        return {name: value[0] for name, value in outputs.items()}
