"""Decode each picture of a split once, and keep it small beside the run.

Needs no TensorFlow. The pixels lie in a file that is mapped into memory: sets that fit stay in
the system's page cache, larger ones do not push the trainer out of memory.
"""

from __future__ import annotations

import io
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.images import open_upright
from detection.label_map import LabelMap
from detection.records import RecordExample, read_examples
from detection.squares import squared

BOX, IGNORED = 0, 1
DECODERS = os.cpu_count() or 1
DECODE_AHEAD = 16 * DECODERS
# The disk is not filled to its last byte: checkpoints and the model need room, too.
SPARE_BYTES = 500_000_000


@dataclass
class CachedSplit:
    """A split's pictures, stretched to one square size, with their ground truth.

    ``pixels`` ``[N, side, side, 3]`` uint8 RGB; ``boxes_rel_xyxy`` ``[N, M, 4]`` float32,
    ``classes`` ``[N, M]`` int32 model indices and ``kinds`` ``[N, M, 2]`` float32, whose columns
    say "a box to learn" and "a box to ignore" (difficult, crowd); all rows padded to M boxes.
    ``names``: the pictures' names; ``sizes`` ``[N, 2]``: their width and height in pixels.
    """

    pixels: NDArray[np.uint8]
    boxes_rel_xyxy: NDArray[np.float32]
    classes: NDArray[np.int32]
    kinds: NDArray[np.float32]
    names: list[str]
    sizes: NDArray[np.int32]

    @property
    def num_images(self) -> int:
        return len(self.names)

    @property
    def max_boxes(self) -> int:
        return self.boxes_rel_xyxy.shape[1]


def cache_split(
    records: Sequence[Path],
    label_map: LabelMap,
    side: int,
    pixels_path: Path,
    on_picture: Callable[[], None] = lambda: None,
) -> CachedSplit:
    """Read ``records``, decode and shrink every picture to ``side`` x ``side`` pixels.

    The pixels go to ``pixels_path`` (.npy); ``on_picture`` is called after each. Raises ValueError
    for a record that is broken or has a label that ``label_map`` has not, and where the disk is
    too small.
    """
    truths = [example.without_picture() for example in read_examples(records)]
    split = _ground_truth(truths, label_map)
    pixels_path.parent.mkdir(parents=True, exist_ok=True)
    shape = (len(truths), side, side, 3)
    _refuse_full_disk(pixels_path.parent, math.prod(shape))
    pixels = np.lib.format.open_memmap(pixels_path, "w+", np.uint8, shape)
    with ThreadPoolExecutor(DECODERS) as pool:
        jobs = ((example.encoded, side, example.name) for example in read_examples(records))
        for row, picture in enumerate(_map_ahead(pool, jobs)):
            pixels[row] = picture
            on_picture()
    pixels.flush()
    split.pixels = pixels
    return split


def _refuse_full_disk(folder: Path, needed: int) -> None:
    """A mapped file that meets a full disk ends the process without a word: look before."""
    free = shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        raise ValueError(
            f"{folder}: the decoded pictures need {(needed + SPARE_BYTES) / 1e9:.1f} GB there, and "
            f"{free / 1e9:.1f} GB are free. Make room, or train with a smaller --input-size."
        )


def _decode(encoded: bytes, side: int, name: str) -> NDArray[np.uint8]:
    try:
        return squared(np.asarray(open_upright(io.BytesIO(encoded))), side)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _map_ahead(
    pool: ThreadPoolExecutor, jobs: Iterable[tuple[bytes, int, str]]
) -> Iterator[NDArray[np.uint8]]:
    """Like ``pool.map``, but never holds more than a few encoded pictures in memory."""
    jobs = iter(jobs)
    waiting = [pool.submit(_decode, *job) for job in islice(jobs, DECODE_AHEAD)]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [pool.submit(_decode, *job) for job in islice(jobs, 1)]


def _ground_truth(truths: list[RecordExample], label_map: LabelMap) -> CachedSplit:
    count = len(truths)
    most = max([1, *(len(truth.class_ids) for truth in truths)])
    boxes = np.zeros((count, most, 4), np.float32)
    classes = np.zeros((count, most), np.int32)
    kinds = np.zeros((count, most, 2), np.float32)
    for row, truth in enumerate(truths):
        n = len(truth.class_ids)
        boxes[row, :n] = truth.boxes_rel_xyxy
        for column, class_id in enumerate(truth.class_ids):
            try:
                classes[row, column] = label_map.class_index(int(class_id))
            except KeyError:
                raise ValueError(
                    f"{truth.name}: box {column + 1} has class id {class_id}, which the label map "
                    "does not have. Give the label map that the records were written with."
                ) from None
        kinds[row, :n, BOX] = ~truth.ignored
        kinds[row, :n, IGNORED] = truth.ignored
    return CachedSplit(
        pixels=np.empty((count, 0, 0, 3), np.uint8),
        boxes_rel_xyxy=boxes,
        classes=classes,
        kinds=kinds,
        names=[truth.name for truth in truths],
        sizes=np.array([(t.width, t.height) for t in truths], np.int32).reshape(-1, 2),
    )
