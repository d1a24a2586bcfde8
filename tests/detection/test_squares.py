"""The square that a model sees."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from detection import squares

pytest.importorskip("cykooz_resizer")


@pytest.mark.parametrize(
    ("height", "width", "side"), [(480, 640, 300), (31, 77, 64), (64, 64, 64), (1, 900, 33)]
)
def test_both_ways_give_the_same_square(height: int, width: int, side: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    simd, pillow = squares._by_simd(picture, side), squares._by_pillow(picture, side)
    assert simd.shape == (side, side, 3)
    # Both round to a whole number after each direction.
    assert np.abs(simd.astype(int) - pillow).max() <= 2


def test_a_view_of_a_larger_picture_is_seen_as_it_is() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    view = picture[10:50:2, ::-1]
    np.testing.assert_array_equal(squares.squared(view, 24), squares.squared(view.copy(), 24))


def test_without_simd_pillow_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (50, 40, 3), np.uint8)
    monkeypatch.setattr(squares, "HAS_SIMD", False)
    wanted = Image.fromarray(picture).resize((30, 30), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(squares.squared(picture, 30), np.asarray(wanted))
