"""MobileNetV2 (Sandler et al. 2018) with SSDLite's extra feature layers.

Every batch norm of the published weights is already folded into its convolution, so the layers
here are convolution + bias: there is no batch norm left to run in the wrong mode. Layer names
follow the published graph (``expanded_conv_13/expand`` is ``expanded_conv_13_expand``).
"""

from __future__ import annotations

from collections.abc import Mapping

import keras

# (output channels, stride of the first block, repeats); expansion 6, but 1 for the first block.
STAGES = (
    (16, 1, 1),
    (24, 2, 2),
    (32, 2, 3),
    (64, 2, 4),
    (96, 1, 3),
    (160, 2, 3),
    (320, 1, 1),
)
EXPANSION = 6
STEM_CHANNELS = 32
# (channels of the 1x1 squeeze, channels out) of the stride-2 layers that follow the backbone.
EXTRA_LAYERS = ((256, 512), (128, 256), (128, 256), (64, 128))
STRIDE_16_BLOCK = 13
# The stem and the blocks at strides 2 and 4.
EARLY_BLOCKS = ("expanded_conv", "expanded_conv_1", "expanded_conv_2")
STEM = "Conv"
# Its map, at stride 4, is all that the others see of them.
LAST_EARLY_LAYER = "expanded_conv_2_add"


def is_early(layer_name: str) -> bool:
    """Whether the layer sees the image at stride 4 or finer."""
    name = layer_name.removesuffix("_relu")
    return name == STEM or name.rpartition("_")[0] in EARLY_BLOCKS


def block_name(index: int) -> str:
    """The published name of a block: the first has no number."""
    return f"expanded_conv_{index}" if index else "expanded_conv"


def published_widths() -> dict[str, int]:
    """Channels inside each block, before its projection, by the block's name."""
    widths, channels = {block_name(0): STEM_CHANNELS}, STAGES[0][0]
    for filters, _, repeats in STAGES[1:]:
        for _ in range(repeats):
            widths[block_name(len(widths))] = channels * EXPANSION
            channels = filters
    return widths


def _scaled(channels: int, width: float) -> int:
    return channels if width == 1.0 else max(8, int(channels * width + 4) // 8 * 8)


def _convolution(
    x: keras.KerasTensor,
    filters: int,
    name: str,
    *,
    kernel: int = 1,
    stride: int = 1,
    relu: bool = True,
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(filters, kernel, strides=stride, padding="same", name=name)(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def _depthwise(x: keras.KerasTensor, name: str, stride: int = 1) -> keras.KerasTensor:
    x = keras.layers.DepthwiseConv2D(3, strides=stride, padding="same", name=name)(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x)


def _inverted_residual(
    x: keras.KerasTensor, index: int, filters: int, stride: int, expanded_channels: int | None
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """One block; returns its output and its expanded features (after ReLU6)."""
    name = block_name(index)
    channels = x.shape[-1]
    wide = expanded_channels or channels * EXPANSION
    expanded = _convolution(x, wide, f"{name}_expand") if index else x
    y = _depthwise(expanded, f"{name}_depthwise", stride)
    y = _convolution(y, filters, f"{name}_project", relu=False)
    if stride == 1 and channels == filters:
        y = keras.layers.Add(name=f"{name}_add")([x, y])
    return y, expanded


def build_features(
    image: keras.KerasTensor, width: float = 1.0, widths: Mapping[str, int] | None = None
) -> list[keras.KerasTensor]:
    """Six feature maps, strides 16 to 512, of ``image`` ``[batch, S, S, 3]`` in -1..1.

    ``widths`` are the channels inside blocks that have not the published number (see
    ``detection.models.ssd.pruning``), by the block's name. ``width`` scales every other channel
    count; anything but 1.0 is for tests, and takes no weights.
    """
    widths = widths or {}
    # The first block expands nothing: what it sees is the stem's map.
    stem = widths.get(block_name(0), _scaled(STEM_CHANNELS, width))
    x = _convolution(image, stem, STEM, kernel=3, stride=2)
    features: list[keras.KerasTensor] = []
    index = 0
    for filters, first_stride, repeats in STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            inside = widths.get(block_name(index))
            x, expanded = _inverted_residual(x, index, _scaled(filters, width), stride, inside)
            if index == STRIDE_16_BLOCK:
                features.append(expanded)
            index += 1
    x = _convolution(x, _scaled(1280, width), "Conv_1")
    features.append(x)
    for number, (squeeze, filters) in enumerate(EXTRA_LAYERS, start=2):
        squeeze_name = f"layer_19_1_Conv2d_{number}_1x1_{squeeze}"
        name = f"layer_19_2_Conv2d_{number}_3x3_s2_{filters}"
        x = _convolution(x, _scaled(squeeze, width), squeeze_name)
        x = _depthwise(x, f"{name}_depthwise", stride=2)
        x = _convolution(x, _scaled(filters, width), name)
        features.append(x)
    return features
