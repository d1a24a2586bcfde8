"""Perceptual hashes: what counts as the same picture, and what does not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from detection.near_duplicates import (
    HASH_DIGITS,
    NEAR_BITS,
    connected,
    find_near_pairs,
    hash_distance,
    near_groups,
    perceptual_hash,
)


def photo(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture of soft blobs: like a photo, it has most of its energy in low frequencies."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue()))


COPIES = {
    "smaller": lambda picture: picture.resize((100, 75)),
    "larger": lambda picture: picture.resize((640, 480)),
    "low quality": lambda picture: jpeg(picture, 25),
    "brighter": lambda picture: picture.point(lambda value: min(255, int(value * 1.2))),
    "grey": lambda picture: picture.convert("L"),
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_near(change) -> None:
    original = photo(1)
    distance = hash_distance(perceptual_hash(original), perceptual_hash(change(original)))
    assert distance <= NEAR_BITS


@pytest.mark.parametrize("turn", list(Image.Transpose))
def test_a_turned_copy_is_found_only_when_asked_for(turn) -> None:
    hashes = [perceptual_hash(photo(2)), perceptual_hash(photo(2).transpose(turn))]
    assert len(find_near_pairs(hashes)) == 1
    assert find_near_pairs(hashes, turned=False) == []


def test_different_photos_are_far_apart() -> None:
    hashes = [perceptual_hash(photo(seed)) for seed in range(60)]
    assert find_near_pairs(hashes) == []


def test_a_plain_surface_matches_nothing() -> None:
    plain = perceptual_hash(Image.new("RGB", (300, 200), "white"))
    assert plain == ""
    assert find_near_pairs([plain, plain]) == []
    assert hash_distance(plain, plain) == 256


def test_pairs_carry_positions_and_the_exact_distance() -> None:
    base = "0" * HASH_DIGITS
    three = "7" + "0" * (HASH_DIGITS - 1)
    far = "f" * HASH_DIGITS
    pairs = find_near_pairs(["", base, far, three], 3, turned=False)
    assert [(pair.first, pair.second, pair.distance) for pair in pairs] == [(1, 3, 3)]
    assert find_near_pairs([base, three], 2, turned=False) == []


def test_blocks_miss_nothing() -> None:
    rng = np.random.default_rng(3)
    hashes = [rng.bytes(32).hex() for _ in range(1500)]
    hashes[1400] = hashes[7]
    hashes[600] = hashes[599]
    pairs = find_near_pairs(hashes)
    assert {(pair.first, pair.second) for pair in pairs} == {(7, 1400), (599, 600)}


def test_a_copy_of_a_copy_belongs_to_the_group() -> None:
    first, second = "0" * HASH_DIGITS, "f" + "0" * (HASH_DIGITS - 1)
    third = "ff" + "0" * (HASH_DIGITS - 2)
    groups = near_groups({"a": first, "b": second, "x": "a5" * 32, "c": third}, 4, turned=False)
    assert groups == [["a", "b", "c"]]
    assert connected([1, 2, 3, 4], [(3, 1)]) == [[1, 3]]
