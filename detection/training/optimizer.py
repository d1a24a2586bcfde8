"""AdamW (Loshchilov & Hutter 2019), each weight's update in one pass over its memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

BETA_1, BETA_2 = 0.9, 0.999
EPSILON = 1e-7


class AdamW:
    """Updates ``variables``; those in ``decayed`` are also pulled to 0 by ``weight_decay``.

    Gradients are scaled down together where their norm is over ``clip_norm``.
    """

    def __init__(
        self,
        variables: Sequence[tf.Variable],
        decayed: Sequence[bool],
        weight_decay: float,
        clip_norm: float,
    ) -> None:
        self._variables, self._decayed = list(variables), list(decayed)
        self._weight_decay, self._clip_norm = weight_decay, clip_norm
        # Replicas count alike; the first one's count is the one that is kept.
        self.step = tf.Variable(
            0,
            dtype=tf.int64,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self.first_moments = [_zeros(variable) for variable in self._variables]
        self.second_moments = [_zeros(variable) for variable in self._variables]

    def apply(self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """Take one step along ``gradients``, which are in the order of the variables."""
        # Stacked, for tf.add_n adds in no fixed order (see ``step.add_in_order``).
        squares = tf.stack([tf.nn.l2_loss(gradient) for gradient in gradients])
        norm = tf.sqrt(2.0 * tf.reduce_sum(squares))
        scale = self._clip_norm / tf.maximum(norm, self._clip_norm)
        step = tf.cast(self.step.assign_add(1), tf.float32)
        for gradient, variable, decayed, first, second in zip(
            gradients,
            self._variables,
            self._decayed,
            self.first_moments,
            self.second_moments,
            strict=True,
        ):
            if decayed:
                pull_towards(variable, 0.0, learning_rate * self._weight_decay)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=BETA_1**step,
                beta2_power=BETA_2**step,
                lr=learning_rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=gradient * scale,
            )

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything that the next step depends on."""
        return {
            "step": self.step.numpy(),
            "first_moment": flat_values(self.first_moments),
            "second_moment": flat_values(self.second_moments),
        }

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take up ``state`` again. Raises KeyError or ValueError when it is another model's."""
        self.step.assign(state["step"])
        assign_flat(self.first_moments, state["first_moment"])
        assign_flat(self.second_moments, state["second_moment"])


def pull_towards(variable: tf.Variable, target: tf.Tensor | float, share: tf.Tensor) -> None:
    """Move ``variable`` by ``share`` of the way to ``target``."""
    tf.raw_ops.ResourceApplyGradientDescent(
        var=variable.handle, alpha=share, delta=variable.read_value() - target
    )


def flat_values(variables: Sequence[tf.Variable]) -> NDArray[np.generic]:
    """All values of ``variables`` in one vector."""
    return np.concatenate([variable.numpy().ravel() for variable in variables])


def assign_flat(variables: Sequence[tf.Variable], values: NDArray[np.generic]) -> None:
    """Set ``variables`` to what ``flat_values`` gave. Raises ValueError for another length."""
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    if values.shape != (sum(sizes),):
        raise ValueError(f"there are {values.size} values for {sum(sizes)} weights")
    start = 0
    for variable, size in zip(variables, sizes, strict=True):
        variable.assign(values[start : start + size].reshape(variable.shape))
        start += size


def _zeros(variable: tf.Variable) -> tf.Variable:
    return tf.Variable(tf.zeros(variable.shape), trainable=False)
