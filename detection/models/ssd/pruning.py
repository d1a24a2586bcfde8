"""Leave out channels that the run's own pictures do not need, before they are learnt from.

Inside each block of MobileNetV2, between its depthwise convolution and its projection, channels
are chosen greedily by how much less of the projection's output is lost with them, and the
projection is fitted anew to those that are kept, by least squares (ThiNet, Luo et al. 2017; He et
al. 2017, "Channel Pruning for Accelerating Very Deep Neural Networks"). A base knows 80 kinds of
things; photos of one kind need a good part of its channels less, and training and detecting take
as much less time.

What was chosen is tried on pictures that were held back: a block stays whole where too few pictures
were seen to tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.models.ssd.backbone import STRIDE_16_BLOCK, block_name, published_widths

# The share of the variance of a projection's output that may be lost on the pictures by which the
# channels are chosen; on those held back so many times as much. A few pictures' noise passes the
# first and not the second.
MOST_LOST, MORE_ON_OTHERS = 0.02, 2.0
# A few pictures do not show all that a detector will see.
LEAST_SHARE = 0.5
# CPUs multiply 16 channels at once; more of them cost nothing up to there.
CHANNEL_STEP = 16
# Pictures to look at, cropped and coloured as they are in training.
PICTURES, BATCH = 128, 8
# Of the pictures, to try the choice on.
HELD_BACK = 0.25
# Pixels of a map for each of its channels: of fewer, least squares would learn the noise.
LEAST_SAMPLES_A_CHANNEL, MOST_SAMPLES_A_CHANNEL = 8, 48
_LEAST_VARIANCE = 1e-7

# The head of stride 16 sees this block's channels itself.
_THINNER = [name for name in published_widths() if name != block_name(STRIDE_16_BLOCK)]
# What varies most after the first convolution is how bright it is. The edges, on which all later
# blocks rest, are a small part of that, and would go: so the first block stays whole.
_PRUNED = [name for name in _THINNER if name != block_name(0)]

Weights = dict[str, list[NDArray[np.float32]]]


@dataclass(frozen=True)
class Moments:
    """Of C channels over ``count`` pixels: their mean ``[C]`` and covariance ``[C, C]``."""

    count: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


def prune(
    model: keras.Model,
    images: Iterable[tf.Tensor],
    held_back: Iterable[tf.Tensor],
    most_lost: float = MOST_LOST,
) -> tuple[dict[str, int], Weights]:
    """Which channels of ``model`` can go, seen from ``images``: batches ``[B, S, S, 3]``, -1..1.

    ``model`` is a `build_detector` of the published widths; ``held_back`` are batches of other
    pictures. A block stays whole of which the images show too few pixels to tell, or whose output
    on those held back is not what it was.

    Returns the ``widths`` for `build_detector` (of the blocks that become thinner) and the weights
    of the layers that change with them, by the layers' names. All others keep theirs.
    """
    widths: dict[str, int] = {}
    weights: Weights = {}
    probe = _Probe(model)
    seen, others = probe.moments(images), probe.moments(held_back)
    for block, moments in seen.items():
        if moments.count < LEAST_SAMPLES_A_CHANNEL * len(moments.mean) or block not in others:
            continue
        kernel, bias = model.get_layer(f"{block}_project").get_weights()
        projection = kernel[0, 0].astype(np.float64)
        kept = choose_channels(moments.covariance, projection, most_lost)
        if len(kept) == len(projection):
            continue
        refitted, offset = refit(moments, projection, kept)
        if lost(others[block], projection, kept, refitted, offset) > MORE_ON_OTHERS * most_lost:
            continue
        widths[block] = len(kept)
        weights[f"{block}_project"] = [
            refitted[None, None].astype(np.float32),
            (bias + offset).astype(np.float32),
        ]
        depthwise, shift = model.get_layer(f"{block}_depthwise").get_weights()
        weights[f"{block}_depthwise"] = [depthwise[:, :, kept], shift[kept]]
        kernel, bias = model.get_layer(f"{block}_expand").get_weights()
        weights[f"{block}_expand"] = [kernel[..., kept], bias[kept]]
    return widths, weights


def widths_in(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The ``widths`` of a detector whose weights, by their paths, have these ``shapes``."""
    kernels = {block: f"{block}_depthwise/kernel" for block in _THINNER}
    return {block: shapes[path][2] for block, path in kernels.items() if path in shapes}


def widths_of(model: keras.Model) -> dict[str, int]:
    """The ``widths`` that `build_detector` needs to make another one like ``model``."""
    return widths_in({weight.path: tuple(weight.shape) for weight in model.weights})


def share_kept(model: keras.Model) -> float:
    """Of the channels that pruning may leave out of a base, those that ``model`` has."""
    published, widths = published_widths(), widths_of(model)
    return sum(widths[name] for name in _PRUNED) / sum(published[name] for name in _PRUNED)


def hold_back(order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The samples ``order`` of pictures to prune by, and those of other pictures to try it on."""
    pictures = order[np.sort(np.unique(order, return_index=True)[1])]
    others = pictures[: math.ceil(HELD_BACK * len(pictures))] if len(pictures) > 1 else pictures[:0]
    is_other = np.isin(order, others)
    return order[~is_other], order[is_other]


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
    their number is a multiple of 16. All are kept where the outputs do not vary: there is nothing
    to choose by.
    """
    channels = len(covariance)
    variance = covariance.diagonal().copy()  # what the chosen ones do not explain of each channel
    floor = _negligible(covariance)
    missing = covariance @ projection  # the same of its covariance with the outputs
    total = lost = float((projection * missing).sum())
    if total <= 0:
        return np.arange(channels)
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
    moments: Moments, projection: NDArray[np.float64], kept: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The projection ``[kept, out]`` from ``kept`` channels that is nearest to the whole one's.

    And what to add to its bias, ``[out]``: the outputs' means stay as they are.
    """
    mean, covariance = moments.mean, moments.covariance
    among = covariance[np.ix_(kept, kept)]
    # A trace of the identity: channels that are sums of others have no single best weights.
    among = among + _negligible(among) * np.eye(len(kept))
    refitted = np.linalg.solve(among, covariance[kept] @ projection).astype(np.float64)
    return refitted, mean @ projection - mean[kept] @ refitted


def lost(
    moments: Moments,
    projection: NDArray[np.float64],
    kept: NDArray[np.int64],
    refitted: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> float:
    """What `refit` loses on pixels of these ``moments``: its mean square error, as a share of the
    variance of the whole projection's outputs."""
    difference = projection.copy()
    difference[kept] -= refitted
    error = float((difference * (moments.covariance @ difference)).sum())
    error += float(((moments.mean @ difference - offset) ** 2).sum())
    variance = float((projection * (moments.covariance @ projection)).sum())
    return error / variance if variance > 0 else math.inf


def _negligible(covariance: NDArray[np.float64]) -> float:
    """A variance that is rounding beside the largest, of which no channel can be told."""
    return max(_LEAST_VARIANCE * float(covariance.diagonal().max()), np.finfo(np.float64).tiny)


class _Probe:
    """Measures each block's channels before its projection."""

    def __init__(self, model: keras.Model) -> None:
        outputs = [model.get_layer(f"{block}_depthwise_relu").output for block in _PRUNED]
        self._probe = keras.Model(model.input, outputs)
        # Neighbours on a large map tell the same: so many pixels apart they are enough.
        self._apart = [
            max(1, math.isqrt(PICTURES * height * width // (MOST_SAMPLES_A_CHANNEL * channels)))
            for _, height, width, channels in (output.shape for output in outputs)
        ]
        self._sums = tf.function(self._measure, reduce_retracing=True, autograph=False)

    def moments(self, images: Iterable[tf.Tensor]) -> dict[str, Moments]:
        """By block; none where there is no image."""
        totals: list[Any] = [(0, 0.0, 0.0)] * len(_PRUNED)
        for batch in images:
            totals = [
                tuple(total + more.numpy() for total, more in zip(before, found, strict=True))
                for before, found in zip(totals, self._sums(batch), strict=True)
            ]
        return {
            block: _moments(int(count), values, products)
            for block, (count, values, products) in zip(_PRUNED, totals, strict=True)
            if count
        }

    def _measure(self, batch: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
        """The number of pixels, the sum of their values and of their products, of each block."""
        found = []
        for features, each in zip(self._probe(batch, training=False), self._apart, strict=True):
            features = features[:, ::each, ::each]
            # In float32 (and less, which GPUs multiply by) the means' squares drown the variances.
            values = tf.reshape(tf.cast(features, tf.float64), [-1, features.shape[-1]])
            products = tf.matmul(values, values, transpose_a=True)
            found.append((tf.shape(values)[0], tf.reduce_sum(values, axis=0), products))
        return found


def _moments(count: int, values: NDArray[np.float64], products: NDArray[np.float64]) -> Moments:
    mean = values / count
    return Moments(count, mean, products / count - np.outer(mean, mean))
