"""The square that an SSD sees: a photo stretched to the model's size, filtered as it shrinks.

By Pillow's bilinear filter, whose support grows with the scale. cykooz-resizer does the same in a
sixth of the time, by SIMD; it rounds its weights to 16 bits, so that a tenth of the values differ
from Pillow's by 1 of 255. Where there is no build of it (Linux on ARM), Pillow does it.
"""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
HAS_SIMD = find_spec("cykooz_resizer") is not None
_of_thread = threading.local()


def squared(picture: Pixels, side: int) -> Pixels:
    """``picture`` ``[H, W, 3]``, RGB, stretched to ``[side, side, 3]``."""
    return _by_simd(picture, side) if HAS_SIMD else _by_pillow(picture, side)


def _by_pillow(picture: Pixels, side: int) -> Pixels:
    image = Image.fromarray(picture)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def _by_simd(picture: Pixels, side: int) -> Pixels:
    from cykooz_resizer import ImageData, PixelType

    height, width = picture.shape[:2]
    resizer, options = _resizer()
    source = ImageData(width, height, PixelType.U8x3, picture.tobytes())
    square = ImageData(side, side, PixelType.U8x3)
    resizer.resize(source, square, options)
    return np.frombuffer(square.get_buffer(), np.uint8).reshape(side, side, 3)


def _resizer() -> tuple[Any, Any]:
    """A thread's own: it keeps its buffers between photos."""
    if not hasattr(_of_thread, "resizer"):
        from cykooz_resizer import FilterType, ResizeAlg, ResizeOptions, Resizer

        bilinear = ResizeAlg.convolution(FilterType.bilinear)
        _of_thread.resizer = Resizer(), ResizeOptions(resize_alg=bilinear)
    found: tuple[Any, Any] = _of_thread.resizer
    return found
