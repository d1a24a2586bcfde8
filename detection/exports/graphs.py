"""From a TensorFlow function to a graph without variables, whose inputs and outputs keep names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

Tensors = dict[str, tf.Tensor]


def freeze(function: Callable[[tf.Tensor], Mapping[str, tf.Tensor]], spec: tf.TensorSpec) -> Any:
    """The GraphDef of ``function``: weights as constants, one placeholder named ``spec.name``.

    Each output is the tensor ``NAME:0``, where NAME is its key in what ``function`` returns.
    """

    def named(given: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.identity(value, name=name) for name, value in function(given).items()}

    traced = tf.function(named, input_signature=[spec]).get_concrete_function()
    return convert_variables_to_constants_v2(traced).graph.as_graph_def()


def as_module(graph_def: Any, spec: tf.TensorSpec, outputs: list[str]) -> tf.Module:
    """A module whose ``serve`` runs the frozen graph: takes ``spec.name``, gives ``outputs``."""

    def serve(given: tf.Tensor) -> Tensors:
        found = tf.graph_util.import_graph_def(
            graph_def,
            input_map={f"{spec.name}:0": given},
            return_elements=[f"{name}:0" for name in outputs],
        )
        return dict(zip(outputs, found, strict=True))

    module = tf.Module()
    module.serve = tf.function(serve, input_signature=[spec])
    return module
