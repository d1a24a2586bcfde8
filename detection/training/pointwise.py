"""Let 1 x 1 convolutions learn as matrix products, which takes CPUs less time.

A 1 x 1 convolution is a matrix product over all pixels. TensorFlow's gradients of matrix products
run at up to twice the speed of those of convolutions (the weights' gradient above all), and a ReLU6
after it can be part of it. What is computed is the same, but for rounding; weights, names and what
is saved of the model stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def learn_by_matrix_products(model: keras.Model) -> int:
    """Change how the trainable 1 x 1 convolutions of ``model`` are computed; returns how many.

    A ReLU6 right after a convolution is taken into it. Copies of the model
    (``keras.models.clone_model``) and exports have ordinary layers again.
    """
    relus = {
        id(layer.input): layer
        for layer in model.layers
        if isinstance(layer, keras.layers.ReLU) and layer.max_value == 6.0
    }
    changed = 0
    for layer in model.layers:
        if not _is_pointwise(layer) or not layer.trainable:
            continue
        relu = relus.get(id(layer.output))
        layer.call = _product(layer, relu6=relu is not None)
        if relu is not None:
            relu.call = lambda inputs: inputs
        changed += 1
    return changed


def _is_pointwise(layer: keras.Layer) -> bool:
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (1, 1)
        and layer.strides == (1, 1)
        and layer.use_bias
    )


def _product(layer: Any, *, relu6: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    def call(inputs: tf.Tensor) -> tf.Tensor:
        kernel = tf.convert_to_tensor(layer.kernel.value)
        channels, filters = kernel.shape[2], kernel.shape[3]
        pixels = tf.reshape(inputs, [-1, channels])
        product = tf.matmul(pixels, tf.reshape(kernel, [channels, filters]))
        product = tf.nn.bias_add(product, tf.convert_to_tensor(layer.bias.value))
        if relu6:
            product = tf.nn.relu6(product)
        return tf.reshape(product, [-1, inputs.shape[1], inputs.shape[2], filters])

    return call
