"""A run's data: its label map and its records, decoded once; and what speaks against training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from detection.exports.samples import MOST_SAMPLES, Sample, samples_of_files
from detection.formats.tfrecord import record_paths
from detection.label_map import LabelMap, LabelMapError, read_label_map
from detection.near_duplicates import find_near_pairs, perceptual_hash
from detection.picture_cache import BOX, CachedSplit, cache_split
from detection.records import read_examples
from detection.training.settings import TrainingError
from detection.types import Box, LabelledImage

# Training pictures are kept larger than the input, for crops magnify.
CROP_RESERVE = 1.28


@dataclass(frozen=True)
class RunData:
    """What a run learns from and is judged by. ``val`` is None where there is none."""

    label_map: LabelMap
    train: CachedSplit
    val: CachedSplit | None
    train_paths: list[Path]
    val_paths: list[Path]

    def val_truth(self) -> list[LabelledImage]:
        """The val images' ground truth, in pixels."""
        return ground_truth(self.val, self.label_map) if self.val is not None else []

    def fingerprint(self) -> str:
        """A hash of labels, images and boxes: what tells one run's data from another's."""
        digest = hashlib.sha256()
        for item in self.label_map:
            digest.update(f"{item.id} {item.name}\n".encode())
        for split in (self.train, self.val):
            if split is None:
                continue
            digest.update("\n".join([*split.names, ""]).encode())
            for array in (split.sizes, split.boxes_rel_xyxy, split.classes, split.kinds):
                digest.update(array.tobytes())
        return digest.hexdigest()

    @property
    def num_val(self) -> int:
        return self.val.num_images if self.val is not None else 0

    @property
    def num_samples(self) -> int:
        """How many `samples` there are, at most."""
        return min(self.num_val or self.train.num_images, MOST_SAMPLES)

    def near_duplicates(self) -> list[tuple[str, str]]:
        """Names of pictures, one of train and one of val each, that show almost the same."""
        if self.val is None:
            return []
        hashes = [
            perceptual_hash(Image.fromarray(pixels))
            for split in (self.train, self.val)
            for pixels in split.pixels
        ]
        learnt = self.train.num_images
        return [
            (self.train.names[pair.first], self.val.names[pair.second - learnt])
            for pair in find_near_pairs(hashes)
            if pair.first < learnt <= pair.second
        ]

    def samples(self) -> list[Sample]:
        """Some whole pictures and their boxes, of val (of train without one): to try exports on."""
        return samples_of_files(self.val_paths or self.train_paths, self.label_map)


def load_data(
    records: Path,
    label_map_path: Path,
    cache: Path,
    input_size: int,
    on_picture: Callable[[], None] = lambda: None,
) -> RunData:
    """Read `records`/{train,val}-* and the label map. Raises TrainingError in words.

    ``on_picture`` is called after each picture; what it raises ends the reading.
    """
    try:
        label_map = read_label_map(label_map_path)
    except (LabelMapError, OSError) as error:
        raise TrainingError(f"The label map cannot be read: {error}") from error
    if not len(label_map):
        raise TrainingError("The label map is empty, so there is nothing to learn.")
    train_paths = _paths(records / "train")
    if not train_paths:
        raise TrainingError(
            f"{records}: there are no train records. Give the folder that has them."
        )
    val_paths = _paths(records / "val")
    side = round(CROP_RESERVE * input_size)
    try:
        train = cache_split(train_paths, label_map, side, cache / "train.npy", on_picture)
        val = None
        if val_paths:
            val = cache_split(val_paths, label_map, input_size, cache / "val.npy", on_picture)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    _refuse_untrainable(train)
    return RunData(label_map, train, val, train_paths, val_paths)


def _paths(prefix: Path) -> list[Path]:
    try:
        return record_paths(prefix)
    except FileNotFoundError:
        return []


def _refuse_untrainable(train: CachedSplit) -> None:
    if not train.num_images:
        raise TrainingError("There is no image to learn from. Give at least one with a box.")
    if not train.kinds[..., BOX].any():
        raise TrainingError(
            "No training image has a box to learn (difficult ones do not count). Draw some first."
        )


def relative_sides(records: Path) -> Iterator[tuple[int, float]]:
    """Of each train box its class id and the root of its share of the picture's area.

    For `choose_input_size`. Raises TrainingError.
    """
    try:
        for example in read_examples(_paths(records / "train")):
            spans = example.boxes_rel_xyxy[:, 2:] - example.boxes_rel_xyxy[:, :2]
            learnt = ~example.ignored
            sides = np.sqrt(spans.prod(axis=1))[learnt].tolist()
            yield from zip(example.class_ids[learnt].tolist(), sides, strict=True)
    except ValueError as error:
        raise TrainingError(str(error)) from error


def remarks(data: RunData, near: Sequence[tuple[str, str]] = ()) -> list[str]:
    """What one should know before a long training, in sentences."""
    found = []
    if data.train.num_images == 1:
        found.append("There is one image to learn from only: others will hardly be recognised.")
    learnt = data.train.kinds[..., BOX] > 0
    counts = np.bincount(data.train.classes[learnt], minlength=len(data.label_map))
    without = [name for name, count in zip(data.label_map.names, counts, strict=True) if not count]
    if without:
        found.append(f"No training box has the label {', '.join(without)}: it cannot be learnt.")
    if data.val is None or not data.val.num_images:
        found.append("There are no validation images, so there will be no score: the last is kept.")
        return found
    judged = data.val.kinds[..., BOX] > 0
    if judged.sum() < 50:
        boxes = int(judged.sum())
        noun = "box" if boxes == 1 else "boxes"
        found.append(f"The score rests on {boxes} validation {noun} only; take it with care.")
    val_counts = np.bincount(data.val.classes[judged], minlength=len(data.label_map))
    unjudged = [
        name
        for name, learnt_boxes, val_boxes in zip(
            data.label_map.names, counts, val_counts, strict=True
        )
        if learnt_boxes and not val_boxes
    ]
    if unjudged:
        found.append(f"No validation box has the label {', '.join(unjudged)}: it is not judged.")
    if near:
        pairs = f"{len(near)} pair{'s' if len(near) > 1 else ''} of train and val pictures"
        found.append(
            f"{pairs} show almost the same, such as {near[0][0]} and {near[0][1]}. The score is "
            "better than it will be on new photos."
        )
    return found


def ground_truth(split: CachedSplit, label_map: LabelMap) -> list[LabelledImage]:
    """A cached split's boxes in pixels; ignored ones are marked difficult."""
    images = []
    for row, name in enumerate(split.names):
        width, height = (int(value) for value in split.sizes[row])
        scale = np.array([width, height, width, height], np.float32)
        boxes = []
        for column in range(split.max_boxes):
            is_box, is_ignored = split.kinds[row, column]
            if is_box or is_ignored:
                xmin, ymin, xmax, ymax = (split.boxes_rel_xyxy[row, column] * scale).tolist()
                label = label_map.items[int(split.classes[row, column])].name
                boxes.append(Box(label, xmin, ymin, xmax, ymax, difficult=bool(is_ignored)))
        images.append(LabelledImage(name, width, height, tuple(boxes)))
    return images
