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
    """``serving.detect`` as a frozen GraphDef: uint8 ``[1, None, None, 3]`` in."""
    return freeze(serving.detect, _picture(input_name))


def write_saved_model(serving: Serving, folder: Path) -> None:
    """Write `saved_model.pb` to ``folder``.

    Signature ``serving_default``, in: ``input_tensor`` uint8 ``[1, H, W, 3]``, RGB, any size. The
    batch is one picture: pictures of a batch would have to be of one size. Out: see ``Serving``.
    """
    picture = _picture("input_tensor")
    module = as_module(detecting_graph(serving, "input_tensor"), picture, OUTPUTS)
    tf.saved_model.save(module, str(folder), signatures=module.serve)


def write_frozen_graph(serving: Serving, path: Path) -> None:
    """Write a TensorFlow 1 GraphDef with its weights as constants, as the API exported them.

    In: ``image_tensor:0``; out: ``detection_boxes:0``, ``detection_scores:0``,
    ``detection_classes:0`` and ``num_detections:0``, as in the SavedModel.
    """
    path.write_bytes(detecting_graph(serving, "image_tensor").SerializeToString())


def _picture(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([1, None, None, 3], tf.uint8, name=name)


class SavedModel:
    """A SavedModel on the disk, loaded to be called. Raises OSError where there is none."""

    def __init__(self, folder: Path) -> None:
        # Held, as its functions live as long as it does.
        self._loaded = tf.saved_model.load(str(folder))
        self._serve = self._loaded.signatures["serving_default"]

    def __call__(self, picture: NDArray[np.uint8]) -> Outputs:
        """The signature's outputs for a picture ``[H, W, 3]``, without their batch dimension."""
        outputs = self._serve(input_tensor=tf.constant(picture[None]))
        return {name: outputs[name].numpy()[0] for name in OUTPUTS}


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
