"""YOLO text files: a ``.txt`` beside each image, and ``data.yaml`` or ``classes.txt`` for names.

Formats: https://docs.ultralytics.com/datasets/detect/ (``data.yaml`` with a list or a map of
names; splits as folders, lists of folders, or lists of images in a text file) and Darknet's
(``obj.names``, ``train.txt``). A line is ``class x_centre y_centre width height``, in fractions
of the picture; a polygon's bounding box is taken. An image without a label file is a negative.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from detection.formats.dataset import Dataset, WriteReport
from detection.formats.drawn import AnnotationError, Drawn
from detection.formats.files import FileRefused, Files, image_names, read_file, read_head
from detection.formats.numbers import NumberRefused, parse_number
from detection.formats.reading import Reading, Say
from detection.formats.sink import Sink
from detection.formats.yolo_data import (
    MAX_CLASS,
    MAX_TEXT,
    NAME_LISTS,
    Classes,
    is_data_yaml,
    label_map_of_classes,
    read_classes,
    read_settings,
    read_splits,
)
from detection.names import base_name, layout_key, stem_of, suffix_of, visible
from detection.names_on_disk import NameList
from detection.pairing import match_annotations
from detection.types import Box, Problem

__all__ = ["KEY", "is_data_yaml", "read", "recognise", "write"]

KEY = "yolo"
MAX_BOXES = 10_000
MAX_LINE = 1_000_000  # characters: a polygon of 50,000 points
# Above this a centre or a side is no fraction of a picture; a little over 1 is a careless edge.
_MOST = 2.0
_LABEL_LINE = re.compile(rb"^\s*\d+(?:[ \t]+[-+.\deE]+){4,}\s*$", re.MULTILINE)
# The way out of a negative that nobody stated: keys of images without a label file.
_NO_FILE = "\0"


def recognise(head: bytes) -> bool:
    """Whether the first bytes of a text file look like a label file's."""
    return bool(_LABEL_LINE.search(head[:4096]))


def read(files: Files, say: Say, names: Sequence[str]) -> Reading:
    """Pair label files with images, with classes and splits from ``data.yaml`` where there is one.

    Raises DatasetError where the data cannot be used.
    """
    images = image_names(files)
    settings, settings_file = read_settings(files, say)
    classes = read_classes(files, settings, settings_file, say)
    texts = NameList(
        name for name in files.names
        if suffix_of(name) == ".txt" and base_name(name).lower() not in NAME_LISTS
    )  # fmt: skip
    matches = match_annotations(images, texts, lambda name: None)
    alone = NameList(name for name in texts if name not in matches.image_of)
    splits = read_splits(files, settings, settings_file, images, alone, say)
    orphans = NameList(name for name in alone if _is_label_file(files, name))
    annotation_of = matches.annotation_of
    missing = NameList(name for name in images if annotation_of.add(name, _NO_FILE + name))
    if missing:
        words = f"{len(missing):,} images have no label file, such as {visible(missing[0])}. "
        words += "They were taken as negatives: images that show none of the classes."
        say(Problem(settings_file or missing[0], words, "note"))

    def drawn(key: str) -> Drawn:
        if key.startswith(_NO_FILE):
            return Drawn(key[1:], relative=True)
        return _drawn(files, key, classes)

    label_map = label_map_of_classes(classes, settings_file, say)
    return Reading(KEY, images, drawn, annotation_of, orphans, label_map, splits=splits)


def _is_label_file(files: Files, name: str) -> bool:
    """A text without an image is a label file where it lies in ``labels`` or reads like one."""
    return "labels" in name.lower().split("/")[:-1] or recognise(read_head(files, name, 4096))


def _drawn(files: Files, name: str, classes: Classes) -> Drawn:
    """One label file. Raises AnnotationError."""
    try:
        text = read_file(files, name, MAX_TEXT).decode("utf-8-sig")
    except FileRefused as error:
        raise AnnotationError(name, str(error)) from None
    except UnicodeDecodeError:
        raise AnnotationError(name, "It is not UTF-8 text.") from None
    boxes: list[Box] = []
    lines: list[int | None] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_LINE:
            words = f"It has {len(line):,} characters; the limit is {MAX_LINE:,}. Left out."
            problems.append(Problem(name, words, "refused", number))
            continue
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        if len(boxes) == MAX_BOXES:
            words = f"It has more than {MAX_BOXES:,} boxes, which is the limit."
            raise AnnotationError(name, words)
        try:
            box, words = _box(fields, classes)
        except ValueError as error:
            problems.append(Problem(name, f"{error} Left out.", "refused", number))
            continue
        if words:
            problems.append(Problem(name, words, "mended", number))
        boxes.append(box)
        lines.append(number)
    numbers = [line or 0 for line in lines]
    return Drawn(name, tuple(boxes), relative=True, numbers=numbers, lines=lines,
                 problems=tuple(problems))  # fmt: skip


def _box(fields: list[str], classes: Classes) -> tuple[Box, str]:
    """A line's box, in fractions, and words where it is a polygon's. Raises ValueError."""
    label = _label(fields, classes)
    values = []
    for field, name in zip(fields[1:], ("x centre", "y centre", "width", "height"), strict=False):
        values.append(_fraction(field, name))
    if len(fields) == 5 or (classes.has_keypoints and len(fields) > 5):
        x, y, width, height = values
        if width <= 0 or height <= 0:
            raise ValueError(f"A box {width:g} wide and {height:g} high has no area.")
        return Box(label, x - width / 2, y - height / 2, x + width / 2, y + height / 2), ""
    if len(fields) < 7 or len(fields) % 2 == 0:
        hint = "; the sixth may be a confidence" if len(fields) == 6 else ""
        raise ValueError(f"It has {len(fields)} fields, and a box has 5{hint}.")
    points = [_fraction(field, "point") for field in fields[1:]]
    xs, ys = points[::2], points[1::2]
    words = f"It is a polygon of {len(xs)} points; the box around it was taken."
    return Box(label, min(xs), min(ys), max(xs), max(ys)), words


def _label(fields: list[str], classes: Classes) -> str:
    text = fields[0]
    if "," in text and len(fields) == 1:
        raise ValueError("Its fields stand between commas; YOLO's stand between spaces.")
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise ValueError(f"{visible(text, 20)!r} is no class number, which counts from 0.")
    number = int(text)
    if classes.names and number not in classes.names:
        known = f"{len(classes.names)} classes, 0 to {max(classes.names)}"
        raise ValueError(f"There is no class {number}; {base_name(classes.file)} has {known}.")
    if number > MAX_CLASS:
        raise ValueError(f"Class {number} is beyond {MAX_CLASS:,}.")
    return classes.names.get(number, f"class {number}")


def _fraction(text: str, name: str) -> float:
    try:
        value = parse_number(text)
    except NumberRefused as refusal:
        raise ValueError(f"Its {name} is {refusal}.") from None
    if not -1 <= value <= _MOST:
        raise ValueError(
            f"Its {name} is {value:g}, which is no fraction of a picture (0 to 1): pixels?"
        )
    return value


def write(dataset: Dataset, sink: Sink, report: WriteReport) -> Iterator[None]:
    """Write ``images/SPLIT``, ``labels/SPLIT`` and ``data.yaml``; class 0 is the first label.

    ``difficult``, ``truncated``, ``crowd`` and ``pose`` cannot be kept, nor can class ids.
    """
    numbers = {item.name: index for index, item in enumerate(dataset.label_map)}
    with ExitStack() as stack:
        lists = {
            split: stack.enter_context(sink.open(f"{split}.txt"))
            for split in dataset.split_sizes
            if sink.images == "none"
        }
        for item in dataset.read(report.problems.append):
            path = sink.picture_path(item)
            sink.add_picture(f"images/{item.split}/{path}", item)
            width, height = item.image.width, item.image.height
            text = "".join(_line(box, numbers[box.label], width, height)
                           for box in item.image.boxes)  # fmt: skip
            folder = "labels" if sink.images == "none" else f"labels/{item.split}"
            sink.add(f"{folder}/{_label_path(path)}", text.encode())
            if sink.images == "none":
                lists[item.split].write(f"{path}\n".encode("utf-8", "replace"))
            report.count(item)
            yield
    sink.add("data.yaml", _data_yaml(dataset, sink.images == "none").encode("utf-8"))
    yield


def _label_path(picture_path: str) -> str:
    return f"{stem_of(layout_key(picture_path))}.txt"


def _line(box: Box, number: int, width: int, height: int) -> str:
    values = (
        (box.xmin + box.xmax) / 2 / width,
        (box.ymin + box.ymax) / 2 / height,
        (box.xmax - box.xmin) / width,
        (box.ymax - box.ymin) / height,
    )
    # Ten decimals keep a thousandth of a pixel in any picture that can be taken.
    shown = (f"{value:.10f}".rstrip("0").rstrip(".") for value in values)
    return f"{number} {' '.join(shown)}\n"


def _data_yaml(dataset: Dataset, lists: bool) -> str:
    lines = ["path: ."]
    for split in dataset.split_sizes:
        place = f"{split}.txt" if lists else f"images/{split}"
        lines.append(f"{split}: {place}")
    if "train" not in dataset.split_sizes:
        only = next(iter(dataset.split_sizes), "train")
        lines.append(f"train: {f'{only}.txt' if lists else f'images/{only}'}")
    lines += [f"nc: {len(dataset.label_map)}", "names:"]
    # JSON's strings are YAML's, whatever is in them.
    lines += [f"  {index}: {json.dumps(item.name, ensure_ascii=False)}"
              for index, item in enumerate(dataset.label_map)]  # fmt: skip
    return "\n".join(lines) + "\n"
