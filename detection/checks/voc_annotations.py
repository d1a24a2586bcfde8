"""Pascal VOC files as they stand, and written again with no more changed than was mended."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from detection.checks.survey import SurveyedBox, SurveyedImage
from detection.formats.voc_xml import VocFile

_SIDES = ("xmin", "ymin", "xmax", "ymax")


def boxes_of(voc: VocFile) -> tuple[SurveyedBox, ...]:
    """The file's boxes, by their number and line."""
    return tuple(
        SurveyedBox(number, box.label, box.xyxy, line)
        for box, number, line in zip(voc.boxes, voc.numbers, voc.lines, strict=True)
    )


def rewrite_voc(data: bytes, before: SurveyedImage, after: SurveyedImage) -> bytes:
    """The XML with its boxes, labels and size as ``after`` has them.

    What the mending does not touch (other elements, comments, line ends inside) stays as it is.
    ``data`` has been parsed before, so it holds nothing dangerous.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    root = etree.fromstring(data, parser)
    old = {box.number: box for box in before.boxes}
    new = {box.number: box for box in after.boxes}
    for number, element in enumerate(list(root.iterchildren("object")), 1):
        if number in old and number not in new:
            _remove(root, element)
        elif number in new and new[number] != old[number]:
            _write_box(element, new[number], old[number])
    if after.declared != before.declared and after.declared is not None:
        _write_size(root, after.declared)
    declared = data.lstrip().startswith(b"<?xml")
    encoding = root.getroottree().docinfo.encoding or "UTF-8"
    tree = root.getroottree()
    written = bytes(etree.tostring(tree, encoding=encoding, xml_declaration=declared))
    return written + (b"\n" if data.endswith(b"\n") else b"")


def _remove(root: etree._Element, element: etree._Element) -> None:
    """Take the object out together with its line's indent, so that no blank line stays."""
    previous = element.getprevious()
    if previous is not None:
        previous.tail = element.tail
    root.remove(element)


def _write_box(element: etree._Element, new: SurveyedBox, old: SurveyedBox) -> None:
    if new.label != old.label:
        name = element.find("name")
        if name is not None:
            name.text = new.label
    bounds = element.find("bndbox")
    if bounds is None:
        return
    for side, value, was in zip(_SIDES, new.xyxy, old.xyxy, strict=True):
        corner = bounds.find(side)
        if corner is not None and value != was:
            corner.text = _number(value)


def _write_size(root: etree._Element, size: Sequence[float]) -> None:
    element = root.find("size")
    if element is None:
        element = etree.SubElement(root, "size")
        root.remove(element)
        first = root.find("object")
        root.insert(root.index(first) if first is not None else len(root), element)
    for tag, value in zip(("width", "height"), size, strict=True):
        child = element.find(tag)
        if child is None:
            child = etree.SubElement(element, tag)
        child.text = _number(value)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(float(value), 4))
