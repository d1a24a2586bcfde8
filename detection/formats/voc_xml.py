"""One Pascal VOC annotation file: an XML beside an image, as labelImg, CVAT and VoTT write it.

Coordinates are taken as they stand, as the TensorFlow Object Detection API takes them: pixels,
not shifted by one. A file is hostile until checked: entities and document types with declarations
are refused, nothing that a file names is opened, and sizes are limited.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lxml import etree

from detection.formats.drawn import AnnotationError, Drawn, hold_against
from detection.formats.numbers import NumberRefused, parse_number
from detection.geometry import Corners, bounds_of_points, bounds_of_turned_box
from detection.label_map import LabelNameError, clean_label_name
from detection.names import base_name, folder_name, visible
from detection.types import Box, LabelledImage, Problem

MAX_XML_BYTES = 32 * 1024 * 1024
MAX_BOXES = 10_000
_SIDES = ("xmin", "ymin", "xmax", "ymax")


class VocError(AnnotationError):
    """A Pascal VOC file that cannot be taken as a whole."""


@dataclass(frozen=True)
class VocFile:
    """What one XML says, before it is held against its picture.

    ``boxes`` are finite but unchecked, in the frame of the XML's own ``width`` and ``height``,
    which are None where absent or 0. ``numbers`` and ``lines`` say which ``<object>`` each is.
    """

    file: str
    filename: str | None
    folder: str | None
    width: float | None
    height: float | None
    boxes: tuple[Box, ...]
    numbers: tuple[int, ...]
    lines: tuple[int | None, ...]
    problems: tuple[Problem, ...]

    def drawn(self) -> Drawn:
        """What it says, as every format says it."""
        return Drawn(
            self.file,
            self.boxes,
            self.width,
            self.height,
            numbers=self.numbers,
            lines=self.lines,
            problems=self.problems,
            size_word="<size>",
        )


def parse_voc(xml_bytes: bytes, file: str) -> VocFile:
    """Parse one annotation file. ``file`` is its name, for messages.

    Raises:
        VocError: it is not XML, not Pascal VOC, too large, or declares entities.
    """
    root = _parse_xml(xml_bytes, file)
    boxes: list[Box] = []
    numbers: list[int] = []
    lines: list[int | None] = []
    problems: list[Problem] = []
    for number, element in enumerate(root.iterchildren("object"), 1):
        if number > MAX_BOXES:
            raise VocError(file, f"It has more than {MAX_BOXES:,} boxes, which is the limit.")
        try:
            box, words = _parse_object(element, number)
        except _ObjectRefused as refusal:
            problems.append(Problem(file, f"{refusal} Left out.", "refused", refusal.line))
        else:
            boxes.append(box)
            numbers.append(number)
            lines.append(element.sourceline)
            if words:
                problems.append(Problem(file, words, "mended", element.sourceline))
    return VocFile(
        file,
        _text_of(root.find("filename")),
        _text_of(root.find("folder")),
        _extent(root, "width"),
        _extent(root, "height"),
        tuple(boxes),
        tuple(numbers),
        tuple(lines),
        tuple(problems),
    )


def labelled_image(
    voc: VocFile, name: str, width: int, height: int, orientation: int = 1
) -> tuple[LabelledImage, list[Problem]]:
    """Hold a parsed file against its picture: boxes valid in the upright frame, and what was done.

    Args:
        name: the image's name.
        width, height: the upright picture's size.
        orientation: the picture's EXIF orientation (1..8).
    """
    return hold_against(voc.drawn(), name, width, height, orientation)


def write_voc(image: LabelledImage, depth: int = 3) -> bytes:
    """One image's annotation file, UTF-8, as labelImg lays it out. ``crowd`` cannot be kept."""
    root = etree.Element("annotation")
    _add(root, "folder", base_name(folder_name(image.name)) or "JPEGImages")
    _add(root, "filename", base_name(image.name))
    _add(etree.SubElement(root, "source"), "database", "Unknown")
    size = etree.SubElement(root, "size")
    for tag, value in (("width", image.width), ("height", image.height), ("depth", depth)):
        _add(size, tag, str(value))
    _add(root, "segmented", "0")
    for box in image.boxes:
        element = etree.SubElement(root, "object")
        _add(element, "name", box.label)
        _add(element, "pose", box.pose)
        _add(element, "truncated", str(int(box.truncated)))
        _add(element, "difficult", str(int(box.difficult)))
        bounds = etree.SubElement(element, "bndbox")
        for side, coordinate in zip(_SIDES, box.xyxy, strict=True):
            _add(bounds, side, _number_text(coordinate))
    etree.indent(root, "\t")
    return bytes(etree.tostring(root, encoding="utf-8", xml_declaration=False)) + b"\n"


def _parse_xml(xml_bytes: bytes, file: str) -> etree._Element:
    if not xml_bytes.strip():
        raise VocError(file, "The file is empty.")
    if len(xml_bytes) > MAX_XML_BYTES:
        size = f"{len(xml_bytes) / 2**20:.1f} MiB"
        raise VocError(file, f"It has {size}; the limit is {MAX_XML_BYTES // 2**20} MiB.")
    _refuse_declarations(xml_bytes, file)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False,
        dtd_validation=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(xml_bytes, parser)
    except etree.XMLSyntaxError as error:
        line = error.lineno or None
        raise VocError(file, f"It is not well-formed XML ({_first_words(error)}).", line) from None
    except (ValueError, LookupError) as error:
        raise VocError(file, f"It cannot be read as XML ({_first_words(error)}).") from None
    document_type = root.getroottree().docinfo.internalDTD
    if document_type is not None and next(document_type.iterentities(), None) is not None:
        raise VocError(file, "It declares an entity. Annotations need none; the file is refused.")
    if root.tag != "annotation":
        tag = visible(str(root.tag), 60)
        raise VocError(
            file, f"It is XML, but not Pascal VOC: it starts with <{tag}> and not <annotation>."
        )
    return root


def _refuse_declarations(xml_bytes: bytes, file: str) -> None:
    """Refuse entities before the parser sees them, in UTF-16 (looked at without zeros) too."""
    start = xml_bytes[: 64 * 1024].replace(b"\0", b"")
    at = start.find(b"<!ENTITY")
    if at >= 0:
        line = start.count(b"\n", 0, at) + 1
        words = "It declares an entity. Annotations need none; the file is refused."
        raise VocError(file, words, line)


class _ObjectRefused(ValueError):
    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


def _parse_object(element: etree._Element, number: int) -> tuple[Box, str]:
    parts = _parts(element)
    try:
        label = clean_label_name(_text_of(parts.get("name")) or "")
    except LabelNameError as error:
        raise _ObjectRefused(f"Box {number}: {error}", element.sourceline) from None
    # The object's own box: <part> elements have boxes of their own, one level down.
    bounds = parts.get("bndbox")
    if bounds is None:
        corners, words = _corners_of_shape(element, label, number)
    else:
        corners, words = _corners(bounds, label, number), ""
    box = Box(
        label,
        *corners,
        difficult=_flag(parts.get("difficult")),
        truncated=_flag(parts.get("truncated")),
        pose=_pose(parts.get("pose")),
    )
    return box, words


def _parts(element: etree._Element) -> dict[str, etree._Element]:
    """The first child of each tag: one walk, where many boxes would take many searches."""
    parts: dict[str, etree._Element] = {}
    for child in element:
        parts.setdefault(str(child.tag), child)
    return parts


def _corners(bounds: etree._Element, label: str, number: int) -> Corners:
    parts = _parts(bounds)
    xmin, ymin, xmax, ymax = (
        _number(parts.get(side), bounds, side, label, number) for side in _SIDES
    )
    return xmin, ymin, xmax, ymax


def _corners_of_shape(element: etree._Element, label: str, number: int) -> tuple[Corners, str]:
    """The corners of the box around another shape, and words about that."""
    name = f"Box {number} ({visible(label, 60)})"
    turned, polygon = element.find("robndbox"), element.find("polygon")
    if turned is not None:  # roLabelImg's, with its angle in radians
        cx, cy, width, height, angle = (
            _coordinate(turned, tag, label, number) for tag in ("cx", "cy", "w", "h", "angle")
        )
        corners = bounds_of_turned_box(
            cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2,
            math.degrees(angle), (cx, cy),
        )  # fmt: skip
        return corners, f"{name} is turned; the box around it was taken."
    if polygon is not None:
        points = _points(polygon, label, number)
        if len(points) >= 3:
            return bounds_of_points(points), f"{name} is a polygon; the box around it was taken."
    raise _ObjectRefused(f"{name} has no <bndbox>.", element.sourceline)


def _points(polygon: etree._Element, label: str, number: int) -> list[tuple[float, float]]:
    """A polygon's corners: <x1/><y1/><x2/>… (Roboflow), or <pt><x/><y/></pt>… (LabelMe's VOC)."""
    pairs = [(point, "x", "y") for point in polygon.iterchildren("pt")]
    while polygon.find(f"x{len(pairs) + 1}") is not None:
        pairs.append((polygon, f"x{len(pairs) + 1}", f"y{len(pairs) + 1}"))
    return [
        (_coordinate(place, x, label, number), _coordinate(place, y, label, number))
        for place, x, y in pairs
    ]


def _coordinate(bounds: etree._Element, side: str, label: str, number: int) -> float:
    return _number(bounds.find(side), bounds, side, label, number)


def _number(
    element: etree._Element | None, bounds: etree._Element, side: str, label: str, number: int
) -> float:
    if element is None:
        name = f"Box {number} ({visible(label, 60)})"
        raise _ObjectRefused(f"{name} has no <{side}>.", bounds.sourceline)
    try:
        return parse_number(element.text or "")
    except NumberRefused as refusal:
        name = f"Box {number} ({visible(label, 60)})"
        raise _ObjectRefused(f"{name} has {side} {refusal}.", element.sourceline) from None


def _flag(element: etree._Element | None) -> bool:
    return (_text_of(element) or "0").lower() not in ("0", "false", "no", "unspecified")


def _pose(element: etree._Element | None) -> str:
    pose = " ".join((_text_of(element) or "").split())
    return pose[:40] if pose and pose.isprintable() else "Unspecified"


def _text_of(element: etree._Element | None) -> str | None:
    text = element.text if element is not None else None
    return text.strip() or None if text is not None else None


def _extent(root: etree._Element, tag: str) -> float | None:
    try:
        value = parse_number(root.findtext(f"size/{tag}") or "")
    except NumberRefused:
        return None
    return value if value > 0 else None


def _add(parent: etree._Element, tag: str, text: str) -> None:
    etree.SubElement(parent, tag).text = xml_text(text)


def xml_text(text: str) -> str:
    """Text that XML 1.0 can hold: what it forbids becomes U+FFFD."""
    if text.isprintable():
        return text
    return "".join(character if _allowed(character) else "\ufffd" for character in text)


def _allowed(character: str) -> bool:
    code = ord(character)
    return code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF


def _number_text(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _first_words(error: Exception) -> str:
    return visible(str(error).split(" (<string>")[0].strip().rstrip("."), 160)
