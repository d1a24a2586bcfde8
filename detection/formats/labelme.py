"""labelme: a JSON beside each image, with shapes.

Format: https://github.com/wkentaro/labelme. Rectangles are taken, and the boxes around polygons,
circles and masks; points and lines have none and are left out, which is said. A picture inside
the JSON (``imageData``) is passed over: the image file itself is read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from detection.formats.dataset import Dataset, DatasetItem, WriteReport
from detection.formats.drawn import AnnotationError, Drawn
from detection.formats.files import FileRefused, Files, image_names, read_file
from detection.formats.reading import Reading, Say
from detection.formats.sink import Sink
from detection.geometry import Corners, bounds_of_points
from detection.label_map import LabelNameError, clean_label_name
from detection.names import base_name, stem_of, visible
from detection.names_on_disk import NameList, NameMap
from detection.pairing import match_annotations
from detection.splits import SPLITS, split_in
from detection.types import Box, Problem

KEY = "labelme"
MAX_SHAPES = 10_000
_MAX_BYTES = 256 * 1024 * 1024
_FLAGS = ("difficult", "truncated", "crowd")


def recognise(head: bytes) -> bool:
    """Whether the first bytes of a JSON file look like labelme's."""
    return bool(re.match(rb"\s*(\xef\xbb\xbf)?\s*\{", head)) and bool(
        re.search(rb'"shapes"\s*:\s*\[', head)
        or (b'"imagePath"' in head and b'"imageData"' in head)
    )


def read(files: Files, say: Say, names: Sequence[str]) -> Reading:
    """Pair the JSON files ``names`` with images, by path, else by their ``imagePath``."""
    images = image_names(files)

    def image_in(name: str) -> str | None:
        try:
            path = _parse(files, name).get("imagePath")
        except AnnotationError:
            return None
        return path if isinstance(path, str) else None

    matches = match_annotations(images, names, image_in)
    splits: NameMap[str] = NameMap()
    for image in images:
        if split := split_of_folder(image):
            splits[image] = split
    return Reading(
        KEY,
        images,
        lambda name: _drawn(_parse(files, name), name),
        matches.annotation_of,
        NameList(name for name in names if name not in matches.image_of),
        splits=splits,
        why={name: problem.message for name, problem in matches.problems.items()},
    )


def split_of_folder(name: str) -> str:
    """The split that one of an image's folders is called, the outermost first."""
    for folder in name.split("/")[:-1]:
        if folder.lower() in (*SPLITS, "valid", "validation"):
            return split_in(folder)
    return ""


def _parse(files: Files, name: str) -> dict[str, Any]:
    """Raises AnnotationError."""
    try:
        value = json.loads(read_file(files, name, _MAX_BYTES))
    except FileRefused as error:
        raise AnnotationError(name, str(error)) from None
    except json.JSONDecodeError as error:
        words = f"It is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}."
        raise AnnotationError(name, words, error.lineno) from None
    except RecursionError:
        raise AnnotationError(name, "It is nested too deeply to be an annotation file.") from None
    except (UnicodeDecodeError, ValueError):
        raise AnnotationError(name, "It is not JSON in UTF-8.") from None
    if not isinstance(value, dict) or not isinstance(value.get("shapes"), list):
        raise AnnotationError(name, 'It has no list "shapes", so it is not labelme’s.')
    return value


def _drawn(value: dict[str, Any], file: str) -> Drawn:
    boxes: list[Box] = []
    numbers: list[int] = []
    problems: list[Problem] = []
    shapes = value["shapes"]
    if len(shapes) > MAX_SHAPES:
        raise AnnotationError(file, f"It has over {MAX_SHAPES:,} shapes, which is the limit.")
    for number, shape in enumerate(shapes, 1):
        try:
            box, words = _box(shape)
        except (ValueError, LabelNameError) as error:
            problems.append(Problem(file, f"Shape {number}: {error} Left out.", "refused"))
            continue
        if words:
            words = f"Shape {number} ({visible(box.label, 60)}): {words}"
            problems.append(Problem(file, words, "mended"))
        boxes.append(box)
        numbers.append(number)
    width, height = (_size(value.get(side)) for side in ("imageWidth", "imageHeight"))
    return Drawn(file, tuple(boxes), width, height, numbers=numbers, problems=tuple(problems))


def _box(shape: object) -> tuple[Box, str]:
    """A shape's box, and words where it is a box around it. Raises ValueError in a sentence."""
    if not isinstance(shape, dict):
        raise ValueError("It is no object.")
    label, kind = shape.get("label"), shape.get("shape_type") or "polygon"
    name = clean_label_name(label if isinstance(label, str) else "")
    points = _points(shape.get("points"))
    corners, words = _corners(str(kind), points)
    flags = shape.get("flags")
    flags = flags if isinstance(flags, dict) else {}
    pose = shape.get("pose")
    said = {flag: flags.get(flag) is True for flag in _FLAGS}
    return Box(name, *corners, **said, pose=pose[:40] if isinstance(pose, str) else
               "Unspecified"), words  # fmt: skip


def _corners(kind: str, points: list[tuple[float, float]]) -> tuple[Corners, str]:
    around = "the box around it was taken."
    if kind == "rectangle" and len(points) == 2:
        return bounds_of_points(points), ""
    if kind in ("rectangle", "polygon", "oriented_rectangle") and len(points) >= 3:
        words = "" if kind == "rectangle" else f"It is a polygon; {around}"
        return bounds_of_points(points), words
    if kind == "mask" and len(points) == 2:
        return bounds_of_points(points), f"It is a mask; {around}"
    if kind == "circle" and len(points) == 2:
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        corners = (x - radius, y - radius, x + radius, y + radius)
        return corners, f"It is a circle; {around}"
    raise ValueError(f"A {visible(kind, 30)} of {len(points)} points has no box.")


def _points(value: object) -> list[tuple[float, float]]:
    if not isinstance(value, list):
        raise ValueError("It has no points.")
    points = []
    for point in value:
        if not (
            isinstance(point, list)
            and len(point) == 2
            and all(
                isinstance(number, (int, float)) and not isinstance(number, bool)
                and abs(number) < 1e300 for number in point
            )
        ):  # fmt: skip
            raise ValueError(f"Its point {str(point)[:60]} is not two finite numbers.")
        points.append((float(point[0]), float(point[1])))
    return points


def _size(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value < 1e6 else None


def write(dataset: Dataset, sink: Sink, report: WriteReport) -> Iterator[None]:
    """Write ``SPLIT/NAME.json`` beside ``SPLIT/NAME.jpg``, rectangles only.

    ``difficult``, ``truncated`` and ``crowd`` are flags where set. Class ids cannot be kept.
    """
    for item in dataset.read(report.problems.append):
        path = sink.picture_path(item)
        folder = f"{item.split}/" if sink.images != "none" else ""
        sink.add_picture(f"{folder}{path}", item)
        sink.add(f"{folder}{stem_of(path)}.json", _json(item, path))
        report.count(item)
        yield


def _json(item: DatasetItem, path: str) -> bytes:
    shapes = []
    for box in item.image.boxes:
        shape: dict[str, Any] = {
            "label": box.label,
            "points": [[box.xmin, box.ymin], [box.xmax, box.ymax]],
            "group_id": None,
            "description": "",
            "shape_type": "rectangle",
            "flags": {flag: True for flag in _FLAGS if getattr(box, flag)},
        }
        if box.pose != "Unspecified":
            shape["pose"] = box.pose
        shapes.append(shape)
    value: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": base_name(path),
        "imageData": None,
        "imageHeight": item.image.height,
        "imageWidth": item.image.width,
    }
    return json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "replace")
