"""ONNX, by tf2onnx; run by ONNX Runtime. All three packages are optional."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.exports.litert import OUTPUTS, candidates_graph
from detection.exports.saved_model import OUTPUTS as API_OUTPUTS
from detection.exports.saved_model import Outputs
from detection.exports.serving import Serving

NEEDED = ("tf2onnx", "onnx", "onnxruntime")
# The newest set of operators that tf2onnx writes.
OPSET = 18
Square = NDArray[np.uint8]


def missing_packages() -> list[str]:
    """Which of the packages that ONNX takes are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def to_onnx(serving: Serving) -> bytes:
    """The detector as an ONNX model, with the names of the LiteRT form.

    In: ``image`` float32 ``[1, S, S, 3]``, RGB 0..255. Out: ``scores`` ``[1, A, C]`` and ``boxes``
    ``[1, A, 4]``. Resize and suppression are the caller's: ONNX has no resize that filters as the
    trained model's does.
    """
    return convert(candidates_graph(serving), "image", OUTPUTS)


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


def onnx_candidates(model: bytes) -> Callable[[Square], dict[str, NDArray[np.float32]]]:
    """Run an ONNX model on squares: ``scores[A, C]`` and ``boxes[A, 4]``."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def run(square: Square) -> dict[str, NDArray[np.float32]]:
        found = session.run(OUTPUTS, {"image": square[None].astype(np.float32)})
        return {name: value[0] for name, value in zip(OUTPUTS, found, strict=True)}

    return run


class OnnxPictures:
    """An ONNX model on the disk that takes whole pictures and answers by the API's names."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(path.read_bytes(), providers=providers)

    def __call__(self, picture: NDArray[np.uint8]) -> Outputs:
        """The four outputs for a picture ``[H, W, 3]``, without their batch dimension."""
        found = self._session.run(API_OUTPUTS, {"input_tensor": picture[None]})
        return {name: value[0] for name, value in zip(API_OUTPUTS, found, strict=True)}
