"""LiteRT: one file that detects in milliseconds on a CPU, in float32, float16 or int8."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.exports.graphs import as_module, freeze
from detection.exports.saved_model import OUTPUTS as API_OUTPUTS
from detection.exports.saved_model import Outputs
from detection.exports.serving import Serving

OUTPUTS = ["scores", "boxes"]
SIGNATURE = "serving_default"
Square = NDArray[np.uint8]
# What multiplies by weights: int8 pays there, and rounding does least harm.
_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}


def square_spec(serving: Serving) -> tf.TensorSpec:
    """The input of ``serving.candidates``, named ``image``."""
    side = serving.input_size
    return tf.TensorSpec([1, side, side, 3], tf.float32, name="image")


def candidates_graph(serving: Serving) -> Any:
    """``serving.candidates`` as a frozen GraphDef: what LiteRT is made of."""
    return freeze(serving.candidates, square_spec(serving))


def to_litert(serving: Serving, graph_def: Any = None) -> bytes:
    """The detector as a float32 flatbuffer with the signature ``serving_default``.

    In: ``image`` float32 ``[1, S, S, 3]``, RGB 0..255, the photo stretched bilinearly to a square.
    Out: ``scores`` ``[1, A, C]`` in 0..1 and ``boxes`` ``[1, A, 4]``, relative ``xmin, ymin, xmax,
    ymax``, not clipped. The suppression is the caller's: it is faster outside.
    """
    return bytes(_converter(serving, graph_def).convert())


def to_litert_float16(serving: Serving) -> bytes:
    """As ``to_litert``, with weights stored in half precision; inputs and outputs stay float32."""
    converter = _converter(serving)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def to_litert_int8(serving: Serving, squares: Sequence[Square]) -> bytes:
    """As ``to_litert``, with int8 weights (one scale a channel) and features.

    Quantised after training (Jacob et al. 2018), calibrated on ``squares``, pictures of the
    model's size. The last convolution of each head and all that follows stay float32: eight bits
    are too few to say where a box is (AP 0.546 with, 0.572 without, on BCCD).

    Raises:
        ValueError: there is no picture to calibrate on.
    """
    if not squares:
        raise ValueError("there is no picture to calibrate on")
    graph_def = candidates_graph(serving)

    def pictures() -> Iterator[list[NDArray[np.float32]]]:
        for square in squares:
            yield [square[None].astype(np.float32)]

    converter = _converter(serving, graph_def)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = pictures
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=pictures,
        debug_options=tf.lite.experimental.QuantizationDebugOptions(
            denylisted_nodes=nodes_beside_features(to_litert(serving, graph_def))
        ),
    )
    return bytes(debugger.get_nondebug_quantized_model())


def nodes_beside_features(litert: bytes) -> list[str]:
    """Names of a flatbuffer's operations before the first weighted one, and from the last ones on.

    The latter are the last weighted operations on the way to each output, and all after them.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # Without delegates, which would hide the operations.
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=litert, experimental_op_resolver_type=plain)
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    operations = interpreter._get_ops_details()
    first = next(n for n, one in enumerate(operations) if one["op_name"] in _WEIGHTED)
    found = [names[int(index)] for one in operations[:first] for index in one["outputs"]]
    feeds_weighted: set[int] = set()
    for operation in reversed(operations):
        inputs = {int(index) for index in operation["inputs"]}
        outputs = [int(index) for index in operation["outputs"]]
        is_before = bool(feeds_weighted.intersection(outputs))
        if not is_before:
            found += [names[index] for index in outputs]
        if is_before or operation["op_name"] in _WEIGHTED:
            feeds_weighted |= inputs
    return found


def _converter(serving: Serving, graph_def: Any = None) -> Any:
    """From the frozen graph: five times as fast as from a Keras model with its variables."""
    spec = square_spec(serving)
    module = as_module(graph_def or candidates_graph(serving), spec, OUTPUTS)
    concrete = module.serve.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)


def litert_candidates(litert: bytes) -> Callable[[Square], dict[str, NDArray[np.float32]]]:
    """Run a flatbuffer on squares: ``scores[A, C]`` and ``boxes[A, 4]``."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=litert)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner(SIGNATURE)

    def run(square: Square) -> dict[str, NDArray[np.float32]]:
        outputs = runner(image=square[None].astype(np.float32))
        return {name: outputs[name][0] for name in OUTPUTS}

    return run


class LitertPictures:
    """A flatbuffer on the disk that takes whole pictures and answers by the API's names."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path))
        self._runner = self._interpreter.get_signature_runner(SIGNATURE)

    def __call__(self, picture: NDArray[np.uint8]) -> Outputs:
        """The four outputs for a picture ``[H, W, 3]``, without their batch dimension."""
        outputs = self._runner(input_tensor=picture[None])
        return {name: outputs[name][0] for name in API_OUTPUTS}
