"""CVAT for images 1.1: one XML with an ``<image>`` for each picture.

Format: https://docs.cvat.ai/docs/manual/advanced/xml_format/. Boxes, and the boxes around
polygons, polylines that close, masks and ellipses are taken; a turned box becomes the box around
it. Points, open polylines, cuboids and tags are not boxes and are left out, which is said. A file
is hostile until checked: entities are refused, nothing that it names is opened.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO
from xml.sax.saxutils import quoteattr

from lxml import etree

from detection.formats.dataset import Dataset, DatasetItem, WriteReport
from detection.formats.drawn import AnnotationError
from detection.formats.files import Files, image_names
from detection.formats.numbers import NumberRefused, parse_number
from detection.formats.reading import Reading, Say, read_each, reading_of_spool
from detection.formats.sink import Sink
from detection.formats.spool import Spool
from detection.formats.voc_xml import xml_text
from detection.geometry import bounds_of_points, bounds_of_turned_box
from detection.label_map import LabelNameError, clean_label_name
from detection.names import visible
from detection.splits import split_in
from detection.types import Box, Problem

KEY = "cvat"
_FLAGS = ("difficult", "truncated", "crowd")
_NO_BOXES = {"points": "points", "polyline": "a line", "cuboid": "a cuboid",
             "skeleton": "a skeleton"}  # fmt: skip


def recognise(head: bytes) -> bool:
    """Whether the first bytes of an XML file look like CVAT's."""
    return bool(re.search(rb"<annotations[\s>]", head.replace(b"\0", b"")))


def read(files: Files, say: Say, names: Sequence[str]) -> Reading:
    """Index the CVAT files ``names``. An image's split is its ``subset``. Raises DatasetError."""
    spool = Spool()
    labels: dict[str, None] = {}
    read_each(
        files, names, "CVAT", say,
        lambda stream, name, prefix: _read_file(stream, name, prefix, spool, labels, say),
    )  # fmt: skip
    spool.index()
    images = image_names(files)
    return reading_of_spool(KEY, spool, images, say, labels=list(labels))


def _read_file(
    stream: BinaryIO, file: str, prefix: str, spool: Spool, labels: dict[str, None], say: Say
) -> None:
    try:
        events = etree.iterparse(
            stream, events=("start", "end"), resolve_entities=False, no_network=True,
            load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True,
        )  # fmt: skip
        number, depth = 0, 0
        for event, element in events:
            depth += 1 if event == "start" else -1
            if event == "start":
                if depth == 1:
                    _check_root(element, file)
                continue
            if element.tag == "label" and depth > 2:
                _read_label(element, labels)
            elif element.tag == "image" and depth == 1:
                number += 1
                _read_image(element, number, file, prefix, spool, say)
            elif element.tag == "track" and depth == 1:
                words = "It has tracks of a video. Export it from CVAT as "
                raise AnnotationError(file, words + "“CVAT for images 1.1”.", element.sourceline)
            if depth == 1:
                # What is read is dropped, with all before it: memory stays flat.
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        words = visible(str(error).split(" (<")[0].strip().rstrip("."), 160)
        line = error.lineno or None
        raise AnnotationError(file, f"It is not well-formed XML ({words}).", line) from None
    except (ValueError, LookupError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(file, f"It cannot be read as XML ({error}).") from None


def _check_root(root: Any, file: str) -> None:
    document_type = root.getroottree().docinfo.internalDTD
    if document_type is not None and next(document_type.iterentities(), None) is not None:
        words = "It declares an entity. Annotations need none; the file is refused."
        raise AnnotationError(file, words)
    if root.tag != "annotations":
        words = f"It is XML, but not CVAT's: it starts with <{visible(str(root.tag), 60)}>."
        raise AnnotationError(file, words)


def _read_label(element: Any, labels: dict[str, None]) -> None:
    try:
        labels[clean_label_name(element.findtext("name") or "")] = None
    except LabelNameError:
        pass  # It is said at the first box that has it.


def _read_image(element: Any, number: int, file: str, prefix: str, spool: Spool, say: Say) -> None:
    name = (element.get("name") or "").strip()
    if not name:
        words = f"Image {number} has no name. Left out."
        say(Problem(file, words, "refused", element.sourceline))
        return
    key = f"{prefix}{number}"
    split = split_in(element.get("subset") or "")
    sizes = [_size(element.get(side)) for side in ("width", "height")]
    spool.add_image(key, name[:1024], file, *sizes, split=split)
    for count, shape in enumerate((child for child in element if child.tag != "tag"), 1):
        line = shape.sourceline
        try:
            box, words = _box(shape)
        except (ValueError, LabelNameError) as error:
            words = f"{visible(name, 80)}, shape {count}: {error} Left out."
            spool.add_problem(key, Problem(file, words, "refused", line))
            continue
        if words:
            words = f"{visible(name, 80)}, shape {count} ({visible(box.label, 60)}): {words}"
            spool.add_problem(key, Problem(file, words, "mended", line))
        spool.add_box(key, box, count, line)


def _box(shape: Any) -> tuple[Box, str]:
    """A shape's box, and words where it is a box around it. Raises ValueError in a sentence."""
    reader = _SHAPES.get(str(shape.tag))
    if reader is None:
        what = _NO_BOXES.get(str(shape.tag), f"a <{visible(str(shape.tag), 40)}>")
        raise ValueError(f"It is {what}, which has no box.")
    label = clean_label_name(shape.get("label") or "")
    corners, words = reader(shape)
    flags = {
        str(attribute.get("name")): (attribute.text or "").strip()
        for attribute in shape.iterchildren("attribute")
    }
    said = {name: flags.get(name, "").lower() in ("1", "true", "yes") for name in _FLAGS}
    said["truncated"] |= shape.get("occluded") == "1" and "truncated" not in flags
    return Box(label, *corners, **said, pose=flags.get("pose", "")[:40] or "Unspecified"), words


_Corners = tuple[float, float, float, float]


def _value(shape: Any, name: str) -> float:
    try:
        return parse_number(shape.get(name) or "")
    except NumberRefused as refusal:
        raise ValueError(f"Its {name} is {refusal}.") from None


def _rectangle(shape: Any) -> tuple[_Corners, str]:
    xmin, ymin, xmax, ymax = (_value(shape, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    angle = _value(shape, "rotation") if shape.get("rotation") else 0.0
    if angle % 360 == 0:
        return (xmin, ymin, xmax, ymax), ""
    centre = ((xmin + xmax) / 2, (ymin + ymax) / 2)
    words = f"It is turned by {angle:g} degrees; the box around it was taken."
    return bounds_of_turned_box(xmin, ymin, xmax, ymax, angle, centre), words


def _polygon(shape: Any) -> tuple[_Corners, str]:
    points = []
    for pair in (shape.get("points") or "").split(";"):
        x, _, y = pair.partition(",")
        try:
            points.append((parse_number(x), parse_number(y)))
        except NumberRefused as refusal:
            raise ValueError(f"A point of its polygon is {refusal}.") from None
    if len(points) < 3:
        raise ValueError(f"Its polygon has {len(points)} points; it takes three.")
    return bounds_of_points(points), "It is a polygon; the box around it was taken."


def _ellipse(shape: Any) -> tuple[_Corners, str]:
    cx, cy, rx, ry = (_value(shape, name) for name in ("cx", "cy", "rx", "ry"))
    angle = math.radians(_value(shape, "rotation") if shape.get("rotation") else 0.0)
    half_width = math.hypot(rx * math.cos(angle), ry * math.sin(angle))
    half_height = math.hypot(rx * math.sin(angle), ry * math.cos(angle))
    corners = (cx - half_width, cy - half_height, cx + half_width, cy + half_height)
    return corners, "It is an ellipse; the box around it was taken."


def _mask(shape: Any) -> tuple[_Corners, str]:
    left, top, width, height = (_value(shape, name) for name in ("left", "top", "width", "height"))
    return (left, top, left + width, top + height), "It is a mask; the box around it was taken."


_SHAPES: dict[str, Callable[[Any], tuple[_Corners, str]]] = {
    "box": _rectangle, "polygon": _polygon, "ellipse": _ellipse, "mask": _mask,
}  # fmt: skip


def _size(text: str | None) -> float | None:
    try:
        value = parse_number(text or "")
    except NumberRefused:
        return None
    return value if value > 0 else None


def write(dataset: Dataset, sink: Sink, report: WriteReport) -> Iterator[None]:
    """Write ``annotations.xml`` and the pictures in ``images``; the split is the subset.

    ``difficult``, ``truncated``, ``crowd`` and ``pose`` are attributes where set. Class ids
    cannot be kept.
    """
    with sink.open("annotations.xml") as file:
        file.write(_head(dataset).encode("utf-8", "replace"))
        for item in dataset.read(report.problems.append):
            path = sink.picture_path(item)
            sink.add_picture(f"images/{path}", item)
            file.write(_image(item, path, report.num_images).encode("utf-8", "replace"))
            report.count(item)
            yield
        file.write(b"</annotations>\n")
    yield


def _head(dataset: Dataset) -> str:
    attributes = "".join(
        f"<attribute><name>{name}</name><mutable>False</mutable><input_type>{kind}</input_type>"
        f"<default_value>{default}</default_value><values>{values}</values></attribute>"
        for name, kind, default, values in (
            *((flag, "checkbox", "false", "false") for flag in _FLAGS),
            ("pose", "text", "", ""),
        )
    )
    labels = "".join(
        f"<label><name>{_escaped(item.name)}</name><type>rectangle</type>"
        f"<attributes>{attributes}</attributes></label>\n"
        for item in dataset.label_map
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        f"<meta><task><size>{dataset.num_images}</size><mode>annotation</mode>\n"
        f"<labels>\n{labels}</labels></task></meta>\n"
    )


def _image(item: DatasetItem, path: str, number: int) -> str:
    image = item.image
    subset = f" subset={quoteattr(item.split)}" if split_in(item.split) else ""
    lines = [
        f"<image id={quoteattr(str(number))} name={quoteattr(xml_text(path))}{subset} "
        f'width="{image.width}" height="{image.height}">'
    ]
    for box in image.boxes:
        sides = " ".join(
            f'{name}="{_number(value)}"'
            for name, value in zip(("xtl", "ytl", "xbr", "ybr"), box.xyxy, strict=True)
        )
        lines.append(
            f'  <box label={quoteattr(xml_text(box.label))} source="file" occluded="0" '
            f'{sides} z_order="0">'
        )
        lines += [f'    <attribute name="{name}">true</attribute>'
                  for name in _FLAGS if getattr(box, name)]  # fmt: skip
        if box.pose != "Unspecified":
            lines.append(f'    <attribute name="pose">{_escaped(box.pose)}</attribute>')
        lines.append("  </box>")
    return "\n".join([*lines, "</image>\n"])


def _escaped(text: str) -> str:
    return xml_text(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
