"""What the exporters ask of a trained detector, whatever its architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf

from detection.label_map import LabelMap

Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Serving:
    """A trained model, and how it detects, as TensorFlow functions that can be traced.

    Attributes:
        input_size: the side S in pixels of the square that ``candidates`` takes.
        iou_threshold: of the suppression within each label.
        detect: pictures, uint8 ``[B, H, W, 3]``, RGB, any size, to the Object Detection API's
            outputs, float32: ``detection_boxes`` ``[B, N, 4]`` (ymin, xmin, ymax, xmax, relative,
            clipped), ``detection_scores`` and ``detection_classes`` ``[B, N]`` (the label map's
            ids), ``num_detections`` ``[B]``; best first, padded with zeros.
        detect_squares: the same of pictures that are stretched to the square, float32
            ``[B, S, S, 3]``, RGB 0..255.
        candidates: a picture that is stretched to the square, float32 ``[1, S, S, 3]``, RGB
            0..255, to what stands before suppression: ``scores`` ``[1, A, C]`` in 0..1 and
            ``boxes`` ``[1, A, 4]`` (xmin, ymin, xmax, ymax, relative, not clipped).
    """

    model: keras.Model
    label_map: LabelMap
    input_size: int
    iou_threshold: float
    detect: Callable[[tf.Tensor], Tensors]
    detect_squares: Callable[[tf.Tensor], Tensors]
    candidates: Callable[[tf.Tensor], Tensors]
