"""The SSDLite detector: backbone features, and a box and a class predictor on each of them."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from detection.models.ssd.anchors import ANCHORS_PER_CELL
from detection.models.ssd.backbone import build_features, is_early

PREDICTOR_NORM_MOMENTUM = 0.98
PREDICTOR_NORM_EPSILON = 1e-3
# A new class predictor starts by saying "nothing" (probability 0.018): Lin et al. 2017, 4.1.
NEW_CLASS_BIAS = -4.0


def _predictor(
    features: keras.KerasTensor, outputs: int, name: str, bias: float
) -> keras.KerasTensor:
    """SSDLite's predictor: depthwise 3x3, batch norm, ReLU6, then 1x1."""
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(
        features
    )
    x = keras.layers.BatchNormalization(
        momentum=PREDICTOR_NORM_MOMENTUM, epsilon=PREDICTOR_NORM_EPSILON, name=f"{name}_norm"
    )(x)
    x = keras.layers.ReLU(6.0, name=f"{name}_relu")(x)
    return keras.layers.Conv2D(
        outputs,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=keras.initializers.Constant(bias),
        name=name,
    )(x)


def build_detector(
    num_classes: int,
    input_size: int = 300,
    width: float = 1.0,
    widths: Mapping[str, int] | None = None,
) -> keras.Model:
    """An SSDLite MobileNetV2 for ``num_classes`` labels and square inputs of ``input_size``.

    Input: ``[batch, input_size, input_size, 3]`` float32 RGB in -1..1 (see ``normalise``).
    Outputs, with A anchors in ``make_anchors(input_size)``'s order: ``class_logits``
    ``[batch, A, num_classes]`` (one sigmoid a label; no background) and ``box_codes``
    ``[batch, A, 4]`` (ty, tx, th, tw). Weights are random: see ``detection.models.ssd.weights``.
    """
    image = keras.Input((input_size, input_size, 3), name="image")
    logits, codes = [], []
    for level, features in enumerate(build_features(image, width, widths)):
        anchors = ANCHORS_PER_CELL[level]
        prefix = f"box_predictor_{level}"
        box_codes = _predictor(features, anchors * 4, f"{prefix}_box", 0.0)
        class_logits = _predictor(
            features, anchors * num_classes, f"{prefix}_class", NEW_CLASS_BIAS
        )
        codes.append(keras.layers.Reshape((-1, 4), name=f"{prefix}_box_codes")(box_codes))
        logits.append(
            keras.layers.Reshape((-1, num_classes), name=f"{prefix}_class_logits")(class_logits)
        )
    outputs = {
        "class_logits": keras.layers.Concatenate(axis=1, name="class_logits")(logits),
        "box_codes": keras.layers.Concatenate(axis=1, name="box_codes")(codes),
    }
    return keras.Model(image, outputs, name="ssdlite_mobilenet_v2")


def freeze_early_layers(model: keras.Model) -> None:
    """Fix the layers that see strides 2 and 4 as they are, for fine-tuning.

    They see edges and colours, which are the same in everybody's photos, and training them takes
    a third of each step. Detectron2 fixes the same strides (``FREEZE_AT = 2``).
    """
    for layer in model.layers:
        if is_early(layer.name):
            layer.trainable = False


def freeze_norms(model: keras.Model) -> None:
    """Keep the batch norms' statistics: for batches too small to tell what is normal."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def normalise(images: keras.KerasTensor) -> keras.KerasTensor:
    """Float RGB values 0..255 to the -1..1 that the backbone was trained on."""
    return images * (1.0 / 127.5) - 1.0
