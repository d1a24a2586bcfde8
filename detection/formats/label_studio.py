"""Label Studio JSON: a list of tasks, in its own form or the shorter JSON-MIN.

Format: https://labelstud.io/guide/export. Values are per cents of the upright picture. A
rectangle that is turned (about its top left corner) becomes the box around it, and so do polygons
and ellipses. Where several people labelled a task, the ground truth is taken, else the annotation
that was changed last; skipped ones are passed over. A task that nobody labelled is no negative.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from detection.formats.dataset import Dataset, DatasetError, DatasetItem, WriteReport
from detection.formats.drawn import AnnotationError
from detection.formats.files import Files, image_names
from detection.formats.json_stream import JsonStream
from detection.formats.reading import Reading, Say, reading_of_spool
from detection.formats.sink import Sink
from detection.formats.spool import Spool
from detection.geometry import Corners, bounds_of_points, bounds_of_turned_box
from detection.label_map import LabelNameError, clean_label_name
from detection.names import base_name, has_image_suffix, visible
from detection.splits import split_in
from detection.types import Box, Problem

KEY = "labelstudio"
_KINDS = ("rectanglelabels", "polygonlabels", "ellipselabels")
# Uploads are renamed with eight hexadecimal digits before the user's own name.
_UPLOADED = re.compile(r"[0-9a-f]{8}-")
_FLAGS = ("difficult", "truncated", "crowd")


def recognise(head: bytes) -> bool:
    """Whether the first bytes of a JSON file look like Label Studio's."""
    if not re.match(rb"\s*(\xef\xbb\xbf)?\s*\[", head):
        return False
    own = re.search(rb'"data"\s*:\s*\{', head) and re.search(
        rb'"(annotations|completions|predictions)"\s*:\s*\[', head
    )
    return bool(own or re.search(rb'"(rectanglelabels|polygonlabels|ellipselabels)"', head))


@dataclass
class _Place:
    """Where a sentence is about."""

    file: str
    number: int
    line: int
    say: Say

    def refuse(self, words: str) -> None:
        words = f"Task {self.number}: {words}"
        self.say(Problem(self.file, words, "refused", self.line))


def read(files: Files, say: Say, names: Sequence[str]) -> Reading:
    """Index the Label Studio files ``names``. Raises DatasetError where none can be used."""
    spool = Spool()
    used = 0
    for number, name in enumerate(names):
        try:
            with files.open(name) as stream:
                _read_file(JsonStream(stream, name), f"{number}:", spool, say)
            used += 1
        except AnnotationError as error:
            say(error.problem)
            if len(names) == 1:
                raise DatasetError(str(error)) from None
    if not used:
        raise DatasetError("None of the Label Studio files can be read.")
    spool.index()
    images = image_names(files)
    return reading_of_spool(
        KEY, spool, images, say, respell=lambda name: _UPLOADED.sub("", base_name(name), count=1)
    )


def _read_file(stream: JsonStream, prefix: str, spool: Spool, say: Say) -> None:
    if stream.opening() != "[":
        raise AnnotationError(stream.file, "It is no list of tasks, as Label Studio exports.")
    for number, task in enumerate(stream.elements(), 1):
        place = _Place(stream.file, number, stream.line, say)
        if not isinstance(task, dict):
            place.refuse("It is no object. Left out.")
            continue
        data = task["data"] if isinstance(task.get("data"), dict) else task
        name = _image_name(data)
        if name is None:
            place.refuse("It has no image. Left out.")
            continue
        results = _results(task, place)
        if results is None:
            continue
        key, size = f"{prefix}{number}", _size(results)
        split = split_in(str(data.get("split") or ""))
        spool.add_image(key, name[:1024], stream.file, *size, split=split, relative=True)
        for count, result in enumerate(results, 1):
            _read_result(result, count, key, place, spool)


def _image_name(data: dict[str, Any]) -> str | None:
    """The image's path as text: the first value that ends like an image's name."""
    for key in ("image", "img", "photo", "picture", *data):
        value = data.get(key)
        if not isinstance(value, str):
            continue
        try:
            parts = urlsplit(value)
        except ValueError:
            continue
        local = parse_qs(parts.query).get("d")
        path = local[0] if local else unquote(parts.path)
        if has_image_suffix(path):
            return path
    return None


def _results(task: dict[str, Any], place: _Place) -> list[Any] | None:
    """The task's regions, or None where nobody labelled it."""
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        return _short_results(task)
    given = [
        annotation for annotation in annotations
        if isinstance(annotation, dict) and not annotation.get("was_cancelled")
        and isinstance(annotation.get("result"), list)
    ]  # fmt: skip
    if not given:
        return None
    if len(given) > 1:
        words = f"It has {len(given)} annotations; the ground truth, else the newest, was taken."
        place.say(Problem(place.file, f"Task {place.number}: {words}", "note", place.line))
    chosen = max(
        enumerate(given),
        key=lambda pair: (bool(pair[1].get("ground_truth")), str(pair[1].get("updated_at")),
                          pair[0]),
    )[1]  # fmt: skip
    return list(chosen["result"])


def _short_results(task: dict[str, Any]) -> list[Any] | None:
    """Regions of JSON-MIN, where they stand in the task itself, without ``value`` around them."""
    for value in task.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            kinds = [kind for kind in _KINDS if kind in value[0]]
            if kinds:
                return [{**region, "type": kinds[0], "value": region}
                        for region in value if isinstance(region, dict)]  # fmt: skip
    return [] if "annotator" in task else None


def _size(results: list[Any]) -> tuple[float | None, float | None]:
    for result in results:
        if isinstance(result, dict):
            width, height = result.get("original_width"), result.get("original_height")
            if _is_side(width) and _is_side(height):
                return float(width), float(height)  # type: ignore[arg-type]
    return None, None


def _is_side(value: object) -> bool:
    return type(value) is int and 0 < value < 10**6


def _read_result(result: object, number: int, key: str, place: _Place, spool: Spool) -> None:
    if not isinstance(result, dict) or result.get("type") in ("choices", "relation", "rating"):
        return
    try:
        box, words = _box(result)
    except (ValueError, LabelNameError) as error:
        words = f"Task {place.number}, region {number}: {error} Left out."
        spool.add_problem(key, Problem(place.file, words, "refused", place.line))
        return
    if words:
        words = f"Task {place.number}, region {number} ({visible(box.label, 60)}): {words}"
        spool.add_problem(key, Problem(place.file, words, "mended", place.line))
    spool.add_box(key, box, number, place.line)


def _box(result: dict[str, Any]) -> tuple[Box, str]:
    """A region's box in fractions, and words where it is a box around it. Raises ValueError."""
    kind, value = result.get("type"), result.get("value")
    if kind not in _KINDS or not isinstance(value, dict):
        raise ValueError(f"A region of the type {visible(str(kind), 40)!r} has no box.")
    labels = value.get(str(kind))
    if not isinstance(labels, list) or not labels or not isinstance(labels[0], str):
        raise ValueError("It has no label.")
    label = clean_label_name(labels[0])
    width = result.get("original_width") or value.get("original_width")
    height = result.get("original_height") or value.get("original_height")
    known = all(isinstance(side, int) and side > 0 for side in (width, height))
    corners, words = _CORNERS[kind](value, width / height if known else 1.0)  # type: ignore[operator]
    if len(labels) > 1:
        words = f"It has {len(labels)} labels; the first was taken. {words}".strip()
    meta = result.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    said = {flag: meta.get(flag) is True for flag in _FLAGS}
    pose = meta.get("pose")
    xmin, ymin, xmax, ymax = (part / 100 for part in corners)
    return Box(label, xmin, ymin, xmax, ymax, **said,
               pose=pose[:40] if isinstance(pose, str) else "Unspecified"), words  # fmt: skip


def _value(value: dict[str, Any], name: str) -> float:
    number = value.get(name)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueError(f"Its {name} is {str(number)[:40]!r}, which is not a number.")
    if not math.isfinite(number) or abs(number) > 1e9:
        raise ValueError(f"Its {name} is {str(number)[:40]}, which is no per cent of a picture.")
    return float(number)


def _rectangle(value: dict[str, Any], aspect: float) -> tuple[Corners, str]:
    x, y, width, height = (_value(value, name) for name in ("x", "y", "width", "height"))
    angle = _value(value, "rotation") if value.get("rotation") else 0.0
    if angle % 360 == 0:
        return (x, y, x + width, y + height), ""
    # Turn in a frame where both axes have one unit: per cents of the height.
    left, top, right, bottom = bounds_of_turned_box(
        x * aspect, y, (x + width) * aspect, y + height, angle, (x * aspect, y)
    )
    words = f"It is turned by {angle:g} degrees; the box around it was taken."
    return (left / aspect, top, right / aspect, bottom), words


def _polygon(value: dict[str, Any], aspect: float) -> tuple[Corners, str]:
    points = value.get("points")
    if not isinstance(points, list) or len(points) < 3:
        raise ValueError("Its polygon takes three points.")
    pairs = []
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise ValueError("A point of its polygon is not two numbers.")
        pairs.append((_value({"x": point[0]}, "x"), _value({"y": point[1]}, "y")))
    return bounds_of_points(pairs), "It is a polygon; the box around it was taken."


def _ellipse(value: dict[str, Any], aspect: float) -> tuple[Corners, str]:
    x, y, rx, ry = (_value(value, name) for name in ("x", "y", "radiusX", "radiusY"))
    angle = math.radians(_value(value, "rotation") if value.get("rotation") else 0.0)
    half_width = math.hypot(rx * aspect * math.cos(angle), ry * math.sin(angle)) / aspect
    half_height = math.hypot(rx * aspect * math.sin(angle), ry * math.cos(angle))
    corners = (x - half_width, y - half_height, x + half_width, y + half_height)
    return corners, "It is an ellipse; the box around it was taken."


_CORNERS = {"rectanglelabels": _rectangle, "polygonlabels": _polygon, "ellipselabels": _ellipse}


def write(dataset: Dataset, sink: Sink, report: WriteReport) -> Iterator[None]:
    """Write ``tasks.json`` and the pictures in ``images``; the split is in a task's ``data``.

    The address of an image is that of Label Studio's local storage. ``difficult``, ``truncated``
    and ``crowd`` go into a region's ``meta``. Class ids cannot be kept.
    """
    with sink.open("tasks.json") as file:
        file.write(b"[")
        for item in dataset.read(report.problems.append):
            path = sink.picture_path(item)
            sink.add_picture(f"images/{path}", item)
            file.write(b",\n" if report.num_images else b"\n")
            task = _task(item, f"images/{path}", report.num_images + 1)
            file.write(json.dumps(task, ensure_ascii=False).encode("utf-8", "replace"))
            report.count(item)
            yield
        file.write(b"\n]\n")
    yield


def _task(item: DatasetItem, path: str, number: int) -> dict[str, Any]:
    width, height = item.image.width, item.image.height
    data = {"image": f"/data/local-files/?d={_quoted(path)}"}
    if split_in(item.split):
        data["split"] = item.split
    regions = []
    for index, box in enumerate(item.image.boxes, 1):
        region: dict[str, Any] = {
            "id": f"box{index}",
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "rotation": 0,
                "x": round(100 * box.xmin / width, 10),
                "y": round(100 * box.ymin / height, 10),
                "width": round(100 * (box.xmax - box.xmin) / width, 10),
                "height": round(100 * (box.ymax - box.ymin) / height, 10),
                "rectanglelabels": [box.label],
            },
        }
        meta: dict[str, Any] = {flag: True for flag in _FLAGS if getattr(box, flag)}
        if box.pose != "Unspecified":
            meta["pose"] = box.pose
        if meta:
            region["meta"] = meta
        regions.append(region)
    return {"id": number, "data": data, "annotations": [{"id": number, "result": regions}]}


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path.encode("utf-8", "replace"))
