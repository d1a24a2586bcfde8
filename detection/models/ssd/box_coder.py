"""SSD's box code: a box as offsets from its anchor (Ren et al. 2015, eq. 2, with SSD's scales).

``ty = 10 (cy - cy_a) / h_a``, ``th = 5 log(h / h_a)``, and so for x: the order is ty, tx, th, tw,
as in the TensorFlow Object Detection API's FasterRcnnBoxCoder.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

CENTRE_SCALE = 10.0
SIZE_SCALE = 5.0
MAX_LOG_RATIO = 4.0  # keeps exp() finite when an untrained or diverging head answers


def encode(
    boxes_rel_xyxy: NDArray[np.float32], anchors_cxcywh: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Codes ``[N, 4]`` (ty, tx, th, tw) of ``boxes[N, 4]``, each against its ``anchors[N, 4]``."""
    centres = (boxes_rel_xyxy[:, :2] + boxes_rel_xyxy[:, 2:]) / 2
    sizes = boxes_rel_xyxy[:, 2:] - boxes_rel_xyxy[:, :2]
    shift = CENTRE_SCALE * (centres - anchors_cxcywh[:, :2]) / anchors_cxcywh[:, 2:]
    stretch = SIZE_SCALE * np.log(sizes / anchors_cxcywh[:, 2:])
    return np.concatenate([shift[:, ::-1], stretch[:, ::-1]], axis=1).astype(np.float32)


def decode(box_codes: tf.Tensor, anchors_cxcywh: tf.Tensor) -> tf.Tensor:
    """Relative ``xmin, ymin, xmax, ymax`` of codes ``[..., A, 4]`` on ``anchors[A, 4]``.

    Differentiable, and not clipped to the image.
    """
    # Slices and no tf.unstack: LiteRT's quantiser would round the codes to 8 bits there.
    ty, tx, th, tw = (box_codes[..., index] for index in range(4))
    anchor_cx, anchor_cy, anchor_w, anchor_h = tf.unstack(anchors_cxcywh, axis=-1)
    cx = tx * (anchor_w / CENTRE_SCALE) + anchor_cx
    cy = ty * (anchor_h / CENTRE_SCALE) + anchor_cy
    half_w = tf.exp(tf.minimum(tw / SIZE_SCALE, MAX_LOG_RATIO)) * (anchor_w / 2)
    half_h = tf.exp(tf.minimum(th / SIZE_SCALE, MAX_LOG_RATIO)) * (anchor_h / 2)
    return tf.stack([cx - half_w, cy - half_h, cx + half_w, cy + half_h], axis=-1)
