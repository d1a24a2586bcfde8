"""COCO JSON: one file, or several, with lists of images, of categories and of annotations.

Format: https://cocodataset.org/#format-data. Boxes come from ``bbox``; where it is missing or no
box, from the segmentation, whether polygons or run lengths. Category ids may have gaps and are
kept; where they start at 0, or two files number differently, labels are numbered anew, and that
is said. ``iscrowd`` is kept.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from detection.formats.dataset import Dataset, DatasetError, DatasetItem, WriteReport
from detection.formats.drawn import AnnotationError, Drawn
from detection.formats.files import Files, image_names
from detection.formats.json_stream import JsonStream
from detection.formats.reading import Reading, Say, reading_of_spool
from detection.formats.run_lengths import RunLengthError, bounds_of_run_lengths
from detection.formats.sink import Sink
from detection.formats.spool import Spool
from detection.label_map import LabelMap, LabelMapItem, LabelNameError, clean_label_name
from detection.names import base_name, visible
from detection.splits import split_in
from detection.types import Box, Problem

KEY = "coco"
_ARRAYS = ("images", "annotations", "categories")
_MAX_CATEGORIES = 10_000


def recognise(head: bytes) -> bool:
    """Whether the first bytes of a JSON file look like COCO's."""
    return bool(
        re.match(rb"\s*\xef?\xbb?\xbf?\s*\{", head)
        and re.search(rb'"(images|annotations|categories)"\s*:\s*\[', head)
        and b'"shapes"' not in head
    )


@dataclass
class _Categories:
    """Names by file and category id; ids stay text, as files hold numbers and words."""

    names: dict[str, str] = field(default_factory=dict)
    numbered: dict[str, set[int]] = field(default_factory=dict)

    def label_map(self, say: Say, file: str) -> LabelMap | None:
        if not self.numbered:
            return None
        ids = {name: min(found) for name, found in self.numbered.items()}
        clash = any(len(found) > 1 for found in self.numbered.values())
        if clash or min(ids.values()) < 1 or len(set(ids.values())) < len(ids):
            words = "Category ids start at 0 or differ between files: labels are numbered anew, "
            words += "from 1, in their order."
            say(Problem(file, words, "note"))
            ordered = sorted(ids, key=lambda name: (ids[name], name))
            return LabelMap.from_names(ordered)
        return LabelMap(tuple(LabelMapItem(number, name) for name, number in ids.items()))


def read(files: Files, say: Say, names: Sequence[str]) -> Reading:
    """Index the COCO files ``names``. A file's split is the word train, val or test in its name
    or its folder. Raises DatasetError where none of them can be used."""
    spool, categories = Spool(), _Categories()
    used = 0
    for number, name in enumerate(names):
        try:
            with files.open(name) as stream:
                _read_file(JsonStream(stream, name), f"{number}:", spool, categories, say)
            used += 1
        except AnnotationError as error:
            say(error.problem)
            if len(names) == 1:
                raise DatasetError(str(error)) from None
    if not used:
        raise DatasetError("None of the COCO files can be read.")
    if spool.num_boxes and not categories.names:
        words = f'{names[0]}: it has no "categories", so its boxes have no labels. '
        raise DatasetError(words + 'Add the list, as in [{"id": 1, "name": "cat"}].')
    spool.index()
    for key, count in spool.homeless():
        file_number, _, image_id = key.partition(":")
        words = f'There is no image {visible(image_id, 40)} in "images": {_boxes(count)} left out.'
        say(Problem(names[int(file_number)], words, "refused"))
    nameless = _say_nameless(spool, categories, names, say)

    def drawn(image_name: str, file: str) -> Drawn:
        found = spool.drawn(image_name, file, lambda label: categories.names.get(label, ""))
        if not nameless:
            return found
        kept = [index for index, box in enumerate(found.boxes) if box.label]
        return _only(found, kept)

    label_map = categories.label_map(say, names[0])
    return reading_of_spool(KEY, spool, image_names(files), say, drawn=drawn, label_map=label_map)


def _boxes(count: int) -> str:
    return "its 1 box was" if count == 1 else f"its {count:,} boxes were"


def _only(drawn: Drawn, kept: list[int]) -> Drawn:
    numbers, lines = drawn.numbers or [], drawn.lines or []
    return replace(
        drawn,
        boxes=tuple(drawn.boxes[index] for index in kept),
        numbers=[numbers[index] for index in kept],
        lines=[lines[index] for index in kept],
    )


def _say_nameless(spool: Spool, categories: _Categories, names: Sequence[str], say: Say) -> bool:
    found = False
    for label, count in spool.label_counts().items():
        if label not in categories.names:
            number, _, category = label.partition(":")
            words = f'There is no category {visible(category, 40)} in "categories": '
            words += f"{_boxes(count)} left out. Add it, with its name."
            say(Problem(names[int(number)], words, "refused"))
            found = True
    return found


def _read_file(
    stream: JsonStream, prefix: str, spool: Spool, categories: _Categories, say: Say
) -> None:
    if stream.opening() != "{":
        words = "It is a list: perhaps COCO results (detections), not a data set. "
        words += 'A data set has "images", "annotations" and "categories".'
        raise AnnotationError(stream.file, words)
    split = split_in(stream.file)
    seen: set[str] = set()
    counts = {"images": 0, "annotations": 0, "categories": 0}
    for key, value in stream.members(_ARRAYS):
        if key not in counts:
            continue
        seen.add(key)
        counts[key] += 1
        if not isinstance(value, dict):
            words = f'Element {counts[key]} of "{key}" is no object. Left out.'
            say(Problem(stream.file, words, "refused", stream.line))
        elif key == "images":
            _read_image(value, counts[key], prefix, split, stream, spool, say)
        elif key == "annotations":
            _read_annotation(value, counts[key], prefix, stream, spool, say)
        else:
            _read_category(value, counts[key], prefix, stream, categories, say)
    if not counts["images"]:
        raise AnnotationError(stream.file, 'It has no "images", so it is no COCO data set.')


def _id(value: object) -> str | None:
    """An id as text: 7, "7" and 7.0 are one."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value == int(value) else None
    if isinstance(value, int):
        return str(value)
    return value.strip()[:100] if isinstance(value, str) and value.strip() else None


def _read_image(
    value: dict[str, Any], number: int, prefix: str, split: str, stream: JsonStream, spool: Spool,
    say: Say,
) -> None:  # fmt: skip
    image_id, name = _id(value.get("id")), value.get("file_name")
    if image_id is None or not isinstance(name, str) or not base_name(name.strip()):
        lacks = "id" if image_id is None else "file_name"
        words = f'Element {number} of "images" has no usable "{lacks}". Left out.'
        say(Problem(stream.file, words, "refused", stream.line))
        return
    width, height = _size(value.get("width")), _size(value.get("height"))
    added = spool.add_image(prefix + image_id, name[:1024], stream.file, width, height, split=split)
    if not added:
        words = f'The image id {visible(image_id, 40)} is there twice in "images"; the first '
        words += f"was taken, {visible(name, 80)} left out."
        say(Problem(stream.file, words, "refused", stream.line))


def _size(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and 0 < number < 1e6 else None


def _number(value: object) -> float | None:
    """A finite number, also where it is written as text."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _read_category(
    value: dict[str, Any], number: int, prefix: str, stream: JsonStream, categories: _Categories,
    say: Say,
) -> None:  # fmt: skip
    category_id, name = _id(value.get("id")), value.get("name")
    try:
        if category_id is None:
            raise LabelNameError("It has no id.")
        label = clean_label_name(name if isinstance(name, str) else "")
    except LabelNameError as error:
        words = f'Element {number} of "categories": {error} Left out.'
        say(Problem(stream.file, words, "refused", stream.line))
        return
    if number > _MAX_CATEGORIES:
        raise AnnotationError(stream.file, f"It has over {_MAX_CATEGORIES:,} categories.")
    categories.names[prefix + category_id] = label
    counted = category_id.isascii() and category_id.isdigit() and len(category_id) < 10
    categories.numbered.setdefault(label, set()).add(int(category_id) if counted else 0)


def _read_annotation(
    value: dict[str, Any], number: int, prefix: str, stream: JsonStream, spool: Spool, say: Say
) -> None:
    image_id, category_id = _id(value.get("image_id")), _id(value.get("category_id"))
    shown = _id(value.get("id")) or str(number)
    if image_id is None or category_id is None:
        lacks = "image_id" if image_id is None else "category_id"
        words = f'The annotation {visible(shown, 40)} has no usable "{lacks}". Left out.'
        say(Problem(stream.file, words, "refused", stream.line))
        return
    key = prefix + image_id
    try:
        xmin, ymin, xmax, ymax = _corners(value)
    except ValueError as error:
        words = f"The annotation {visible(shown, 40)} of image {visible(image_id, 40)} {error}. "
        say(Problem(stream.file, words + "Left out.", "refused", stream.line))
        return
    flags = value.get("attributes")
    flags = flags if isinstance(flags, dict) else {}
    box = Box(
        prefix + category_id, xmin, ymin, xmax, ymax,
        difficult=flags.get("difficult") is True,
        truncated=flags.get("truncated") is True,
        crowd=value.get("iscrowd") in (1, True, "1"),
        pose=flags["pose"][:40] if isinstance(flags.get("pose"), str) else "Unspecified",
    )  # fmt: skip
    digits = shown.isascii() and shown.isdigit() and len(shown) < 18
    spool.add_box(key, box, int(shown) if digits else number, stream.line)


def _corners(value: dict[str, Any]) -> tuple[float, float, float, float]:
    """xmin, ymin, xmax, ymax in pixels. Raises ValueError with words that follow a subject."""
    bbox, segmentation = value.get("bbox"), value.get("segmentation")
    if isinstance(bbox, list) and len(bbox) == 4:
        numbers = [_number(element) for element in bbox]
        x, y, width, height = numbers
        if x is not None and y is not None and width is not None and height is not None:
            return x, y, x + width, y + height
        if not segmentation:
            shown = ", ".join(str(element)[:20] for element in bbox)
            raise ValueError(f"has bbox [{shown}], which are not four finite numbers")
    if isinstance(segmentation, list) and segmentation:
        return _bounds_of_polygons(segmentation)
    if isinstance(segmentation, dict):
        try:
            return bounds_of_run_lengths(segmentation.get("counts"), segmentation.get("size"))
        except RunLengthError as error:
            raise ValueError(f"has a segmentation that {error}") from None
    if bbox:
        raise ValueError(f"has a bbox that is not four numbers ({str(bbox)[:60]})")
    raise ValueError("has neither a bbox nor a segmentation")


def _bounds_of_polygons(polygons: list[Any]) -> tuple[float, float, float, float]:
    xs: list[float] = []
    ys: list[float] = []
    for polygon in polygons if isinstance(polygons[0], list) else [polygons]:
        numbers = [_number(element) for element in polygon] if isinstance(polygon, list) else []
        finite = [number for number in numbers if number is not None]
        if len(finite) < 4 or len(finite) != len(numbers) or len(finite) % 2:
            raise ValueError("has a polygon that is not pairs of finite numbers")
        xs += finite[::2]
        ys += finite[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def write(dataset: Dataset, sink: Sink, report: WriteReport) -> Iterator[None]:
    """Write ``annotations/instances_SPLIT.json`` and the pictures in ``images``.

    Category ids are the label map's. ``difficult``, ``truncated`` and ``pose`` go into an
    annotation's ``attributes``, as CVAT writes them, where they are set.
    """
    ids = {item.name: item.id for item in dataset.label_map}
    categories = [
        {"id": item.id, "name": item.name, "supercategory": ""} for item in dataset.label_map
    ]
    with ExitStack() as stack:
        writers = {}
        for split in dataset.split_sizes:
            file = stack.enter_context(sink.open(f"annotations/instances_{split}.json"))
            boxes = stack.enter_context(sink.scratch())
            writers[split] = _Writer(file, boxes, ids)
        for item in dataset.read(report.problems.append):
            path = sink.picture_path(item)
            sink.add_picture(f"images/{path}", item)
            writers[item.split].write(item, path)
            report.count(item)
            yield
        for writer in writers.values():
            writer.finish(categories)
    yield


class _Writer:
    """One JSON file; annotations wait in a second file until all images are written."""

    def __init__(self, file: BinaryIO, boxes: BinaryIO, ids: dict[str, int]) -> None:
        self._file, self._boxes, self._ids = file, boxes, ids
        self._num_images = self._num_boxes = 0
        file.write(b'{"info": {"description": "Boxloop"},\n"images": [')

    def write(self, item: DatasetItem, path: str) -> None:
        self._num_images += 1
        image = item.image
        row = {"id": self._num_images, "file_name": path, "width": image.width,
               "height": image.height}  # fmt: skip
        self._file.write((b",\n" if self._num_images > 1 else b"\n") + _json(row))
        for box in image.boxes:
            self._num_boxes += 1
            sides = [box.xmin, box.ymin, *_sides(box)]
            annotation: dict[str, Any] = {
                "id": self._num_boxes,
                "image_id": self._num_images,
                "category_id": self._ids[box.label],
                "bbox": [_short(value) for value in sides],
                "area": _short(sides[2] * sides[3]),
                "iscrowd": int(box.crowd),
                "segmentation": [],
            }
            flags: dict[str, Any] = {
                name: True for name in ("difficult", "truncated") if getattr(box, name)
            }
            if box.pose != "Unspecified":
                flags["pose"] = box.pose
            if flags:
                annotation["attributes"] = flags
            self._boxes.write((b",\n" if self._num_boxes > 1 else b"\n") + _json(annotation))

    def finish(self, categories: list[dict[str, Any]]) -> None:
        self._file.write(b'],\n"annotations": [')
        self._boxes.seek(0)
        while piece := self._boxes.read(256 * 1024):
            self._file.write(piece)
        self._file.write(b'],\n"categories": ' + _json(categories) + b"}\n")


def _sides(box: Box) -> tuple[float, float]:
    return box.xmax - box.xmin, box.ymax - box.ymin


def _short(value: float) -> float | int:
    """A number without the noise of its last bits: 6 decimals, whole numbers whole."""
    rounded = round(value, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
