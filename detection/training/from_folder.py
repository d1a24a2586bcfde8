"""Write a run's records from a folder of images and annotations."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from detection.formats.dataset import DatasetError, WriteReport
from detection.formats.tfrecord_dataset import write_dataset
from detection.formats.voc import VocFolder
from detection.formats.voc_dataset import select_splits
from detection.label_map import read_label_map
from detection.splits import assign_splits, read_split_file

FRACTIONS = (0.8, 0.2, 0.0)
_SOURCE = "source.json"


def write_run_records(
    target: Path,
    data: Path,
    train_split: Path | None,
    val_split: Path | None,
    label_map: Path | None,
    seed: int,
    on_image: Callable[[], None] = lambda: None,
) -> WriteReport:
    """Write ``target``/{train,val}-* and label_map.pbtxt, beside and then renamed.

    Without split files a fifth of the images becomes val, seeded. ``on_image`` is called after
    each image; what it raises ends the writing. Raises DatasetError, SplitError and LabelMapError
    in words.
    """
    folder = VocFolder(data)
    splits = _splits(folder, train_split, val_split, seed)
    both = set(splits["train"]) & set(splits["val"])
    if both:
        raise DatasetError(
            f"{sorted(both)[0]} is in the train and in the val split. Take it out of one: a model "
            "must not be judged by what it learnt from."
        )
    dataset = select_splits(folder, splits, read_label_map(label_map) if label_map else None)
    beside = target.with_name(f"{target.name}.writing")
    shutil.rmtree(beside, ignore_errors=True)
    report = WriteReport()
    report.problems += folder.problems
    write_dataset(dataset, beside, report, lambda done: on_image())
    if not report.images["train"]:
        raise DatasetError(f"{data}: no image of the train split could be read.")
    source = _source(data, train_split, val_split, label_map, seed)
    (beside / _SOURCE).write_text(json.dumps(source, indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)
    return report


def is_written_from(
    target: Path,
    data: Path,
    train_split: Path | None,
    val_split: Path | None,
    label_map: Path | None,
    seed: int,
) -> bool:
    """Whether ``write_run_records`` wrote ``target`` from these very arguments and files."""
    try:
        written = json.loads((target / _SOURCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(written == _source(data, train_split, val_split, label_map, seed))


def _source(
    data: Path,
    train_split: Path | None,
    val_split: Path | None,
    label_map: Path | None,
    seed: int,
) -> dict[str, str | int | None]:
    """What records are written from. The images themselves are taken to stay as they are."""
    files = {"train_split": train_split, "val_split": val_split, "label_map": label_map}
    return {
        "data": str(data.resolve()),
        "seed": seed if train_split is None else None,
        **{name: _sha256(path) if path is not None else None for name, path in files.items()},
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _splits(
    folder: VocFolder, train_split: Path | None, val_split: Path | None, seed: int
) -> dict[str, list[str]]:
    if train_split is not None:
        train = folder.select(read_split_file(train_split))
        val = folder.select(read_split_file(val_split)) if val_split is not None else []
        return {"train": train, "val": val}
    labels = {}
    for name in folder.labelled_names:
        labels[name] = sorted({box.label for box in folder.parse(name).boxes})
    chosen = assign_splits(folder.labelled_names, FRACTIONS, seed, labels=labels)
    return {
        split: [name for name in folder.labelled_names if chosen[name] == split]
        for split in ("train", "val")
    }
