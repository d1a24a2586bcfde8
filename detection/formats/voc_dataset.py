"""Pascal VOC data as a dataset to convert, and datasets written as Pascal VOC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from detection.formats.dataset import (
    LABEL_MAP_NAME,
    NO_SPLIT,
    Dataset,
    DatasetError,
    DatasetItem,
    WriteReport,
)
from detection.formats.voc import VocError, VocFolder, write_voc
from detection.images import SUFFIX_BY_FORMAT, ImageRefused, check_decodes, upright_jpeg_bytes
from detection.label_map import LabelMap, read_label_map, write_label_map
from detection.names import UniquePaths, stem_of, suffix_of, visible
from detection.splits import SPLITS, SplitError, SplitStem, match_stems, read_split_file
from detection.types import Box, LabelledImage, Problem

# Where people keep their split files, likeliest first.
_SPLIT_FOLDERS = ("ImageSets/Main", "splits", "")
_SAME_SUFFIXES = {"jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"}, "png": {".png"}}

Say = Callable[[Problem], None]


def read_dataset(source: Path, label_map: LabelMap | None, say: Say) -> Dataset:
    """Open a VOC folder, with the splits it comes with.

    Split files are ``train.txt``, ``val.txt`` and ``test.txt`` in ``ImageSets/Main``, in
    ``splits`` or at the top. Images in none of them get the split ``data``.

    Args:
        label_map: what labels are called and numbered; else ``*label_map.pbtxt`` at the top, else
            numbered from 1 by how often a label occurs, the commonest first.

    Raises:
        DatasetError, SplitError, LabelMapError: the data cannot be used.
    """
    folder = VocFolder(source)
    for problem in folder.problems:
        say(problem)
    if label_map is None:
        own = sorted(folder.root.glob(f"*{LABEL_MAP_NAME}"))
        label_map = read_label_map(own[0]) if len(own) == 1 else None
    return select_splits(folder, _own_splits(folder, say), label_map)


def select_splits(
    folder: VocFolder, splits: Mapping[str, Sequence[str]], label_map: LabelMap | None = None
) -> Dataset:
    """A dataset of the named images of a VOC folder, by split.

    Boxes with a label that ``label_map`` lacks are left out and said; without one, it is numbered
    from these images' labels. Raises DatasetError where the images have no boxes.
    """
    names = [name for split_names in splits.values() for name in split_names]
    label_map = label_map or label_map_of(folder, names)

    def read(say: Say) -> Iterator[DatasetItem]:
        for split, split_names in splits.items():
            for name in split_names:
                item = _read_item(folder, name, split, label_map, say)
                if item is not None:
                    yield item

    sizes = {split: len(split_names) for split, split_names in splits.items() if split_names}
    return Dataset(label_map, sizes, read)


def label_map_of(folder: VocFolder, names: Iterable[str]) -> LabelMap:
    """Number the labels of these images' boxes from 1, the commonest first, then by name.

    Raises DatasetError where there are no boxes.
    """
    counts: Counter[str] = Counter()
    for name in names:
        try:
            counts.update(box.label for box in folder.parse(name).boxes)
        except VocError:
            continue  # It is said when the image is to be read.
    if not counts:
        raise DatasetError(f"{folder.root}: there are no boxes in its annotations.")
    return LabelMap.from_names(sorted(counts, key=lambda label: (-counts[label], label)))


def _own_splits(folder: VocFolder, say: Say) -> dict[str, list[str]]:
    files = _split_files(folder)
    split_of: dict[str, str] = {}
    for split, path in files.items():
        for stem in read_split_file(path):
            for name in _match(stem, folder, say):
                if split_of.setdefault(name, split) != split:
                    where = f"It is in {split_of[name]} and in {split}; the first was taken."
                    say(Problem(name, where, "mended"))
    splits: dict[str, list[str]] = {split: [] for split in (*files, NO_SPLIT)}
    for name in folder.labelled_names:
        splits[split_of.get(name, NO_SPLIT)].append(name)
    if files and splits[NO_SPLIT]:
        count = len(splits[NO_SPLIT])
        words = f"{count:,} labelled images are in no split; they were written as {NO_SPLIT!r}."
        say(Problem(next(iter(files.values())).name, words, "note"))
    return splits


def _match(stem: SplitStem, folder: VocFolder, say: Say) -> list[str]:
    try:
        return match_stems([stem], folder.labelled_names)
    except SplitError as error:
        words = str(error).partition(": ")[2]
        say(Problem(stem.file, f"{words} Passed over.", "refused", stem.line))
        return []


def _split_files(folder: VocFolder) -> dict[str, Path]:
    """The data's own split files, by split; those of one folder only."""
    parents = [folder.root, *(path for path in sorted(folder.root.iterdir()) if path.is_dir())]
    for inner in _SPLIT_FOLDERS:
        for parent in parents:
            paths = {str(split): parent / inner / f"{split}.txt" for split in SPLITS}
            found = {split: path for split, path in paths.items() if path.is_file()}
            if found:
                return found
    return {}


def _read_item(
    folder: VocFolder, name: str, split: str, label_map: LabelMap, say: Say
) -> DatasetItem | None:
    """One image, or None where it was refused, which is said."""
    try:
        image, problems = folder.read(name)
        data = (folder.root / name).read_bytes()
        check_decodes(data)
        picture, picture_format = upright_jpeg_bytes(data)
    except VocError as error:
        say(error.problem)
        return None
    except ImageRefused as error:
        say(Problem(name, f"{error} Left out.", "refused"))
        return None
    for problem in problems:
        say(problem)
    boxes = _with_known_labels(image, label_map, say)
    return DatasetItem(replace(image, boxes=boxes), picture, picture_format, split)


def _with_known_labels(image: LabelledImage, label_map: LabelMap, say: Say) -> tuple[Box, ...]:
    unknown = sorted({box.label for box in image.boxes} - label_map.by_name.keys())
    for label in unknown:
        words = f"The label map has no {visible(label, 60)!r}; its boxes of it were left out."
        say(Problem(image.name, words, "refused"))
    return tuple(box for box in image.boxes if box.label not in unknown)


def write_dataset(
    dataset: Dataset, target: Path, report: WriteReport, on_progress: Callable[[int], None]
) -> None:
    """Write ``target``/JPEGImages, Annotations, ImageSets/Main and label_map.pbtxt.

    Stored paths are made from the images' names and always stay below ``target``.
    """
    paths = UniquePaths()
    split_folder = target / "ImageSets" / "Main"
    for folder in (target / "JPEGImages", target / "Annotations", split_folder):
        folder.mkdir(parents=True, exist_ok=True)
    path = target / LABEL_MAP_NAME
    path.write_text(write_label_map(dataset.label_map), encoding="utf-8")
    report.files.append(path)
    with ExitStack() as stack:
        lists: dict[str, TextIO] = {}
        for split in dataset.split_sizes:
            if split in SPLITS:
                path = split_folder / f"{split}.txt"
                lists[split] = stack.enter_context(path.open("w", encoding="utf-8"))
                report.files.append(path)
        for item in dataset.read(report.problems.append):
            stem = _write_item(item, target, paths)
            if item.split in lists:
                lists[item.split].write(f"{stem}\n")
            report.count(item)
            on_progress(report.num_images)


def _write_item(item: DatasetItem, target: Path, paths: UniquePaths) -> str:
    """Write one picture and its XML; returns its stem relative to both folders."""
    suffix = suffix_of(item.image.name)
    if suffix not in _SAME_SUFFIXES[item.picture_format]:
        suffix = SUFFIX_BY_FORMAT[item.picture_format]
    stem = paths.path_for(stem_of(item.image.name))
    image_path = target / "JPEGImages" / f"{stem}{suffix}"
    xml_path = target / "Annotations" / f"{stem}.xml"
    for path in (image_path, xml_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    image_path.write_bytes(item.picture)
    xml_path.write_bytes(write_voc(replace(item.image, name=f"{stem}{suffix}")))
    return stem
