"""TFRecord files as a dataset to convert, and datasets written as TFRecord files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO

from detection.archive import ArchiveError
from detection.formats.dataset import LABEL_MAP_NAME, Dataset, DatasetError, WriteReport
from detection.formats.drawn import AnnotationError, Drawn
from detection.formats.example_wire import Example, ExampleError, parse_example
from detection.formats.files import Files
from detection.formats.reading import Reading, Say, reading_of_spool
from detection.formats.sink import FolderSink, Sink
from detection.formats.spool import Spool
from detection.formats.tfrecord import (
    RecordError,
    begins_as_records,
    decode_boxes,
    encode_example,
    frame,
    is_record_name,
    read_stream,
)
from detection.images import SUFFIX_BY_FORMAT
from detection.label_map import (
    LabelMap,
    LabelMapItem,
    LabelNameError,
    clean_label_name,
    write_label_map,
)
from detection.names import UniquePaths, base_name, has_image_suffix, layout_key
from detection.names_on_disk import NameList
from detection.splits import split_in
from detection.types import Problem

KEY = "tfrecord"
IMAGES_A_SHARD = 500
_MOST_LABELS = 10_000

__all__ = ["IMAGES_A_SHARD", "KEY", "is_record_name", "read", "recognise", "write", "write_dataset"]


def recognise(head: bytes) -> bool:
    """Whether a file begins as a TFRecord file."""
    return begins_as_records(head)


def read(
    files: Files, say: Say, names: Sequence[str], label_map: LabelMap | None = None
) -> Reading:
    """Index the record files ``names``. A file's split is the word train, val or test in its name.

    Args:
        label_map: names for records that have class ids only; else the records' own
            ``class/label`` and ``class/text`` are the label map.

    Raises:
        DatasetError: the data cannot be used.
    """
    records = _Records(files, names, label_map)
    try:
        found = records.index(say)
    except RecordError as error:
        records.close()
        raise DatasetError(str(error)) from None
    image_names = NameList(records.spool.names())
    if not image_names:
        raise DatasetError("There is no record with a picture in it.")
    reading = reading_of_spool(KEY, records.spool, image_names, say, drawn=records.drawn)
    return replace(
        reading,
        label_map=label_map or found,
        read_picture=records.picture,
        close=records.close,
    )


class _Records:
    """Record files with the place of each record; one is in memory at a time."""

    def __init__(self, files: Files, names: Sequence[str], label_map: LabelMap | None) -> None:
        self._names, self._label_map = names, label_map
        self.spool = Spool()
        self._stack = ExitStack()
        self._opened = [self._seekable(files, name) for name in names]
        self._last: tuple[str, Example] | None = None

    def close(self) -> None:
        self._stack.close()
        self.spool.close()

    def _seekable(self, files: Files, name: str) -> BinaryIO:
        path = files.path(name)
        if path is not None:
            return self._stack.enter_context(path.open("rb"))
        # An archive's entry cannot be read from its middle: it is unpacked, once.
        copy = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        try:
            with files.open(name) as stream:
                shutil.copyfileobj(stream, copy, 1024 * 1024)
        except (ArchiveError, OSError) as error:
            raise DatasetError(f"{name}: {error}") from None
        copy.seek(0)
        return copy

    def index(self, say: Say) -> LabelMap | None:
        """Register every record; the label map that they have. Raises RecordError."""
        unique = UniquePaths()
        labels: dict[int, str] = {}
        consistent = True
        for number, file in enumerate(self._opened):
            name = self._names[number]
            split = split_in(name)
            for record_number, (offset, record) in enumerate(read_stream(file, name), 1):
                where = f"{base_name(name)}, record {record_number}"
                try:
                    example = parse_example(record)
                    shown = _name_in(example, where, unique)
                except ExampleError as error:
                    say(Problem(where, f"{error} Left out.", "refused"))
                    continue
                consistent &= _collect_labels(example, labels)
                place = f"{number} {offset} {len(record)} {record_number}"
                self.spool.add_image(shown, shown, where, split=split, relative=True, extra=place)
        self.spool.index()
        if not consistent and self._label_map is None:
            words = "One class id means two labels in the records: labels are numbered anew."
            say(Problem(base_name(self._names[0]), words, "note"))
            return None
        try:
            items = [
                LabelMapItem(number, clean_label_name(name)) for number, name in labels.items()
            ]
            return LabelMap(tuple(items)) if items else None
        except (LabelNameError, ValueError):
            return None

    def _example(self, name: str) -> Example:
        if self._last is None or self._last[0] != name:
            place = self.spool.extra(name)
            if place is None:
                raise KeyError(name)
            number, offset, length, _ = map(int, place.split())
            file = self._opened[number]
            file.seek(offset + 12)
            self._last = (name, parse_example(file.read(length)))
        return self._last[1]

    def drawn(self, name: str, file: str = "") -> Drawn:
        where = self.spool.drawn(name).file
        try:
            boxes = decode_boxes(self._example(name), self._label_map)
            boxes = tuple(replace(box, label=clean_label_name(box.label)) for box in boxes)
        except (ExampleError, LabelNameError) as error:
            raise AnnotationError(where, f"{error} Left out.") from None
        # The API's readers know no EXIF: its boxes are in the frame before the turn.
        return Drawn(where, boxes, relative=True, stored=True)

    def picture(self, name: str) -> bytes:
        return self._example(name).one_bytes("image/encoded")


def _name_in(example: Example, where: str, unique: UniquePaths) -> str:
    """The image's name, unlike any other's. Raises ExampleError where there is no picture."""
    example.one_bytes("image/encoded")
    given = example.bytes_list("image/filename") or example.bytes_list("image/source_id")
    name = (given[0] if given else b"").decode("utf-8", "replace") or where
    if not has_image_suffix(name):
        known = (example.bytes_list("image/format") or [b""])[0].decode("ascii", "replace")
        name += SUFFIX_BY_FORMAT.get(known.lower(), ".jpg")
    return unique.path_for(name)


def _collect_labels(example: Example, labels: dict[int, str]) -> bool:
    """Note which id means which label; False where one id means two."""
    ids = example.ints("image/object/class/label")
    texts = example.bytes_list("image/object/class/text")
    for class_id, text in zip(ids, texts, strict=False):
        name = text.decode("utf-8", "replace")
        if labels.setdefault(class_id, name) != name or len(labels) > _MOST_LABELS:
            return False
    return True


def write_dataset(
    dataset: Dataset, target: Path, report: WriteReport, on_progress: Callable[[int], None]
) -> None:
    """Write ``target``/SPLIT-00000-of-0000N and the label map: what a training reads."""
    sink = FolderSink(target)
    for _ in write(dataset, sink, report):
        on_progress(report.num_images)
    report.files += sink.files


def write(dataset: Dataset, sink: Sink, report: WriteReport) -> Iterator[None]:
    """Write SPLIT-00000-of-0000N, in shards of 500 images, and the label map.

    Images come split by split. A record's filename is the image's own, without folders, as the
    API writes it; where two images share one, it is the path. Records hold their pictures.
    """
    if sink.images == "none":
        raise DatasetError("TFRecord files hold their pictures; they cannot be left out.")
    with sink.open(LABEL_MAP_NAME) as file:
        file.write(write_label_map(dataset.label_map).encode("utf-8"))
    items = dataset.read(report.problems.append)
    item = next(items, None)
    names = _RecordNames()
    for split, size in dataset.split_sizes.items():
        num_shards = max(1, -(-size // IMAGES_A_SHARD))
        for shard in range(num_shards):
            with sink.open(f"{split}-{shard:05d}-of-{num_shards:05d}") as file:
                room = IMAGES_A_SHARD
                while room and item is not None and item.split == split:
                    image = replace(item.image, name=names.name_for(item.image.name))
                    record = encode_example(
                        image, item.picture, item.picture_format, dataset.label_map
                    )
                    for part in frame(record):
                        file.write(part)
                    report.count(item)
                    yield
                    item, room = next(items, None), room - 1
            yield


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
