"""Boxloop's own bundle: all that a project knows of its images, lossless.

``boxloop.json`` has the label map with colours and keys; ``images.jsonl`` one image a line, with
its annotations (ids, sources, states, suggestions too), state, split, group and edit history;
``images/`` the files as they were uploaded, byte by byte. Boxes are absolute pixels of the upright
picture.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from detection.formats.dataset import Dataset, DatasetError, DatasetItem, WriteReport
from detection.formats.drawn import AnnotationError, Drawn
from detection.formats.files import FileRefused, Files, image_names, read_file
from detection.formats.json_stream import JsonStream
from detection.formats.reading import Reading, Say, reading_of_spool
from detection.formats.sink import Sink
from detection.formats.spool import Spool
from detection.images import sha256_of
from detection.label_map import LabelMap, LabelMapItem, LabelNameError, clean_label_name
from detection.names import folder_name, visible
from detection.splits import SPLITS
from detection.types import Box, Problem

KEY = "boxloop"
HEADER = "boxloop.json"
LINES = "images.jsonl"
VERSION = 1
_MAX_HEADER = 16 * 1024 * 1024
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def recognise(head: bytes) -> bool:
    """Whether the first bytes of ``boxloop.json`` are a bundle's."""
    return b'"format": "boxloop"' in head or b'"format":"boxloop"' in head


def read(files: Files, say: Say, names: Sequence[str]) -> Reading:
    """Index the bundle whose ``boxloop.json`` is ``names[0]``. Raises DatasetError."""
    header = _header(files, names[0])
    folder = folder_name(names[0])
    lines_name = f"{folder}/{LINES}" if folder else LINES
    if lines_name not in files.names:
        raise DatasetError(f"{names[0]}: there is no {LINES} beside it. Pack the bundle whole.")
    spool = Spool()
    try:
        with files.open(lines_name) as stream:
            _read_lines(JsonStream(stream, lines_name), folder, spool, say)
    except AnnotationError as error:
        spool.close()
        raise DatasetError(str(error)) from None
    spool.index()
    images = image_names(files)

    def row(key: str) -> dict[str, Any]:
        text = spool.extra(key)
        return json.loads(text) if text else {}

    def drawn(key: str, file: str) -> Drawn:
        return _drawn(row(key), key)

    def name_of(image: str) -> str:
        name = row(reading.annotation_of.get(image, "")).get("name")
        return name if isinstance(name, str) and name else image

    reading = reading_of_spool(
        KEY, spool, images, say, drawn=drawn, label_map=_label_map(header, names[0])
    )
    reading.bundle, reading.name_of = header, name_of
    return reading


def _header(files: Files, name: str) -> dict[str, Any]:
    try:
        value = json.loads(read_file(files, name, _MAX_HEADER))
    except (FileRefused, ValueError, RecursionError) as error:
        raise DatasetError(f"{name}: it cannot be read ({visible(str(error), 100)}).") from None
    if not isinstance(value, dict) or value.get("format") != "boxloop":
        raise DatasetError(f"{name}: it is no bundle of Boxloop's.")
    if value.get("version") != VERSION:
        found = visible(str(value.get("version")), 20)
        raise DatasetError(
            f"{name}: it is a bundle of version {found}; this Boxloop reads {VERSION}. Update it."
        )
    return value


def _label_map(header: dict[str, Any], file: str) -> LabelMap:
    items = []
    rows = header.get("labels")
    for number, row in enumerate(rows if isinstance(rows, list) else [], 1):
        try:
            shown = row["display_name"] or None
            items.append(LabelMapItem(int(row["id"]), clean_label_name(row["name"]), shown))
        except (LabelNameError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{file}: label {number} cannot be read ({error}).") from None
    try:
        return LabelMap(tuple(items))
    except ValueError as error:
        raise DatasetError(f"{file}: {error}") from None


def _read_lines(stream: JsonStream, folder: str, spool: Spool, say: Say) -> None:
    for number, row in enumerate(stream.values(), 1):
        path = row.get("file") if isinstance(row, dict) else None
        if not isinstance(path, str) or not path:
            say(Problem(stream.file, "It names no file. Left out.", "refused", stream.line))
            continue
        path = f"{folder}/{path}" if folder else path
        split = row.get("split")
        sizes = [_size(row.get(side)) for side in ("width", "height")]
        text = json.dumps(row, ensure_ascii=False)
        spool.add_image(
            str(number), path, stream.file, *sizes, extra=text,
            split=split if split in SPLITS else "",
        )  # fmt: skip


def _size(value: object) -> float | None:
    return float(value) if type(value) is int and 0 < value < 10**6 else None


def _drawn(row: dict[str, Any], file: str) -> Drawn:
    """The image's active boxes; the whole line goes along as ``bundle``."""
    boxes: list[Box] = []
    numbers: list[int] = []
    problems: list[Problem] = []
    annotations = row.get("annotations")
    for number, annotation in enumerate(annotations if isinstance(annotations, list) else [], 1):
        try:
            box = read_box(annotation)
        except ValueError as error:
            problems.append(Problem(file, f"Annotation {number}: {error} Left out.", "refused"))
            continue
        if annotation.get("status", "active") == "active":
            boxes.append(box)
            numbers.append(number)
    width, height = (_size(row.get(side)) for side in ("width", "height"))
    return Drawn(
        file, tuple(boxes), width, height, numbers=numbers, problems=tuple(problems), bundle=row
    )


def read_box(annotation: object) -> Box:
    """The box of one annotation of a bundle. Raises ValueError in a sentence."""
    if not isinstance(annotation, Mapping):
        raise ValueError("It is no object.")
    label = annotation.get("label")
    try:
        name = clean_label_name(label if isinstance(label, str) else "")
    except LabelNameError as error:
        raise ValueError(str(error)) from None
    corners = annotation.get("box")
    if not isinstance(corners, list) or len(corners) != 4:
        raise ValueError("Its box is not four numbers.")
    for side, value in zip(_SIDES, corners, strict=True):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or abs(value) > 1e9:
            raise ValueError(f"Its {side} is {str(value)[:40]}, which is no pixel.")
    xmin, ymin, xmax, ymax = map(float, corners)
    pose = annotation.get("pose")
    return Box(
        name,
        xmin,
        ymin,
        xmax,
        ymax,
        difficult=annotation.get("difficult") is True,
        truncated=annotation.get("truncated") is True,
        crowd=annotation.get("crowd") is True,
        pose=pose[:40] if isinstance(pose, str) and pose else "Unspecified",
    )


def write(dataset: Dataset, sink: Sink, report: WriteReport) -> Iterator[None]:
    """Write ``boxloop.json``, ``images.jsonl`` and the images as they were uploaded."""
    with sink.open(LINES) as file:
        for item in dataset.read(report.problems.append):
            path = sink.original_path(item)
            sink.add_original(f"images/{path}", item)
            row = _row(item, f"images/{path}" if sink.images != "none" else path)
            file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            report.count(item)
            yield
    header: dict[str, Any] = dict(dataset.bundle or {})
    header |= {"format": "boxloop", "version": VERSION, "images": report.num_images}
    header.setdefault("labels", [
        {"id": item.id, "name": item.name, "display_name": item.display_name or ""}
        for item in dataset.label_map
    ])  # fmt: skip
    sink.add(HEADER, json.dumps(header, ensure_ascii=False, indent=1).encode("utf-8", "replace"))
    yield


def _row(item: DatasetItem, path: str) -> dict[str, Any]:
    image = item.image
    row: dict[str, Any] = dict(item.bundle or {})
    if "annotations" not in row:
        row["annotations"] = [_annotation(box) for box in image.boxes]
    row |= {"name": image.name, "file": path, "width": image.width, "height": image.height}
    if item.split in SPLITS:
        row["split"] = item.split
    data = item.original if item.original is not None else item.picture
    if data:
        row["sha256"] = sha256_of(data)
    return row


def _annotation(box: Box) -> dict[str, Any]:
    annotation: dict[str, Any] = {"label": box.label, "box": list(box.xyxy)}
    annotation |= {flag: True for flag in ("difficult", "truncated", "crowd") if getattr(box, flag)}
    if box.pose != "Unspecified":
        annotation["pose"] = box.pose
    return annotation
