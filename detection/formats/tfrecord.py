"""TFRecord files of ``tf.train.Example``, as the TensorFlow Object Detection API writes them.

The keys, their kinds and their lengths are those of its ``create_pascal_tf_record.py`` (and, for
``image/object/is_crowd``, of its ``create_coco_tf_record.py``). Boxes are relative to the image, in
float32. Messages are written and read byte by byte here, so that no TensorFlow is needed:
https://protobuf.dev/programming-guides/encoding/ for the messages, and
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details for the framing.
"""

from __future__ import annotations

import glob
import hashlib
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import google_crc32c

from detection.formats.example_wire import (
    Example,
    ExampleError,
    FeatureKey,
    encode_features,
    parse_example,
)
from detection.label_map import LabelMap
from detection.types import Box, LabelledImage

__all__ = [
    "Example",
    "RecordError",
    "RecordWriter",
    "count_records",
    "decode_example",
    "encode_example",
    "read_raw_records",
    "read_records",
    "record_paths",
]

MAX_RECORD_BYTES = 512 * 1024 * 1024
# float32 keeps a relative coordinate to about 1/8000 of a pixel in an image 2,000 wide; what lies
# below this many decimals is its rounding and not the annotator's.
_DECIMALS = 3
_MASK_DELTA = 0xA282EAD8

_HEIGHT, _WIDTH = FeatureKey("image/height"), FeatureKey("image/width")
_FILENAME, _SOURCE_ID = FeatureKey("image/filename"), FeatureKey("image/source_id")
_SHA256 = FeatureKey("image/key/sha256")
_ENCODED, _FORMAT = FeatureKey("image/encoded"), FeatureKey("image/format")
_XMIN, _XMAX, _YMIN, _YMAX = (
    FeatureKey(f"image/object/bbox/{side}") for side in ("xmin", "xmax", "ymin", "ymax")
)
_CLASS_TEXT = FeatureKey("image/object/class/text")
_CLASS_LABEL = FeatureKey("image/object/class/label")
_DIFFICULT, _TRUNCATED, _IS_CROWD, _VIEW = (
    FeatureKey(f"image/object/{name}") for name in ("difficult", "truncated", "is_crowd", "view")
)


class RecordError(ValueError):
    """A record file that cannot be read; the message names file and record."""


def encode_example(
    image: LabelledImage, image_bytes: bytes, image_format: str, label_map: LabelMap
) -> bytes:
    """Serialise one image with its boxes as a ``tf.train.Example``.

    Args:
        image: boxes in pixels of the upright image; ``name`` becomes filename and source id.
        image_bytes: an encoded upright picture, as ``upright_jpeg_bytes`` gives it.
        image_format: ``"jpeg"`` or ``"png"``.
        label_map: gives each label's class id.

    Raises:
        KeyError: a box's label is not in the label map.
    """
    boxes, width, height = image.boxes, image.width, image.height
    name = image.name.encode("utf-8", "surrogateescape")
    digest = hashlib.sha256(image_bytes).hexdigest().encode("ascii")
    by_name = label_map.by_name
    labels = [by_name[box.label] for box in boxes]
    corners = list(zip(*[box.xyxy for box in boxes], strict=True)) or [()] * 4
    xmin, ymin, xmax, ymax = corners
    parts = [
        _repeated_ints(_HEIGHT, (height,)),
        _repeated_ints(_WIDTH, (width,)),
        *_FILENAME.one_bytes(name),
        *_SOURCE_ID.one_bytes(name),
        *_SHA256.one_bytes(digest),
        _repeated_texts(_FORMAT, (image_format,)),
        *_ENCODED.one_bytes(image_bytes),
        _XMIN.floats([value / width for value in xmin]),
        _XMAX.floats([value / width for value in xmax]),
        _YMIN.floats([value / height for value in ymin]),
        _YMAX.floats([value / height for value in ymax]),
        _CLASS_TEXT.bytes_list([label.name.encode("utf-8") for label in labels]),
        _CLASS_LABEL.ints([label.id for label in labels]),
        _repeated_ints(_DIFFICULT, tuple([box.difficult for box in boxes])),
        _repeated_ints(_TRUNCATED, tuple([box.truncated for box in boxes])),
        _repeated_texts(_VIEW, tuple([box.pose for box in boxes])),
    ]
    if any(box.crowd for box in boxes):
        parts.append(_IS_CROWD.ints([box.crowd for box in boxes]))
    return encode_features(parts)


@lru_cache(maxsize=512)
def _repeated_ints(key: FeatureKey, values: tuple[int, ...]) -> bytes:
    """Sizes and flags: one image's are mostly those of another."""
    return key.ints(values)


@lru_cache(maxsize=512)
def _repeated_texts(key: FeatureKey, values: tuple[str, ...]) -> bytes:
    return key.bytes_list([value.encode("utf-8") for value in values])


def decode_example(
    example: Example, label_map: LabelMap | None = None
) -> tuple[LabelledImage, bytes, str]:
    """The image with its boxes in pixels, its encoded bytes, and its format.

    A label's name comes from ``image/object/class/text``, or, where a file has none, from its
    class id and ``label_map``. Boxes come as the file has them: unchecked.

    Raises:
        ExampleError: a key is missing, lists differ in length, or a label has no name.
    """
    width, height = example.one_int("image/width"), example.one_int("image/height")
    name = example.one_bytes("image/filename").decode("utf-8", "surrogateescape")
    boxes = tuple(
        replace(
            box,
            xmin=round(box.xmin * width, _DECIMALS),
            ymin=round(box.ymin * height, _DECIMALS),
            xmax=round(box.xmax * width, _DECIMALS),
            ymax=round(box.ymax * height, _DECIMALS),
        )
        for box in decode_boxes(example, label_map)
    )
    image_format = example.bytes_list("image/format") or [b""]
    picture = example.one_bytes("image/encoded")
    return LabelledImage(name, width, height, boxes), picture, image_format[0].decode("ascii")


def decode_boxes(example: Example, label_map: LabelMap | None = None) -> tuple[Box, ...]:
    """The boxes of an Example, in fractions of the picture as it is stored; unchecked.

    Raises ExampleError: lists differ in length, a label has no name, or text is not UTF-8.
    """
    count = len(example.floats("image/object/bbox/xmin"))
    columns: list[list[float]] = [
        [*example.floats(f"image/object/bbox/{side}")] for side in ("xmin", "ymin", "xmax", "ymax")
    ]
    for key in ("difficult", "truncated", "is_crowd"):
        columns.append([*(example.ints(f"image/object/{key}") or [0] * count)])
    labels = _labels(example, label_map, count)
    views = example.bytes_list("image/object/view") or [b"Unspecified"] * count
    lengths = [len(labels), *map(len, columns), len(views)]
    if set(lengths) != {count}:
        shown = ", ".join(map(str, lengths))
        raise ExampleError(f"Its lists of boxes differ in length ({shown}).")
    return tuple(
        Box(label, xmin, ymin, xmax, ymax, bool(difficult), bool(truncated), bool(crowd), pose)
        for label, xmin, ymin, xmax, ymax, difficult, truncated, crowd, pose in zip(
            labels, *columns, [view.decode("utf-8", "replace") for view in views], strict=True
        )
    )


def _labels(example: Example, label_map: LabelMap | None, count: int) -> list[str]:
    texts = example.bytes_list("image/object/class/text")
    if texts or not count:
        try:
            return [text.decode("utf-8") for text in texts]
        except UnicodeDecodeError:
            raise ExampleError("The name of a label in it is not UTF-8.") from None
    ids = example.ints("image/object/class/label")
    if label_map is None:
        raise ExampleError("Its boxes have class ids and no names, and no label map was given.")
    unknown = [class_id for class_id in ids if class_id not in label_map.by_id]
    if unknown:
        raise ExampleError(f"The class id {unknown[0]} is not in the label map.")
    return [label_map.by_id[class_id].name for class_id in ids]


class RecordWriter:
    """Writes serialised Examples to ``PREFIX-00000-of-0000N``, in turn, one record at a time.

    Files are written beside their place and get their names when all are whole: on leaving the
    ``with`` block without an error. After an error nothing is left.
    """

    def __init__(self, prefix: Path | str, num_shards: int = 1) -> None:
        if num_shards < 1:
            raise ValueError(f"num_shards is {num_shards}; it must be at least 1.")
        prefix = Path(prefix)
        self.paths = tuple(
            prefix.with_name(f"{prefix.name}-{shard:05d}-of-{num_shards:05d}")
            for shard in range(num_shards)
        )
        self.num_records = 0
        self._files: list[BinaryIO] = []
        self._stack = ExitStack()

    def __enter__(self) -> RecordWriter:
        self.paths[0].parent.mkdir(parents=True, exist_ok=True)
        # At most 4 MiB in all: many shards must not take more memory than few.
        buffering = min(max(2**22 // len(self.paths), 16 * 1024), 64 * 1024)
        with ExitStack() as stack:
            for path in self.paths:
                file = _part(path).open("wb", buffering)
                self._files.append(stack.enter_context(file))
            self._stack = stack.pop_all()
        return self

    def write(self, record: bytes) -> None:
        """Append one serialised Example to the next shard."""
        file = self._files[self.num_records % len(self._files)]
        for part in frame(record):
            file.write(part)
        self.num_records += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._stack.close()
            if kind is None:
                for path in self.paths:
                    _part(path).replace(path)
        finally:
            for path in self.paths:
                _part(path).unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


def record_paths(source: Path | str) -> list[Path]:
    """The record files that ``source`` means, in order: a file, a folder, or a shards' prefix.

    Raises FileNotFoundError in words where there is none.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [file for file in path.iterdir() if is_record_name(file.name)]
    else:
        found = list(path.parent.glob(f"{glob.escape(path.name)}-?????-of-?????"))
    if not found:
        raise FileNotFoundError(f"{path}: there are no TFRecord files here.")
    return sorted(found)


def is_record_name(name: str) -> bool:
    shard = Path(name).match("*-?????-of-?????")
    return shard or name.endswith((".record", ".records", ".tfrecord", ".tfrecords"))


def read_records(source: Path | str) -> Iterator[Example]:
    """Parse the Examples of a record file, a folder of them, or a prefix of shards, one by one.

    Raises:
        RecordError: naming file and record, where one is cut short, altered or no Example.
        FileNotFoundError: where there are no record files.
    """
    for path in record_paths(source):
        for number, record in enumerate(read_raw_records(path), 1):
            try:
                yield parse_example(record)
            except ExampleError as error:
                raise RecordError(f"{path.name}, record {number}: {error}") from None


def read_raw_records(path: Path) -> Iterator[bytes]:
    """The serialised records of one file, each held against its checksum. Raises RecordError."""
    with path.open("rb") as file:
        for _, record in read_stream(file, path.name):
            yield record


def read_stream(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """``(offset, record)`` of each record from here on. Raises RecordError."""
    number = offset = 0
    while head := file.read(12):
        number += 1
        where = f"{name}, record {number}"
        if len(head) < 12 or _masked_crc(head[:8]) != head[8:]:
            raise _damaged_length(name, number)
        (length,) = struct.unpack("<Q", head[:8])
        if length > MAX_RECORD_BYTES:
            raise RecordError(f"{where}: it claims {length:,} bytes; the limit is "
                              f"{MAX_RECORD_BYTES:,}.")  # fmt: skip
        record, crc = file.read(length), file.read(4)
        if len(record) < length or len(crc) < 4:
            raise RecordError(f"{where}: the file ends within it, after {len(record):,} of "
                              f"{length:,} bytes.")  # fmt: skip
        if _masked_crc(record) != crc:
            raise RecordError(f"{where}: it does not fit its checksum. The file is damaged.")
        yield offset, record
        offset += length + 16


def frame(record: bytes) -> tuple[bytes, bytes, bytes]:
    """What a TFRecord file holds for one record: its head, the record, its checksum."""
    length = struct.pack("<Q", len(record))
    return length + _masked_crc(length), record, _masked_crc(record)


def begins_as_records(head: bytes) -> bool:
    """Whether a file's first 12 bytes are those of a TFRecord file."""
    return len(head) >= 12 and _masked_crc(head[:8]) == head[8:12]


def count_records(path: Path) -> int:
    """How many records a file has, by stepping over them. Raises RecordError."""
    size, count = path.stat().st_size, 0
    with path.open("rb") as file:
        while head := file.read(12):
            count += 1
            if len(head) < 12 or _masked_crc(head[:8]) != head[8:]:
                raise _damaged_length(path.name, count)
            (length,) = struct.unpack("<Q", head[:8])
            if length > MAX_RECORD_BYTES or file.seek(length + 4, 1) > size:
                raise RecordError(f"{path.name}, record {count}: the file ends within it.")
    return count


def _damaged_length(name: str, number: int) -> RecordError:
    return RecordError(
        f"{name}, record {number}: its length does not fit its checksum. It is damaged, "
        "or this is not a TFRecord file."
    )
