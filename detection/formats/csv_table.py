"""CSV: one box a line, as the Object Detection API's tutorials, VoTT and others write it.

Columns are found by their names: ``filename,width,height,class,xmin,ymin,xmax,ymax`` (the
tutorials), ``image,xmin,ymin,xmax,ymax,label`` (VoTT), Open Images' (in fractions), and, without
a first line, keras-retinanet's ``path,x1,y1,x2,y2,class``. A line without a box is a negative.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``. We write such a name with
an apostrophe before it, which spreadsheets hide, and take that apostrophe off when reading.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

from detection.formats.dataset import Dataset, DatasetItem, WriteReport
from detection.formats.drawn import AnnotationError
from detection.formats.files import Files, image_names
from detection.formats.numbers import NumberRefused, parse_number
from detection.formats.reading import Reading, Say, read_each, reading_of_spool
from detection.formats.sink import Sink
from detection.formats.spool import Spool
from detection.label_map import LabelNameError, clean_label_name
from detection.names import has_image_suffix, visible
from detection.splits import SPLITS, split_in
from detection.types import Box, Problem

KEY = "csv"
COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
_MAX_CELL = 4096
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_NAMES = {
    "name": ("filename", "file_name", "image", "image_path", "path", "file", "img", "imageid"),
    "label": ("class", "label", "labelname", "class_name", "name", "category", "tag"),
    "xmin": ("xmin", "x1", "x_min", "left", "bbox_xmin"),
    "ymin": ("ymin", "y1", "y_min", "top", "bbox_ymin"),
    "xmax": ("xmax", "x2", "x_max", "right", "bbox_xmax"),
    "ymax": ("ymax", "y2", "y_max", "bottom", "bbox_ymax"),
    "width": ("width", "image_width", "img_width"),
    "height": ("height", "image_height", "img_height"),
    "split": ("split", "set", "subset"),
    "truncated": ("istruncated", "truncated"),
    "crowd": ("isgroupof",),
    "difficult": ("difficult",),
}
_NEEDED = ("name", "label", *_SIDES)
_FORMULA = "=+-@\t\r"


@dataclass(frozen=True)
class _Columns:
    at: dict[str, int]
    relative: bool = False
    has_header: bool = True


def recognise(head: bytes) -> bool:
    """Whether the first bytes of a CSV file hold columns that are known."""
    text = head.decode("utf-8-sig", "replace")
    lines = text.splitlines()[:2]
    if not lines:
        return False
    row = next(csv.reader(lines, delimiter=_delimiter(lines[0])), [])
    return _columns(row) is not None


def _columns(row: Sequence[str]) -> _Columns | None:
    """Where the columns stand, from the first line; None where it is none that is known."""
    words = [cell.strip().lower() for cell in row]
    at: dict[str, int] = {}
    for column, spellings in _NAMES.items():
        found = [words.index(word) for word in spellings if word in words]
        if found:
            at[column] = found[0]
    if all(column in at for column in _NEEDED):
        return _Columns(at, relative="imageid" in words and "isgroupof" in words)
    if len(row) == 6 and has_image_suffix(words[0]) and _is_box_or_empty(words[1:5]):
        return _Columns(dict(zip(("name", *_SIDES, "label"), range(6), strict=True)), False, False)
    return None


def _is_box_or_empty(cells: Sequence[str]) -> bool:
    if not any(cells):
        return True
    try:
        return len([parse_number(cell) for cell in cells]) == 4
    except NumberRefused:
        return False


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def read(files: Files, say: Say, names: Sequence[str]) -> Reading:
    """Index the CSV files ``names``. A file's split is the word train, val or test in its name,
    where it has no column of that kind. Raises DatasetError where none can be used."""
    spool = Spool()
    read_each(
        files, names, "CSV", say,
        lambda stream, name, prefix: _read_file(stream, name, prefix, spool, say),
    )  # fmt: skip
    spool.index()
    images = image_names(files)
    return reading_of_spool(KEY, spool, images, say)


def _read_file(stream: BinaryIO, file: str, prefix: str, spool: Spool, say: Say) -> None:
    rows = _Rows(stream, file)
    first = next(rows, None)
    columns = _columns(first) if first is not None else None
    if first is None or columns is None:
        shown = visible(",".join(first or []), 100)
        words = f"Its first line is {shown!r}. It should name the columns, as in "
        raise AnnotationError(file, words + ",".join(COLUMNS), 1)
    if not columns.has_header:
        _read_row(first, 1, columns, file, prefix, spool, say)
    for row in rows:
        if any(cell.strip() for cell in row):
            _read_row(row, rows.line, columns, file, prefix, spool, say)


class _Rows:
    """Rows of a CSV file, however their lines end. Raises AnnotationError."""

    def __init__(self, stream: BinaryIO, file: str) -> None:
        head = stream.read(64 * 1024)
        text = head.decode("utf-8-sig", "replace")
        self.file = file
        self._reader = csv.reader(
            _lines(head, stream), delimiter=_delimiter(text.partition("\n")[0])
        )

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> list[str]:
        try:
            return next(self._reader)
        except UnicodeDecodeError:
            raise AnnotationError(self.file, "It is not UTF-8 text.", self.line + 1) from None
        except csv.Error as error:
            words = f"It cannot be read as CSV ({error})."
            raise AnnotationError(self.file, words, self.line + 1) from None

    @property
    def line(self) -> int:
        return self._reader.line_num


def _lines(head: bytes, stream: BinaryIO) -> Iterator[str]:
    decode = codecs.getincrementaldecoder("utf-8-sig")().decode
    rest = ""
    data = head
    while True:
        rest += decode(data, final=not data)
        lines = rest.splitlines(keepends=True)
        if data:
            # The last one may go on; so may one that ends with half of "\r\n".
            rest = lines.pop() if lines else ""
            if len(rest) > 1024 * 1024:
                raise csv.Error("a line is longer than 1 MB")
        yield from lines
        if not data:
            return
        data = stream.read(64 * 1024)


def _read_row(
    row: list[str], line: int, columns: _Columns, file: str, prefix: str, spool: Spool, say: Say
) -> None:
    def cell(column: str) -> str:
        at = columns.at.get(column)
        return row[at].strip() if at is not None and at < len(row) else ""

    name = unguarded(cell("name"))
    if not name or len(name) > _MAX_CELL:
        say(Problem(file, "It names no image. Left out.", "refused", line))
        return
    key = prefix + name
    split = cell("split").lower()
    split = split if split in SPLITS else split_in(split) or split_in(file)
    width, height = _size(cell("width")), _size(cell("height"))
    spool.add_image(key, name, file, width, height, split=split, relative=columns.relative)
    label, sides = unguarded(cell("label")), [cell(side) for side in _SIDES]
    if not label and not any(sides):
        return  # a negative: it shows nothing
    try:
        spool.add_box(key, _box(label, sides, cell), line, line)
    except (LabelNameError, ValueError) as error:
        spool.add_problem(key, Problem(file, f"{error} Left out.", "refused", line))


def _box(label: str, sides: list[str], cell: object) -> Box:
    """Raises LabelNameError and ValueError, as a sentence."""
    label = clean_label_name(label)
    values = []
    for side, text in zip(_SIDES, sides, strict=True):
        try:
            values.append(parse_number(text))
        except NumberRefused as refusal:
            raise ValueError(f"Its {side} is {refusal}.") from None
    assert callable(cell)
    flags: dict[str, Any] = {
        flag: cell(flag).lower() in ("1", "true") for flag in ("difficult", "truncated", "crowd")
    }
    xmin, ymin, xmax, ymax = values
    return Box(label, xmin, ymin, xmax, ymax, **flags)


def _size(text: str) -> float | None:
    try:
        value = parse_number(text)
    except NumberRefused:
        return None
    return value if value > 0 else None


def guarded(text: str) -> str:
    """A cell that no spreadsheet runs: an apostrophe goes before what could be a formula."""
    return f"'{text}" if text.lstrip("'")[:1] in tuple(_FORMULA) else text


def unguarded(text: str) -> str:
    """What ``guarded`` was given."""
    if text.startswith("'") and text.lstrip("'")[:1] in tuple(_FORMULA):
        return text[1:]
    return text


def write(dataset: Dataset, sink: Sink, report: WriteReport) -> Iterator[None]:
    """Write ``SPLIT_labels.csv`` with the tutorials' columns, and the pictures in ``images``.

    An image without boxes has a line with empty cells. ``difficult``, ``truncated``, ``crowd``,
    ``pose`` and class ids cannot be kept.
    """
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(sink.open(f"{split}_labels.csv"))
            for split in dataset.split_sizes
        }
        for file in writers.values():
            file.write(_row(COLUMNS))
        for item in dataset.read(report.problems.append):
            path = sink.picture_path(item)
            sink.add_picture(f"images/{path}", item)
            for row in _rows_of(item, path):
                writers[item.split].write(_row(row))
            report.count(item)
            yield
    yield


def _rows_of(item: DatasetItem, path: str) -> Iterator[list[str]]:
    size = [str(item.image.width), str(item.image.height)]
    for box in item.image.boxes:
        yield [guarded(path), *size, guarded(box.label), *map(_number, box.xyxy)]
    if not item.image.boxes:
        yield [guarded(path), *size, "", "", "", "", ""]


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _row(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8", "replace")
