"""Both readings of a crop that ends at the feature map's edge.

A crop's last sample lies at y1 (H-1) + (y2-y1) (H-1), computed by parts. Where the box ends at the
picture's edge that is H-1 but for the last bit: on the one side of it crop_and_resize reads the
map's last row, on the other a zero from beyond. Both are right, and which one a machine takes is
decided by the last bit of the box's other edge. Here the samples are placed in float64, and each
reading is worked out by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.models.faster_rcnn.detector import CODE_SIZE, FasterRcnn

# The relative box is a product with a reciprocal, and crop_and_resize subtracts, multiplies,
# divides, multiplies twice and adds: nine roundings of values up to H-1, half a unit in the last
# place each. Of a share of the picture that is:
ROUNDING = 9 * 2.0**-24
# Whether the bottom row and the right column are read as zeros from beyond the map.
READINGS = tuple(product((False, True), repeat=2))
Array = NDArray[np.floating[Any]]


def ends_at_the_edge(boxes_rel_yxyx: Array) -> NDArray[np.bool_]:
    """Whether the bottom and the right side of ``[N, 4]`` is undecided: ``[N, 2]``."""
    return np.abs(boxes_rel_yxyx[:, 2:].astype(np.float64) - 1.0) <= ROUNDING


@dataclass(frozen=True)
class Answers:
    """Of N proposals: ``codes`` ``[N, C, 4]`` and ``logits`` ``[N, 1 + C]``."""

    codes: Array
    logits: Array

    @staticmethod
    def of(outputs: dict[str, tf.Tensor], row: int = 0) -> Answers:
        """Of ``FasterRcnn.classify`` or ``predict_boxes``, for one picture of the batch."""
        return Answers(outputs["box_codes"].numpy()[row], outputs["class_logits"].numpy()[row])

    def differences(self, others: Answers) -> Array:
        """Of each proposal the largest difference, relative to the largest value: ``[N]``."""
        found = []
        for mine, theirs in ((self.codes, others.codes), (self.logits, others.logits)):
            far = np.abs(mine - theirs).reshape(len(mine), -1).max(axis=1)
            found.append(far / np.abs(theirs).max())
        return np.maximum(*found)


@dataclass(frozen=True)
class Readings:
    """The second stage's answers by each of ``READINGS``; where nothing is undecided, the same."""

    undecided: NDArray[np.bool_]  # [N, 2]: bottom, right
    each: tuple[Answers, ...]

    @staticmethod
    def of(
        model: FasterRcnn, features: Array, boxes_rel_yxyx: Array, undecided: NDArray[np.bool_]
    ) -> Readings:
        """``features`` ``[H, W, channels]`` of one picture, ``boxes_rel_yxyx`` ``[N, 4]``."""
        crops = crops_of(features, boxes_rel_yxyx, model.config.crop_size)
        plain = answers_to(model, crops)
        each = []
        for reading in READINGS:
            beyond = undecided & np.array(reading)
            rows = np.flatnonzero(beyond.any(axis=1))
            changed = crops[rows]
            changed[beyond[rows, 0], -1] = 0.0
            changed[beyond[rows, 1], :, -1] = 0.0
            codes, logits = plain.codes.copy(), plain.logits.copy()
            if len(rows):
                others = answers_to(model, changed)
                codes[rows], logits[rows] = others.codes, others.logits
            each.append(Answers(codes, logits))
        return Readings(undecided, tuple(each))

    def taken_by(self, answers: Answers) -> tuple[NDArray[np.int64], Array]:
        """Which reading each of ``answers`` is nearest to ``[N]``, and how far it is from it."""
        far = np.stack([answers.differences(one) for one in self.each])
        return far.argmin(axis=0), far.min(axis=0)

    def chosen(self, choice: NDArray[np.int64]) -> Answers:
        """The answers with reading ``choice[n]`` of proposal n."""
        rows = np.arange(len(choice))
        codes = np.stack([one.codes for one in self.each])
        logits = np.stack([one.logits for one in self.each])
        return Answers(codes[choice, rows], logits[choice, rows])


def answers_to(model: FasterRcnn, crops: Array) -> Answers:
    """The second stage's answers to ``[N, S, S, channels]``, pooled first."""
    kernel, stride = model.config.pool_kernel, model.config.pool_stride
    pooled = tf.nn.max_pool2d(tf.constant(crops, tf.float32), kernel, stride, "VALID")
    outputs = model.second_stage(pooled, training=False)
    codes = outputs["box_codes"].numpy().reshape(len(crops), -1, CODE_SIZE)
    return Answers(codes, outputs["class_logits"].numpy())


def crops_of(features: Array, boxes_rel_yxyx: Array, size: int) -> Array:
    """Bilinear samples in each box: ``[N, size, size, channels]``, none from beyond the map."""
    height, width, channels = features.shape
    share = np.linspace(0.0, 1.0, size)
    crops = np.empty((len(boxes_rel_yxyx), size, size, channels), np.float32)
    for number, (top, left, bottom, right) in enumerate(boxes_rel_yxyx.astype(np.float64)):
        row, below = whole_and_part((top + share * (bottom - top)) * (height - 1), height)
        column, beside = whole_and_part((left + share * (right - left)) * (width - 1), width)
        below, beside = below[:, None, None], beside[None, :, None]
        rows = features[row] * (1 - below) + features[row + 1] * below
        crops[number] = rows[:, column] * (1 - beside) + rows[:, column + 1] * beside
    return crops


def whole_and_part(positions: Array, cells: int) -> tuple[NDArray[np.int64], Array]:
    """The cell before each position, of those that have a next one, and how far beyond it."""
    positions = np.clip(positions, 0.0, cells - 1.0)
    whole = np.minimum(positions.astype(np.int64), cells - 2)
    return whole, positions - whole
