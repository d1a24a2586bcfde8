"""AdamW (Loshchilov & Hutter 2019) over all of a model's weights as one vector.

Optimizers that keep their state variable by variable add thousands of small operations to the
training graph of a model with hundreds of variables: seconds to build, and a tenth of each step.
"""

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
        self._variables = list(variables)
        self._sizes = [int(np.prod(variable.shape)) for variable in self._variables]
        mask = np.repeat(np.array(decayed, np.float32), self._sizes)
        self._decay = tf.constant(mask * weight_decay)
        self._clip_norm = clip_norm
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.first_moment = tf.Variable(tf.zeros([sum(self._sizes)]), trainable=False)
        self.second_moment = tf.Variable(tf.zeros([sum(self._sizes)]), trainable=False)

    def apply(self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """Take one step along ``gradients``, which are in the order of the variables."""
        gradient = flatten(gradients)
        norm = tf.norm(gradient)
        gradient *= self._clip_norm / tf.maximum(norm, self._clip_norm)
        step = tf.cast(self.step.assign_add(1), tf.float32)
        first = self.first_moment.assign(BETA_1 * self.first_moment + (1.0 - BETA_1) * gradient)
        second = self.second_moment.assign(
            BETA_2 * self.second_moment + (1.0 - BETA_2) * gradient * gradient
        )
        mean = first / (1.0 - BETA_1**step)
        spread = tf.sqrt(second / (1.0 - BETA_2**step)) + EPSILON
        weights = flatten(self._variables)
        weights -= learning_rate * (mean / spread + self._decay * weights)
        for variable, values in zip(self._variables, tf.split(weights, self._sizes), strict=True):
            variable.assign(tf.reshape(values, variable.shape))

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything that the next step depends on."""
        return {
            "step": self.step.numpy(),
            "first_moment": self.first_moment.numpy(),
            "second_moment": self.second_moment.numpy(),
        }

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take up ``state`` again. Raises KeyError or ValueError when it is another model's."""
        self.step.assign(state["step"])
        self.first_moment.assign(state["first_moment"])
        self.second_moment.assign(state["second_moment"])


def flatten(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """All values of ``tensors`` in one vector."""
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)
