"""A dataset on its way from one format to another: what every reader gives and writer takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detection.label_map import LabelMap
from detection.types import LabelledImage, Problem

LABEL_MAP_NAME = "label_map.pbtxt"
# The split of images that a dataset puts in none.
NO_SPLIT = "data"


class DatasetError(ValueError):
    """Data that cannot be used as a whole; the message names it, and the way out."""


@dataclass(frozen=True, slots=True)
class DatasetItem:
    """One image on its way: its boxes, its encoded upright picture (jpeg or png), its split.

    ``picture`` is empty where pictures were not asked for. ``original`` is the file as it came,
    where that is not ``picture``. ``bundle`` is what only Boxloop's own bundle holds.
    """

    image: LabelledImage
    picture: bytes
    picture_format: str
    split: str
    original: bytes | None = None
    bundle: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Dataset:
    """Images that are read one by one as they are asked for.

    Attributes:
        label_map: holds every label of every box.
        split_sizes: how many images each split has, before any is refused.
        read: starts a reading from the first image; what is noticed, mended or refused is said
            to its argument.
        bundle: what only Boxloop's own bundle holds of the set as a whole.
    """

    label_map: LabelMap
    split_sizes: Mapping[str, int]
    read: Callable[[Callable[[Problem], None]], Iterator[DatasetItem]]
    bundle: Mapping[str, Any] | None = None

    @property
    def num_images(self) -> int:
        return sum(self.split_sizes.values())


MAX_PROBLEMS = 20_000
# What a format may be unable to keep, in words.
_FEATURES = {
    "difficult": "the mark “difficult”",
    "truncated": "the mark “truncated”",
    "crowd": "the mark “crowd”",
    "pose": "the pose",
}


class Problems(list[Problem]):
    """Problems as they are said; past ``MAX_PROBLEMS`` they are only counted, by severity."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def append(self, problem: Problem) -> None:
        self.counts[problem.severity] += 1
        if len(self) < MAX_PROBLEMS:
            super().append(problem)


@dataclass
class WriteReport:
    """What was written: images by split, boxes, files in order; and what was said on the way."""

    images: Counter[str] = field(default_factory=Counter)
    boxes: int = 0
    negatives: int = 0
    files: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=Problems)
    features: Counter[str] = field(default_factory=Counter)

    @property
    def num_images(self) -> int:
        return sum(self.images.values())

    def count(self, item: DatasetItem) -> None:
        """Count one written image."""
        boxes = item.image.boxes
        self.images[item.split] += 1
        self.boxes += len(boxes)
        self.negatives += not boxes
        for box in boxes:
            for feature in ("difficult", "truncated", "crowd"):
                self.features[feature] += getattr(box, feature)
            self.features["pose"] += box.pose != "Unspecified"

    def losses(self, holds: Collection[str]) -> list[str]:
        """Sentences about what was there and a format that ``holds`` these cannot keep."""
        return [
            f"{words[0].upper()}{words[1:]} of {self.features[feature]:,} "
            f"{'box' if self.features[feature] == 1 else 'boxes'} cannot be kept in this format."
            for feature, words in _FEATURES.items()
            if self.features[feature] and feature not in holds
        ]
