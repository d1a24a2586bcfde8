"""3 x 3 convolutions of small maps by Winograd's minimal filtering (Lavin & Gray 2016, section 4).

A tile of 4 x 4 outputs takes 36 multiplications a pair of channels, where the sum of products
takes 144. On the second stage's maps of 7 x 7 and 4 x 4 that is less than half of the CPU time. The
points of interpolation are 0, 2/3, -2/3, 3/2, -3/2 and infinity: with them float32 errs about as
much as the plain convolution does; with the usual 0, 1, -1, 2, -2 it errs three times as much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

TILE, KERNEL = 4, 3
REACH = TILE + KERNEL - 1
POINTS = (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)
# Above, padding the map to whole tiles and the transforms' memory take what is gained.
LARGEST_SIDE = 8
Matrix = NDArray[np.floating[Any]]


def convolve_by_winograd(model: keras.Model) -> int:
    """Change how the 3 x 3 convolutions of small square maps are computed; returns how many.

    Weights, names and what is saved of ``model`` stay as they are. For detection in float32: a
    layer that computes in another type is left alone.
    """
    layers = [layer for layer in model.layers if _is_fitting(layer)]
    for layer in layers:
        layer.call = _filtering(layer)
    return len(layers)


def _is_fitting(layer: keras.Layer) -> bool:
    if type(layer) is not keras.layers.Conv2D or layer.use_bias or layer.padding != "same":
        return False
    height, width = layer.input.shape[1:3]
    return (
        layer.kernel_size == (KERNEL, KERNEL)
        and layer.strides == layer.dilation_rate == (1, 1)
        and layer.groups == 1
        and layer.compute_dtype == "float32"
        and height is not None
        and height == width <= LARGEST_SIDE
    )


def _filtering(layer: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    side = int(layer.input.shape[1])

    def call(inputs: tf.Tensor) -> tf.Tensor:
        return filtered(inputs, tf.convert_to_tensor(layer.kernel.value), side)

    return call


def filtered(maps: tf.Tensor, kernel: tf.Tensor, side: int) -> tf.Tensor:
    """``maps`` ``[N, side, side, C]`` convolved with ``kernel`` ``[3, 3, C, D]``, padding "same".

    Returns ``[N, side, side, D]``. The three transforms are matrix products over positions.
    """
    channels, filters = kernel.shape[2:]
    pixels, points, positions = side * side, REACH * REACH, len(_tiles(side)) ** 2
    from_map, from_kernel, to_map = (tf.constant(m, tf.float32) for m in _transforms(side))
    x = tf.transpose(tf.reshape(maps, [-1, pixels, channels]), [1, 0, 2])
    x = tf.matmul(from_map, tf.reshape(x, [pixels, -1]))
    weights = tf.matmul(from_kernel, tf.reshape(kernel, [KERNEL * KERNEL, -1]))
    weights = tf.reshape(weights, [points, channels, filters])
    x = tf.matmul(tf.reshape(x, [points, -1, channels]), weights)
    x = tf.matmul(to_map, tf.reshape(x, [points * positions, -1]))
    x = tf.transpose(tf.reshape(x, [pixels, -1, filters]), [1, 0, 2])
    return tf.reshape(x, [-1, side, side, filters])


def _transforms(side: int) -> tuple[Matrix, Matrix, Matrix]:
    """Matrices from pixels to points, from a kernel to points, from points back to pixels.

    ``[36 * T, side * side]``, ``[36, 9]`` and ``[side * side, 36 * T]`` for T tiles, a point's
    tiles together: of one dimension each, Kronecker's product with itself.
    """
    data, kernel, result = _one_dimension()
    tiles = _tiles(side)
    forth = np.zeros((len(tiles), REACH, side))
    back = np.zeros((side, len(tiles), REACH))
    for number, start in enumerate(tiles):
        for offset in range(REACH):
            if 0 <= start - 1 + offset < side:
                forth[number, :, start - 1 + offset] = data[:, offset]
        rows = slice(start, min(start + TILE, side))
        back[rows, number] = result[: rows.stop - rows.start]
    forth_both = np.einsum("tiy,sjx->ijtsyx", forth, forth)
    back_both = np.einsum("yti,xsj->yxijts", back, back)
    return (
        forth_both.reshape(-1, side * side),
        np.kron(kernel, kernel),
        back_both.reshape(side * side, -1),
    )


def _tiles(side: int) -> range:
    return range(0, side, TILE)


def _one_dimension() -> tuple[Matrix, Matrix, Matrix]:
    """``B^T`` ``[6, 6]``, ``G`` ``[6, 3]`` and ``A^T`` ``[4, 6]`` of F(4, 3) by Toom and Cook.

    A row for each point: the polynomial's value there, at infinity its highest coefficient. Rows
    of ``B^T`` and ``G`` are scaled against each other to like sums, so that neither rounds more.
    """

    def values(degree: int) -> Matrix:
        finite = np.vander(POINTS, degree, increasing=True)
        return np.vstack([finite, np.eye(degree)[-1:]])

    data, kernel = np.linalg.inv(values(REACH)).T, values(KERNEL)
    scale = np.sqrt(np.abs(data).sum(axis=1) / np.abs(kernel).sum(axis=1))[:, None]
    return data / scale, kernel * scale, values(TILE).T
