"""A balanced random sample of positives and negatives (Ren et al. 2015, section 3.1.3).

As the API's BalancedPositiveNegativeSampler: at most a share of the sample is positive, and
negatives fill what is left. The draw follows from a seed, so that a resumed run equals one that
was never cut off.
"""

from __future__ import annotations

import tensorflow as tf


def sample(
    positive: tf.Tensor, negative: tf.Tensor, size: int, positive_share: float, seed: tf.Tensor
) -> tf.Tensor:
    """Which of ``positive`` and ``negative`` ``[B, N]`` are drawn: bool ``[B, N]``.

    Up to ``size`` a picture, of which up to ``positive_share`` positive; ``seed`` ``[2]`` int.
    """
    draw = tf.random.stateless_uniform(tf.shape(positive), seed)
    most = int(size * positive_share)
    drawn = _first(positive, draw, tf.fill([tf.shape(positive)[0]], most))
    count = tf.reduce_sum(tf.cast(drawn, tf.int32), axis=1)
    return drawn | _first(negative, draw, size - count)


def _first(allowed: tf.Tensor, draw: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """The ``count`` ``[B]`` allowed ones with the highest draw."""
    order = tf.argsort(tf.where(allowed, draw, -1.0), axis=1, direction="DESCENDING", stable=True)
    rank = tf.argsort(order, axis=1, stable=True)
    return allowed & (rank < count[:, None])
