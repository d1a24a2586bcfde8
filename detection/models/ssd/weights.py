"""Read the published ``ssdlite_mobilenet_v2_coco`` weights into the Keras detector.

The weights come as a TensorFlow.js graph model: ``model.json`` with a manifest, and shards of
plain little-endian floats. Facts of the format: the batch norm of 1x1 and stem convolutions is
multiplied in already, that of depthwise convolutions is a scale (``batchnorm/mul``) beside them,
and only the predictors' batch norms are whole.
"""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from detection.models.ssd.anchors import ANCHORS_PER_CELL

Weights = dict[str, NDArray[np.float32]]
PREFIX = "FeatureExtractor/MobilenetV2/"
PUBLISHED_CLASSES = 91  # index 0 is background, then COCO ids 1..90


class WeightsError(ValueError):
    """The weights do not fit the model, or cannot be read."""


def read_graph_model(folder: Path) -> Weights:
    """All tensors of the TensorFlow.js graph model in ``folder``, by name.

    Raises WeightsError when a shard is missing or too short.
    """
    try:
        manifest = json.loads((folder / "model.json").read_text())["weightsManifest"]
        blob = b"".join(
            (folder / path).read_bytes() for group in manifest for path in group["paths"]
        )
    except (OSError, KeyError, ValueError) as error:
        raise WeightsError(f"{folder}: not a readable TensorFlow.js model ({error}).") from error
    weights: Weights = {}
    offset = 0
    for group in manifest:
        for entry in group["weights"]:
            dtype = np.dtype(entry["dtype"]).newbyteorder("<")
            count = int(np.prod(entry["shape"], dtype=np.int64))
            if offset + count * dtype.itemsize > len(blob):
                raise WeightsError(f"{folder}: the weight shards end before {entry['name']}.")
            values = np.frombuffer(blob, dtype, count, offset)
            weights[entry["name"]] = values.reshape(entry["shape"])
            offset += values.nbytes
    return weights


def load_published(model: keras.Model, published: Weights, class_ids: list[int] | None) -> None:
    """Set ``model``'s weights from the published ones.

    With ``class_ids`` (COCO ids, one a model label) the class predictors are taken too; without,
    the last 1x1 of each class predictor stays as it is: new, for labels of the user's own.
    Raises WeightsError when a tensor is missing or has another shape.
    """
    for layer in model.layers:
        if not layer.weights:
            continue
        values = _layer_values(layer.name, published, class_ids)
        if values is None:
            continue
        wanted = [tuple(weight.shape) for weight in layer.weights]
        if wanted != [value.shape for value in values]:
            shapes = [value.shape for value in values]
            raise WeightsError(f"Layer {layer.name} has shapes {wanted}, its weights {shapes}.")
        layer.set_weights(values)


def _layer_values(
    layer_name: str, published: Weights, class_ids: list[int] | None
) -> list[NDArray[np.float32]] | None:
    if layer_name.startswith("box_predictor_"):
        return _predictor_values(layer_name, published, class_ids)
    name = PREFIX + _published_name(layer_name)
    shift = _tensor(published, f"{name}/BatchNorm/batchnorm/sub")
    if layer_name.endswith("_depthwise"):
        scale = _tensor(published, f"{name}/BatchNorm/batchnorm/mul")
        kernel = _tensor(published, f"{name}/depthwise_weights")
        return [kernel * scale[None, None, :, None], shift]
    return [_tensor(published, f"{name}/Conv2D/merged_input"), shift]


def _published_name(layer_name: str) -> str:
    """``expanded_conv_13_expand`` is ``expanded_conv_13/expand``; other names are the same."""
    if layer_name.startswith("expanded_conv"):
        block, _, part = layer_name.rpartition("_")
        return f"{block}/{part}"
    return layer_name


def _predictor_values(
    layer_name: str, published: Weights, class_ids: list[int] | None
) -> list[NDArray[np.float32]] | None:
    parts = layer_name.split("_")  # box_predictor_<level>_<box|class>[_depthwise|_norm]
    level, head = int(parts[2]), parts[3]
    name = (
        f"BoxPredictor_{level}/"
        + {
            "box": "BoxEncodingPredictor",
            "class": "ClassPredictor",
        }[head]
    )
    match parts[4:]:
        case ["depthwise"]:
            return [_tensor(published, f"{name}_depthwise/depthwise_weights")]
        case ["norm"]:
            stem = f"{name}_depthwise/BatchNorm"
            kinds = ("gamma", "beta", "moving_mean", "moving_variance")
            return [_tensor(published, f"{stem}/{kind}") for kind in kinds]
    kernel = _tensor(published, f"{name}/weights")
    bias = _tensor(published, f"{name}/biases")
    if head == "box":
        return [kernel, bias]
    if class_ids is None:
        return None
    anchors = ANCHORS_PER_CELL[level]
    kernel = kernel.reshape(1, 1, -1, anchors, PUBLISHED_CLASSES)[..., class_ids]
    bias = bias.reshape(anchors, PUBLISHED_CLASSES)[:, class_ids]
    return [kernel.reshape(1, 1, kernel.shape[2], -1), bias.reshape(-1)]


def _tensor(published: Weights, name: str) -> NDArray[np.float32]:
    try:
        return published[name]
    except KeyError:
        raise WeightsError(f"The published weights have no tensor {name}.") from None
