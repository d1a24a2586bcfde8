"""Leave out channels that the run's own pictures do not need, before they are learnt from.

Inside each block of MobileNetV2, between its depthwise convolution and its projection, channels
are chosen greedily by how much less of the projection's output is lost with them, and the
projection is fitted anew to those that are kept, by least squares (ThiNet, Luo et al. 2017; He et
al. 2017, "Channel Pruning for Accelerating Very Deep Neural Networks"). A base knows 80 kinds of
things; photos of one kind need a good part of its channels less, and training and detecting take
as much less time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.models.ssd.backbone import STEM, STRIDE_16_BLOCK, block_name, published_widths

# The share of the variance of a projection's output that may be lost.
MOST_LOST = 0.02
# A few pictures do not show all that a detector will see.
LEAST_SHARE = 0.5
# CPUs multiply 16 channels at once; more of them cost nothing up to there.
CHANNEL_STEP = 16
# Pictures to look at, cropped and coloured as they are in training.
PICTURES = 128
# Pixels of a map for each of its channels: of fewer, least squares would learn the noise.
LEAST_SAMPLES_A_CHANNEL, MOST_SAMPLES_A_CHANNEL = 8, 64
_LEAST_VARIANCE = 1e-7

# The head of stride 16 sees this block's channels itself.
_PRUNED = [name for name in published_widths() if name != block_name(STRIDE_16_BLOCK)]

Moments = tuple[NDArray[np.float64], NDArray[np.float64]]
Weights = dict[str, list[NDArray[np.float32]]]


def prune(
    model: keras.Model, images: Iterable[tf.Tensor], most_lost: float = MOST_LOST
) -> tuple[dict[str, int], Weights]:
    """Which channels of ``model`` can go, seen from ``images``: batches ``[B, S, S, 3]``, -1..1.

    ``model`` is a `build_detector` of the published widths. A block of which the images show too
    few pixels to tell stays whole.

    Returns the ``widths`` for `build_detector` (of the blocks that become thinner) and the weights
    of the layers that change with them, by the layers' names. All others keep theirs.
    """
    widths: dict[str, int] = {}
    weights: Weights = {}
    for block, (mean, covariance) in _moments(model, images).items():
        kernel, bias = model.get_layer(f"{block}_project").get_weights()
        projection = kernel[0, 0].astype(np.float64)
        kept = choose_channels(covariance, projection, most_lost)
        if len(kept) == len(covariance):
            continue
        refitted, offset = refit(covariance, mean, projection, kept)
        widths[block] = len(kept)
        weights[f"{block}_project"] = [
            refitted[None, None].astype(np.float32),
            (bias + offset).astype(np.float32),
        ]
        depthwise, shift = model.get_layer(f"{block}_depthwise").get_weights()
        weights[f"{block}_depthwise"] = [depthwise[:, :, kept], shift[kept]]
        expand = STEM if block == block_name(0) else f"{block}_expand"
        kernel, bias = model.get_layer(expand).get_weights()
        weights[expand] = [kernel[..., kept], bias[kept]]
    return widths, weights


def widths_in(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The ``widths`` of a detector whose weights, by their paths, have these ``shapes``."""
    kernels = {block: f"{block}_depthwise/kernel" for block in _PRUNED}
    return {block: shapes[path][2] for block, path in kernels.items() if path in shapes}


def widths_of(model: keras.Model) -> dict[str, int]:
    """The ``widths`` that `build_detector` needs to make another one like ``model``."""
    return widths_in({weight.path: tuple(weight.shape) for weight in model.weights})


def share_kept(model: keras.Model) -> float:
    """Of the channels that pruning may leave out of a base, those that ``model`` has."""
    published, widths = published_widths(), widths_of(model)
    return sum(widths.values()) / sum(published[name] for name in widths)


def choose_channels(
    covariance: NDArray[np.float64],
    projection: NDArray[np.float64],
    most_lost: float = MOST_LOST,
    least_share: float = LEAST_SHARE,
) -> NDArray[np.int64]:
    """The channels to keep, in order, so that ``projection`` can be fitted to them.

    ``covariance`` is that of the C channels, ``[C, C]``; ``projection`` takes them to the outputs,
    ``[C, out]``. Each step takes the channel that explains most of what is missing of the outputs'
    variance, until ``most_lost`` of it at most is, ``least_share`` of the channels are kept, and
    their number is a multiple of 16.
    """
    channels = len(covariance)
    variance = covariance.diagonal().copy()  # what the chosen ones do not explain of each channel
    floor = _negligible(covariance)
    missing = covariance @ projection  # the same of its covariance with the outputs
    total = lost = float((projection * missing).sum())
    is_chosen = np.zeros(channels, bool)
    # Cholesky's factor of the chosen channels, whose columns come one by one.
    factor = np.empty((channels, channels))
    steps = 0
    for count in range(channels):
        enough = lost <= most_lost * total and count >= least_share * channels
        if enough and count % CHANNEL_STEP == 0:
            break
        told = (missing**2).sum(axis=1) / np.maximum(variance, floor)
        told[is_chosen | (variance <= floor)] = -1.0
        best = int(told.argmax())
        if told[best] < 0:
            # The others are sums of those chosen, or constant: any will do to fill up.
            is_chosen[np.flatnonzero(~is_chosen)[0]] = True
            continue
        is_chosen[best] = True
        lost -= float(told[best])
        column = covariance[:, best] - factor[:, :steps] @ factor[best, :steps]
        column /= math.sqrt(variance[best])
        factor[:, steps] = column
        steps += 1
        variance -= column**2
        missing -= np.outer(column, column @ projection)
    return np.flatnonzero(is_chosen)


def refit(
    covariance: NDArray[np.float64],
    mean: NDArray[np.float64],
    projection: NDArray[np.float64],
    kept: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The projection ``[kept, out]`` from ``kept`` channels that is nearest to the whole one's.

    And what to add to its bias, ``[out]``: the outputs' means stay as they are.
    """
    among = covariance[np.ix_(kept, kept)]
    # A trace of the identity: channels that are sums of others have no single best weights.
    among = among + _negligible(among) * np.eye(len(kept))
    refitted = np.linalg.solve(among, covariance[kept] @ projection).astype(np.float64)
    return refitted, mean @ projection - mean[kept] @ refitted


def _negligible(covariance: NDArray[np.float64]) -> float:
    """A variance that is rounding beside the largest, of which no channel can be told."""
    return max(_LEAST_VARIANCE * float(covariance.diagonal().max()), np.finfo(np.float64).tiny)


def _moments(model: keras.Model, images: Iterable[tf.Tensor]) -> dict[str, Moments]:
    """Mean ``[C]`` and covariance ``[C, C]`` of each block's channels before its projection."""
    probe = keras.Model(
        model.input, [model.get_layer(f"{block}_depthwise_relu").output for block in _PRUNED]
    )
    # Neighbours on a large map tell the same: so many pixels apart they are enough.
    apart = [
        max(1, math.isqrt(PICTURES * height * width // (MOST_SAMPLES_A_CHANNEL * channels)))
        for _, height, width, channels in (output.shape for output in probe.outputs)
    ]

    @tf.function(reduce_retracing=True, autograph=False)
    def sums(batch: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        found = []
        for features, each in zip(probe(batch, training=False), apart, strict=True):
            features = features[:, ::each, ::each]
            values = tf.reshape(tf.cast(features, tf.float32), [-1, features.shape[-1]])
            products = tf.matmul(values, values, transpose_a=True)
            found.append((tf.reduce_sum(values, axis=0), products))
        return found

    totals: list[Any] = [(0.0, 0.0)] * len(_PRUNED)
    seen = 0
    for batch in images:
        seen += len(batch)
        totals = [
            (total + more.numpy().astype(np.float64), products + again.numpy().astype(np.float64))
            for (total, products), (more, again) in zip(totals, sums(batch), strict=True)
        ]
    found = {}
    for block, output, each, (total, products) in zip(
        _PRUNED, probe.outputs, apart, totals, strict=True
    ):
        _, height, width, channels = output.shape
        count = seen * -(-height // each) * -(-width // each)
        if count >= LEAST_SAMPLES_A_CHANNEL * channels:
            mean = total / count
            found[block] = (mean, products / count - np.outer(mean, mean))
    return found
