"""The box code of Ren et al. 2015, eq. 2, scaled by 10 for centres and 5 for sizes.

``ty = 10 (cy - cy_a) / h_a``, ``th = 5 log(h / h_a)``, and so for x; order ty, tx, th, tw: the
API's FasterRcnnBoxCoder. Boxes and anchors are ``ymin, xmin, ymax, xmax`` in any one unit.

Decoding multiplies by the scales' inverse, as TensorFlow's graph optimizer makes the API do: so
the same codes give the same boxes to the last bit (see ``proposals.relative`` for why it counts).
"""

from __future__ import annotations

import tensorflow as tf

CENTRE_SCALE = 10.0
SIZE_SCALE = 5.0
EPSILON = 1e-8


def decode(codes: tf.Tensor, anchors_yxyx: tf.Tensor) -> tf.Tensor:
    """Boxes of ``codes[..., 4]`` on ``anchors[..., 4]``, which broadcast together."""
    ty, tx, th, tw = tf.unstack(codes, axis=-1)
    ymin, xmin, ymax, xmax = tf.unstack(anchors_yxyx, axis=-1)
    anchor_h, anchor_w = ymax - ymin, xmax - xmin
    cy = ty * (1 / CENTRE_SCALE) * anchor_h + (ymin + anchor_h / 2)
    cx = tx * (1 / CENTRE_SCALE) * anchor_w + (xmin + anchor_w / 2)
    half_h = tf.exp(th * (1 / SIZE_SCALE)) * anchor_h / 2
    half_w = tf.exp(tw * (1 / SIZE_SCALE)) * anchor_w / 2
    return tf.stack([cy - half_h, cx - half_w, cy + half_h, cx + half_w], axis=-1)


def encode(boxes_yxyx: tf.Tensor, anchors_yxyx: tf.Tensor) -> tf.Tensor:
    """Codes of ``boxes[..., 4]``, each against its anchor."""
    ymin, xmin, ymax, xmax = tf.unstack(boxes_yxyx, axis=-1)
    aymin, axmin, aymax, axmax = tf.unstack(anchors_yxyx, axis=-1)
    anchor_h, anchor_w = aymax - aymin + EPSILON, axmax - axmin + EPSILON
    height, width = ymax - ymin + EPSILON, xmax - xmin + EPSILON
    shift_y = ((ymin + ymax) - (aymin + aymax)) / 2
    shift_x = ((xmin + xmax) - (axmin + axmax)) / 2
    return tf.stack(
        [
            CENTRE_SCALE * shift_y / anchor_h,
            CENTRE_SCALE * shift_x / anchor_w,
            SIZE_SCALE * tf.math.log(height / anchor_h),
            SIZE_SCALE * tf.math.log(width / anchor_w),
        ],
        axis=-1,
    )
