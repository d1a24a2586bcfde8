"""TFRecord files as a dataset to convert, and datasets written as TFRecord files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from detection.boxes import clean_boxes, turn_boxes
from detection.formats.dataset import (
    LABEL_MAP_NAME,
    NO_SPLIT,
    Dataset,
    DatasetError,
    DatasetItem,
    WriteReport,
)
from detection.formats.example_wire import Example, ExampleError
from detection.formats.tfrecord import (
    RecordWriter,
    count_records,
    decode_example,
    encode_example,
    read_records,
    record_paths,
)
from detection.images import ImageRefused, check_decodes, probe_image, upright_jpeg_bytes
from detection.label_map import (
    LabelMap,
    LabelMapItem,
    LabelNameError,
    clean_label_name,
    read_label_map,
    write_label_map,
)
from detection.names import base_name, layout_key, visible
from detection.splits import SPLITS
from detection.types import Box, LabelledImage, Problem

IMAGES_A_SHARD = 500

Say = Callable[[Problem], None]


def read_dataset(source: Path, label_map: LabelMap | None, say: Say) -> Dataset:
    """Open a record file, a folder of them, or a prefix of shards.

    A file's split is the word train, val or test in its name, else ``data``.

    Args:
        label_map: else ``*label_map.pbtxt`` beside the records, else read from the records' own
            ``class/label`` and ``class/text``.

    Raises:
        DatasetError, RecordError, LabelMapError, FileNotFoundError: the data cannot be used.
    """
    paths = record_paths(source)
    if label_map is None:
        own = sorted(paths[0].parent.glob(f"*{LABEL_MAP_NAME}"))
        label_map = read_label_map(own[0]) if len(own) == 1 else _label_map_in(paths)
    by_split: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_split[_split_in(path.name)].append(path)
    sizes = {split: sum(map(count_records, files)) for split, files in by_split.items()}
    known = label_map

    def read(say: Say) -> Iterator[DatasetItem]:
        for split, files in by_split.items():
            for path in files:
                for number, example in enumerate(read_records(path), 1):
                    where = f"{path.name}, record {number}"
                    item = _read_item(example, where, split, known, say)
                    if item is not None:
                        yield item

    return Dataset(label_map, sizes, read)


def _split_in(file_name: str) -> str:
    words = re.split(r"[^a-z]+", file_name.lower())
    spellings = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}
    found = [spellings.get(word, word) for word in words]
    return next((split for split in SPLITS if split in found), NO_SPLIT)


def _label_map_in(paths: list[Path]) -> LabelMap:
    """Labels as the records themselves number them."""
    names: dict[int, str] = {}
    for path in paths:
        for example in read_records(path):
            ids = example.ints("image/object/class/label")
            texts = example.bytes_list("image/object/class/text")
            for class_id, text in zip(ids, texts, strict=False):
                name = text.decode("utf-8", "replace")
                if names.setdefault(class_id, name) != name:
                    raise DatasetError(
                        f"{path.name}: the class id {class_id} means "
                        f"{visible(names[class_id], 60)!r} and {visible(name, 60)!r}. "
                        "Give the label map."
                    )
    try:
        return LabelMap(
            tuple(LabelMapItem(number, clean_label_name(name)) for number, name in names.items())
        )
    except (LabelNameError, ValueError) as error:
        raise DatasetError(f"{paths[0].name}: {error} Give the label map.") from None


def _read_item(
    example: Example, where: str, split: str, label_map: LabelMap, say: Say
) -> DatasetItem | None:
    """One image with valid boxes, or None where it was refused, which is said."""
    try:
        data = example.one_bytes("image/encoded")
        facts = probe_image(data)
        check_decodes(data)
        picture, picture_format = upright_jpeg_bytes(data)
        # Boxes are relative, so that the picture's own size is the one that counts.
        stored_width, stored_height = facts.stored_size
        example["image/width"], example["image/height"] = [stored_width], [stored_height]
        image, _, _ = decode_example(example, label_map)
    except (ExampleError, ImageRefused, UnicodeDecodeError) as error:
        say(Problem(where, f"{error} Left out.", "refused"))
        return None
    if facts.orientation != 1:
        # The API's readers know no EXIF: its boxes are in the frame before the turn.
        turned = turn_boxes(
            [box.xyxy for box in image.boxes], stored_width, stored_height, facts.orientation
        )
        image = _moved(image, turned.tolist(), facts.width, facts.height)
    boxes, problems = clean_boxes(
        _known(image.boxes, label_map, where, say), facts.width, facts.height, where
    )
    for problem in problems:
        say(problem)
    return DatasetItem(replace(image, boxes=boxes), picture, picture_format, split)


def _moved(
    image: LabelledImage, boxes_xyxy: list[list[float]], width: int, height: int
) -> LabelledImage:
    boxes = tuple(
        replace(box, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)
        for box, (xmin, ymin, xmax, ymax) in zip(image.boxes, boxes_xyxy, strict=True)
    )
    return replace(image, width=width, height=height, boxes=boxes)


def _known(boxes: tuple[Box, ...], label_map: LabelMap, where: str, say: Say) -> list[Box]:
    for label in sorted({box.label for box in boxes} - label_map.by_name.keys()):
        words = f"The label map has no {visible(label, 60)!r}; its boxes of it were left out."
        say(Problem(where, words, "refused"))
    return [box for box in boxes if box.label in label_map.by_name]


def write_dataset(
    dataset: Dataset, target: Path, report: WriteReport, on_progress: Callable[[int], None]
) -> None:
    """Write ``target``/SPLIT-00000-of-0000N, in shards of about 500 images, and the label map.

    A record's filename is the image's own, without folders, as the API writes it; where two
    images share one, it is the path.
    """
    target.mkdir(parents=True, exist_ok=True)
    path = target / LABEL_MAP_NAME
    path.write_text(write_label_map(dataset.label_map), encoding="utf-8")
    report.files.append(path)
    items = dataset.read(report.problems.append)
    item = next(items, None)
    names = _RecordNames()
    for split, size in dataset.split_sizes.items():
        num_shards = max(1, -(-size // IMAGES_A_SHARD))
        with RecordWriter(target / split, num_shards) as writer:
            while item is not None and item.split == split:
                image = replace(item.image, name=names.name_for(item.image.name))
                writer.write(
                    encode_example(image, item.picture, item.picture_format, dataset.label_map)
                )
                report.count(item)
                on_progress(report.num_images)
                item = next(items, None)
        report.files += writer.paths


class _RecordNames:
    """The first image of a file name keeps it bare; the next ones of that name keep folders."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name_for(self, name: str) -> str:
        spellings = chain(
            [base_name(name) or name, layout_key(name), name],
            (f"{name} ({number})" for number in count(2)),
        )
        chosen = next(spelling for spelling in spellings if spelling not in self._taken)
        self._taken.add(chosen)
        return chosen
