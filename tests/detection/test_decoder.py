"""The decoding child: the pictures that it makes, and those that it leaves as they are."""

import io

import numpy as np
import pytest
from PIL import Image

from detection.decoder import Decoder, Size, decode_picture
from detection.images import ImageRefused, encode_jpeg

SIZES = (Size(2048, 85), Size(480, 80, min_side=320))


def photo(width: int, height: int, quality: int = 75) -> bytes:
    ramp = np.linspace(0, 255, width * height * 3).reshape(height, width, 3)
    return encode_jpeg(Image.fromarray(ramp.astype(np.uint8)), quality)


def sizes_of(pictures: tuple[bytes, ...]) -> list[tuple[int, int]]:
    return [Image.open(io.BytesIO(picture)).size for picture in pictures]


@pytest.mark.parametrize(("width", "thumbnail"), [(640, 320), (800, 400), (600, 480), (300, 300)])
def test_a_light_jpeg_is_its_own_preview(width: int, thumbnail: int) -> None:
    data = photo(width, width // 4 * 3)
    found = decode_picture(data, SIZES, 10**8)
    assert found.pictures[0] is data
    assert sizes_of(found.pictures)[1][0] == thumbnail
    assert (found.width, found.height) == (width, width // 4 * 3)


def test_the_child_does_the_same() -> None:
    decoder = Decoder()
    try:
        for data in (photo(640, 480), photo(2400, 600)):
            assert decoder.decode(data, SIZES) == decode_picture(data, SIZES, 10**8)
        with pytest.raises(ImageRefused, match="cut short: it ends after about"):
            decoder.decode(photo(640, 480)[:-400], SIZES)
    finally:
        decoder.close()
