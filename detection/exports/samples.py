"""The real images that exports are tried on: of a run's records, or of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.formats.tfrecord import record_paths
from detection.images import ImageRefused, open_upright
from detection.label_map import LabelMap
from detection.records import RecordExample, read_examples
from detection.types import Box, LabelledImage

Picture = NDArray[np.uint8]
# Enough to see a fault, and quick: the trained model takes about 50 ms for one.
MOST_SAMPLES = 50
PHOTO_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


@dataclass(frozen=True)
class Sample:
    """A whole upright picture, uint8 ``[H, W, 3]``, RGB, and its boxes where they are known."""

    picture: Picture
    truth: LabelledImage | None = None


def samples_of_records(
    folder: Path, label_map: LabelMap, splits: Sequence[str] = ("val", "train"), most: int = 0
) -> list[Sample]:
    """Up to ``most`` images of `folder`/SPLIT-*, of the first split that has any."""
    for split in splits:
        try:
            paths = record_paths(folder / split)
        except FileNotFoundError:
            continue
        found = samples_of_files(paths, label_map, most)
        if found:
            return found
    return []


def samples_of_files(paths: Sequence[Path], label_map: LabelMap, most: int = 0) -> list[Sample]:
    """Up to ``most`` images of record files, in their order."""
    return list(_first(paths, label_map, most or MOST_SAMPLES))


def samples_of_folder(folder: Path, most: int = MOST_SAMPLES) -> list[Sample]:
    """Photos below ``folder``, spread evenly over their names; those that cannot be read are
    passed over."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_ENDINGS)
    found = []
    for path in paths[:: max(1, len(paths) // most)][:most]:
        try:
            found.append(Sample(np.asarray(open_upright(path))))
        except (ImageRefused, OSError):
            continue
    return found


def _first(paths: Sequence[Path], label_map: LabelMap, most: int) -> Iterator[Sample]:
    for number, example in enumerate(read_examples(paths)):
        if number == most:
            return
        yield Sample(np.asarray(open_upright(example.encoded)), _truth(example, label_map))


def _truth(example: RecordExample, label_map: LabelMap) -> LabelledImage:
    scale = np.array([example.width, example.height] * 2, np.float32)
    rows = zip(
        (example.boxes_rel_xyxy * scale).tolist(),
        example.class_ids.tolist(),
        example.ignored.tolist(),
        strict=True,
    )
    boxes = tuple(
        Box(label_map.by_id[class_id].name, xmin, ymin, xmax, ymax, difficult=ignored)
        for (xmin, ymin, xmax, ymax), class_id, ignored in rows
        if class_id in label_map.by_id
    )
    return LabelledImage(example.name, example.width, example.height, boxes)
