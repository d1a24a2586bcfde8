"""What checks want to know of a picture: header, hash of the bytes, perceptual hash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from detection.checks.survey import PictureFacts
from detection.images import MAX_PIXELS, ImageFacts, ImageRefused, open_with_facts, sha256_of
from detection.near_duplicates import perceptual_hash

# A JPEG is decoded no larger than this for its perceptual hash, which looks at 64 x 64.
_HASHED_SIDE = 256
_AHEAD = 64


def facts_of(
    facts: ImageFacts, picture: Image.Image | None, sha256: str, mode: str = ""
) -> PictureFacts:
    """The facts of a picture that is open already; ``picture`` is upright RGB of any size."""
    return PictureFacts(
        facts.width,
        facts.height,
        facts.orientation,
        mode or facts.mode,
        facts.format,
        facts.num_frames,
        sha256,
        perceptual_hash(picture) if picture is not None else "",
    )


def read_picture(source: Path | bytes, max_pixels: int = MAX_PIXELS) -> PictureFacts:
    """Decode a picture and say what it is. Raises ImageRefused where it cannot be taken."""
    try:
        facts, picture = open_with_facts(source, max_pixels, min_side=_HASHED_SIDE)
        return facts_of(facts, picture, sha256_of(source))
    except OSError as error:
        raise ImageRefused(f"It cannot be read ({error.strerror or error}).") from None


def read_pictures(paths: Sequence[Path], threads: int = 2) -> Iterator[PictureFacts | ImageRefused]:
    """The facts of many pictures, in order; for one that cannot be taken, why.

    Decoding runs in threads, a few pictures ahead, so that memory stays flat.
    """

    def read(path: Path) -> PictureFacts | ImageRefused:
        try:
            return read_picture(path)
        except ImageRefused as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), _AHEAD):
            yield from pool.map(read, paths[start : start + _AHEAD])
