"""ONNX, by tf2onnx; run by ONNX Runtime. All three packages are optional."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.exports.graphs import freeze
from detection.exports.litert import square_spec
from detection.exports.onnx_photo import take_photos
from detection.exports.saved_model import OUTPUTS, Outputs
from detection.exports.serving import Serving

NEEDED = ("tf2onnx", "onnx", "onnxruntime")
# The newest set of operators that tf2onnx writes.
OPSET = 18


def missing_packages() -> list[str]:
    """Which of the packages that ONNX takes are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def to_onnx(serving: Serving) -> bytes:
    """The detector as an ONNX model that takes a photo and answers as the SavedModel does.

    In: ``input_tensor`` uint8 ``[1, H, W, 3]``, RGB, any size. Out: see ``Serving.detect``. One
    NonMaxSuppression works within each label: all labels share an anchor's box.
    """
    spec = square_spec(serving)
    of_squares = convert(freeze(serving.detect_squares, spec), spec.name, OUTPUTS)
    return take_photos(of_squares, serving.input_size)


def convert(graph_def: Any, taken: str, given: Sequence[str]) -> bytes:
    """A frozen graph as an ONNX model whose input is called ``taken``, its outputs ``given``."""
    import tf2onnx

    model, _ = tf2onnx.convert.from_graph_def(
        graph_def,
        input_names=[f"{taken}:0"],
        output_names=[f"{name}:0" for name in given],
        opset=OPSET,
    )
    _rename(model.graph, {f"{name}:0": name for name in (taken, *given)})
    return bytes(model.SerializeToString())


def _rename(graph: object, names: dict[str, str]) -> None:
    """Take TensorFlow's ``:0`` off the inputs and outputs of an ONNX graph."""
    for value in [*graph.input, *graph.output]:  # type: ignore[attr-defined]
        value.name = names.get(value.name, value.name)
    for node in graph.node:  # type: ignore[attr-defined]
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


class OnnxPictures:
    """An ONNX model on the disk that takes whole pictures and answers by the API's names."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(path.read_bytes(), providers=providers)

    def __call__(self, picture: NDArray[np.uint8]) -> Outputs:
        """The four outputs for a picture ``[H, W, 3]``, without their batch dimension."""
        found = self._session.run(OUTPUTS, {"input_tensor": picture[None]})
        return {name: value[0] for name, value in zip(OUTPUTS, found, strict=True)}
