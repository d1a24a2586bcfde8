"""Pascal VOC data as a dataset to convert, and datasets written as Pascal VOC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from detection.formats.dataset import (
    LABEL_MAP_NAME,
    Dataset,
    DatasetError,
    DatasetItem,
    WriteReport,
)
from detection.formats.files import FileRefused, Files, image_names, read_file
from detection.formats.reading import Reading
from detection.formats.sink import Sink
from detection.formats.voc import VocError, VocFolder, parse_voc, write_voc
from detection.formats.voc_xml import MAX_XML_BYTES
from detection.images import ImageRefused, check_decodes, upright_jpeg_bytes
from detection.label_map import LabelMap, write_label_map
from detection.names import base_name, folder_name, stem_of, visible
from detection.names_on_disk import NameList, NameMap
from detection.pairing import match_annotations
from detection.splits import SPLITS, SplitError, SplitStem, match_each, parse_split_file
from detection.types import Box, LabelledImage, Problem

KEY = "voc"
# Where people keep their split files, likeliest first.
_SPLIT_FOLDERS = ("ImageSets/Main", "splits", "")
_MAX_LIST_BYTES = 256 * 1024 * 1024

Say = Callable[[Problem], None]


def recognise(head: bytes) -> bool:
    """Whether the first bytes of an XML file look like Pascal VOC's."""
    return b"<annotation>" in head.replace(b"\0", b"") or b"<annotation " in head


def read(files: Files, say: Say, names: Sequence[str]) -> Reading:
    """Pair the XML files ``names`` with images, with the splits that they come with.

    Split files are ``train.txt``, ``val.txt`` and ``test.txt`` in ``ImageSets/Main``, in
    ``splits`` or at the top, in one folder of the data.
    """
    images = image_names(files)

    def parse(name: str) -> bytes:
        try:
            return read_file(files, name, MAX_XML_BYTES)
        except FileRefused as error:
            raise VocError(name, str(error)) from None

    def filename_in(name: str) -> str | None:
        try:
            return parse_voc(parse(name), name).filename
        except VocError:
            return None

    matches = match_annotations(images, names, filename_in)
    return Reading(
        KEY,
        images,
        lambda name: parse_voc(parse(name), name).drawn(),
        matches.annotation_of,
        NameList(name for name in names if name not in matches.image_of),
        splits=_own_splits(files, matches.annotation_of, say),
        why={name: problem.message for name, problem in matches.problems.items()},
    )


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


def _own_splits(files: Files, labelled: Collection[str], say: Say) -> Mapping[str, str]:
    split_of: NameMap[str] = NameMap()
    for split, name in _split_files(files).items():
        try:
            stems = parse_split_file(read_file(files, name, _MAX_LIST_BYTES), base_name(name))
        except (SplitError, FileRefused) as error:
            say(Problem(name, str(error).partition(": ")[2] or str(error), "refused"))
            continue
        for stem, image in match_each(stems, sorted(labelled)):
            if isinstance(image, SplitError):
                words = str(image).partition(": ")[2]
                line = stem.line if isinstance(stem, SplitStem) else None
                say(Problem(base_name(name), f"{words} Passed over.", "refused", line))
            elif split_of.setdefault(image, split) != split:
                where = f"It is in {split_of[image]} and in {split}; the first was taken."
                say(Problem(image, where, "mended"))
    return split_of


def _split_files(files: Files) -> dict[str, str]:
    """The data's own split files, by split; those of the topmost folder that has any."""
    places: dict[str, dict[str, str]] = {}
    for name in files.names:
        split = stem_of(base_name(name))
        if split in SPLITS and base_name(name) == f"{split}.txt":
            places.setdefault(folder_name(name), {})[split] = name

    def rank(folder: str) -> tuple[int, int, str]:
        for order, inner in enumerate(_SPLIT_FOLDERS):
            if folder == inner or (inner and folder.endswith(f"/{inner}")) or inner == "":
                return order, folder.count("/"), folder
        return len(_SPLIT_FOLDERS), 0, folder

    fitting = sorted(places, key=rank)
    chosen = places[fitting[0]] if fitting else {}
    return {split: chosen[split] for split in SPLITS if split in chosen}


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


def write(dataset: Dataset, sink: Sink, report: WriteReport) -> Iterator[None]:
    """Write JPEGImages, Annotations, ImageSets/Main, label_map.pbtxt, and CVAT's labelmap.txt.

    ``crowd`` cannot be kept.
    """
    with sink.open(LABEL_MAP_NAME) as file:
        file.write(write_label_map(dataset.label_map).encode("utf-8"))
    sink.add("labelmap.txt", _label_list(dataset.label_map.names).encode("utf-8", "replace"))
    with ExitStack() as stack:
        lists = {
            split: stack.enter_context(sink.open(f"ImageSets/Main/{split}.txt"))
            for split in dataset.split_sizes
            if split in SPLITS
        }
        for item in dataset.read(report.problems.append):
            path = sink.picture_path(item)
            stem = stem_of(path)
            sink.add_picture(f"JPEGImages/{path}", item)
            xml = write_voc(replace(item.image, name=path))
            sink.add(f"Annotations/{stem}.xml", xml)
            if item.split in lists:
                lists[item.split].write(f"{stem}\n".encode("utf-8", "replace"))
            report.count(item)
            yield
    yield


def _label_list(names: Sequence[str]) -> str:
    """Names as CVAT and Datumaro ask for them where they are not Pascal VOC's own twenty: with the
    colours of VOC's masks (bits of the index, dealt to red, green and blue)."""
    lines = ["# label:color_rgb:parts:actions"]
    for index, name in enumerate(["background", *names]):
        rgb = [
            sum(((index >> 3 * bit + part) & 1) << 7 - bit for bit in range(8)) for part in range(3)
        ]
        # A colon would end the name.
        lines.append(f"{' '.join(name.replace(':', ' ').split())}:{','.join(map(str, rgb))}::")
    return "\n".join([*lines, ""])
