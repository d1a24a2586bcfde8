"""A dataset on its way from one format to another: what every reader gives and writer takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detection.label_map import LabelMap
from detection.types import LabelledImage, Problem

LABEL_MAP_NAME = "label_map.pbtxt"
# The split of images that a dataset puts in none.
NO_SPLIT = "data"


class DatasetError(ValueError):
    """Data that cannot be used as a whole; the message names it, and the way out."""


@dataclass(frozen=True, slots=True)
class DatasetItem:
    """One image on its way: its boxes, its encoded upright picture (jpeg or png), its split."""

    image: LabelledImage
    picture: bytes
    picture_format: str
    split: str


@dataclass(frozen=True)
class Dataset:
    """Images that are read one by one as they are asked for.

    Attributes:
        label_map: holds every label of every box.
        split_sizes: how many images each split has, before any is refused.
        read: starts a reading from the first image; what is noticed, mended or refused is said
            to its argument.
    """

    label_map: LabelMap
    split_sizes: Mapping[str, int]
    read: Callable[[Callable[[Problem], None]], Iterator[DatasetItem]]

    @property
    def num_images(self) -> int:
        return sum(self.split_sizes.values())


@dataclass
class WriteReport:
    """What was written: images by split, boxes, files in order; and what was said on the way."""

    images: Counter[str] = field(default_factory=Counter)
    boxes: int = 0
    files: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def num_images(self) -> int:
        return sum(self.images.values())

    def count(self, item: DatasetItem) -> None:
        """Count one written image."""
        self.images[item.split] += 1
        self.boxes += len(item.image.boxes)
