"""Inception v2 (Szegedy et al. 2015, with batch norm: Ioffe & Szegedy 2015), as TF-Slim builds it.

The first stage runs up to Mixed_4e (stride 16), the second, Mixed_5a to Mixed_5c, on each crop.
A layer's name is its TF1 scope with dots for slashes, so that the variable map needs no table.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras

NORM_EPSILON = 1e-3
MIN_DEPTH = 16
STEM_MULTIPLIER = 8


@dataclass(frozen=True)
class Mixed:
    """The channels of one inception module.

    ``pointwise``: branch 0's 1x1. ``single``: branch 1's 1x1, 3x3. ``double``: branch 2's 1x1, 3x3,
    3x3. ``pooled``: branch 3's 1x1 after the pool. ``pool``: "average" or "max".
    """

    pointwise: int
    single: tuple[int, int]
    double: tuple[int, int, int]
    pooled: int
    pool: str = "average"


@dataclass(frozen=True)
class Reduction:
    """An inception module that halves the size: a 3x3 branch, a double 3x3 branch, a max pool."""

    single: tuple[int, int]
    double: tuple[int, int, int]


FIRST_STAGE: dict[str, Mixed | Reduction] = {
    "Mixed_3b": Mixed(64, (64, 64), (64, 96, 96), 32),
    "Mixed_3c": Mixed(64, (64, 96), (64, 96, 96), 64),
    "Mixed_4a": Reduction((128, 160), (64, 96, 96)),
    "Mixed_4b": Mixed(224, (64, 96), (96, 128, 128), 128),
    "Mixed_4c": Mixed(192, (96, 128), (96, 128, 128), 128),
    "Mixed_4d": Mixed(160, (128, 160), (128, 160, 160), 96),
    "Mixed_4e": Mixed(96, (128, 192), (160, 192, 192), 96),
}
SECOND_STAGE: dict[str, Mixed | Reduction] = {
    "Mixed_5a": Reduction((128, 192), (192, 256, 256)),
    "Mixed_5b": Mixed(352, (192, 320), (160, 224, 224), 128),
    "Mixed_5c": Mixed(352, (192, 320), (192, 224, 224), 128, pool="max"),
}


class Extractor:
    """Builds the two halves of the network below the TF1 scope ``scope``."""

    def __init__(self, scope: str, width: float = 1.0) -> None:
        self._scope, self._width = scope, width

    def first_stage(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """``[B, H, W, 3]`` in -1..1 to features ``[B, H/16, W/16, 576]`` (rounded up)."""
        x = self._stem(image)
        x = self._max_pool(x, 2, "MaxPool_2a_3x3")
        x = self._convolution(x, 64, 1, "Conv2d_2b_1x1")
        x = self._convolution(x, 192, 3, "Conv2d_2c_3x3")
        x = self._max_pool(x, 2, "MaxPool_3a_3x3")
        return self._modules(x, FIRST_STAGE)

    def second_stage(self, crops: keras.KerasTensor) -> keras.KerasTensor:
        """Crops ``[N, S, S, 576]`` to features ``[N, S/2, S/2, 1024]`` (rounded up)."""
        return self._modules(crops, SECOND_STAGE)

    def _modules(
        self, x: keras.KerasTensor, modules: dict[str, Mixed | Reduction]
    ) -> keras.KerasTensor:
        for name, module in modules.items():
            if isinstance(module, Mixed):
                x = self._mixed(x, module, name)
            else:
                x = self._reduction(x, module, name)
        return x

    def _mixed(self, x: keras.KerasTensor, module: Mixed, name: str) -> keras.KerasTensor:
        if module.pool == "max":
            pooled = self._max_pool(x, 1, f"{name}.Branch_3.MaxPool_0a_3x3")
        else:
            pooled = keras.layers.AveragePooling2D(
                3, 1, "same", name=self._name(f"{name}.Branch_3.AvgPool_0a_3x3")
            )(x)
        branches = [
            self._convolution(x, module.pointwise, 1, f"{name}.Branch_0.Conv2d_0a_1x1"),
            self._chain(x, module.single, f"{name}.Branch_1", ("0a_1x1", "0b_3x3")),
            self._chain(x, module.double, f"{name}.Branch_2", ("0a_1x1", "0b_3x3", "0c_3x3")),
            self._convolution(pooled, module.pooled, 1, f"{name}.Branch_3.Conv2d_0b_1x1"),
        ]
        return keras.layers.Concatenate(name=self._name(name))(branches)

    def _reduction(self, x: keras.KerasTensor, module: Reduction, name: str) -> keras.KerasTensor:
        branches = [
            self._chain(x, module.single, f"{name}.Branch_0", ("0a_1x1", "1a_3x3")),
            self._chain(x, module.double, f"{name}.Branch_1", ("0a_1x1", "0b_3x3", "1a_3x3")),
            self._max_pool(x, 2, f"{name}.Branch_2.MaxPool_1a_3x3"),
        ]
        return keras.layers.Concatenate(name=self._name(name))(branches)

    def _chain(
        self, x: keras.KerasTensor, depths: tuple[int, ...], branch: str, parts: tuple[str, ...]
    ) -> keras.KerasTensor:
        """Convolutions one after another; a part named 1a halves the size."""
        for depth, part in zip(depths, parts, strict=True):
            kernel = int(part[-1])
            stride = 2 if part.startswith("1a") else 1
            x = self._convolution(x, depth, kernel, f"{branch}.Conv2d_{part}", stride)
        return x

    def _stem(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The separable 7x7: a depthwise kernel of 8 channels a colour, then 1x1; no activation
        between them."""
        depth = self._depth(64)
        x = keras.layers.SeparableConv2D(
            depth,
            7,
            strides=2,
            padding="same",
            depth_multiplier=min(depth // 3, STEM_MULTIPLIER),
            use_bias=False,
            name=self._name("Conv2d_1a_7x7"),
        )(image)
        return self._norm_relu(x, "Conv2d_1a_7x7")

    def _convolution(
        self, x: keras.KerasTensor, depth: int, kernel: int, name: str, stride: int = 1
    ) -> keras.KerasTensor:
        x = keras.layers.Conv2D(
            self._depth(depth),
            kernel,
            strides=stride,
            padding="same",
            use_bias=False,
            name=self._name(name),
        )(x)
        return self._norm_relu(x, name)

    def _norm_relu(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        x = keras.layers.BatchNormalization(
            epsilon=NORM_EPSILON, name=self._name(f"{name}.BatchNorm")
        )(x)
        return keras.layers.ReLU(name=self._name(f"{name}.Relu"))(x)

    def _max_pool(self, x: keras.KerasTensor, stride: int, name: str) -> keras.KerasTensor:
        return keras.layers.MaxPooling2D(3, stride, "same", name=self._name(name))(x)

    def _depth(self, depth: int) -> int:
        return max(int(depth * self._width), MIN_DEPTH)

    def _name(self, name: str) -> str:
        return f"{self._scope}.InceptionV2.{name}"
