"""A run's pictures as they were given, encoded, in one file beside the run.

Faster R-CNN sees pictures at their own aspect ratio and up to 1024 px; decoded they would fill a
disk, and decoding one takes a hundredth of a training step. Needs no TensorFlow.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.images import open_upright
from detection.picture_cache import CachedSplit
from detection.records import read_examples

# What the split itself keeps decoded: enough to tell near-duplicates.
THUMBNAIL = 64


class EncodedPictures:
    """The encoded pictures of a split, by row; decoded when asked for."""

    def __init__(self, records: Sequence[Path], path: Path) -> None:
        """Copy the pictures of ``records`` to ``path``, in order."""
        self.path = path
        self._ends: list[int] = [0]
        with path.open("wb") as file:
            for example in read_examples(records):
                file.write(example.encoded)
                self._ends.append(self._ends[-1] + len(example.encoded))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        """The picture of that row: ``[H, W, 3]`` RGB, upright."""
        start, end = self._ends[row], self._ends[row + 1]
        with self.path.open("rb") as file:
            file.seek(start)
            encoded = file.read(end - start)
        return np.asarray(open_upright(io.BytesIO(encoded)))


@dataclass
class EncodedSplit(CachedSplit):
    """A split with its pictures encoded; ``pixels`` are thumbnails only."""

    pictures: EncodedPictures

    @staticmethod
    def of(split: CachedSplit, records: Sequence[Path], path: Path) -> EncodedSplit:
        """``split`` with the pictures of the records that it was read from."""
        values = {field.name: getattr(split, field.name) for field in fields(CachedSplit)}
        return EncodedSplit(**values, pictures=EncodedPictures(records, path))
