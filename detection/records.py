"""Read training examples from TFRecords: pictures still encoded, boxes relative."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.formats.tfrecord import read_records


@dataclass(frozen=True, slots=True)
class RecordExample:
    """One image of a record file.

    ``boxes_rel_xyxy`` ``[N, 4]`` float32 in 0..1, ``class_ids`` ``[N]`` as the label map has them,
    ``ignored`` ``[N]`` bool: difficult or crowd, not to be learnt and not to be punished.
    """

    name: str
    width: int
    height: int
    encoded: bytes
    boxes_rel_xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    ignored: NDArray[np.bool_]

    def without_picture(self) -> RecordExample:
        return replace(self, encoded=b"")


def read_examples(paths: Sequence[Path]) -> Iterator[RecordExample]:
    """All examples of the record files, in order. Boxes without area are passed over.

    Raises RecordError (a ValueError) where a file is damaged, ExampleError where a key is missing.
    """
    for path in paths:
        for example in read_records(path):
            columns = [
                example.floats(f"image/object/bbox/{side}")
                for side in ("xmin", "ymin", "xmax", "ymax")
            ]
            boxes = np.array(columns, np.float32).reshape(4, -1).T
            class_ids = np.array(example.ints("image/object/class/label"), np.int64)
            ignored = np.zeros(len(boxes), bool)
            for key in ("image/object/difficult", "image/object/is_crowd"):
                flags = example.ints(key)
                if flags:
                    ignored |= np.array(flags, bool)
            boxes = np.clip(boxes, 0.0, 1.0)
            good = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
            yield RecordExample(
                name=example.one_bytes("image/filename").decode("utf-8", "replace"),
                width=example.one_int("image/width"),
                height=example.one_int("image/height"),
                encoded=example.one_bytes("image/encoded"),
                boxes_rel_xyxy=boxes[good],
                class_ids=class_ids[good],
                ignored=ignored[good],
            )
