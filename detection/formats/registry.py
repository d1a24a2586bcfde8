"""Every format that Boxloop reads and writes, and how it is told by looking inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from detection.formats import (
    bundle,
    coco,
    csv_table,
    cvat,
    label_studio,
    labelme,
    tfrecord_dataset,
    voc_dataset,
    yolo,
)
from detection.formats.dataset import Dataset, DatasetError, WriteReport
from detection.formats.drawn import AnnotationError
from detection.formats.files import FileRefused, Files, image_names, read_file, read_head
from detection.formats.reading import Reading, Say
from detection.formats.sink import Sink
from detection.label_map import LabelMap, LabelMapError, parse_label_map
from detection.names import base_name, stem_of, suffix_of, visible
from detection.names_on_disk import NameList, NameMap
from detection.splits import splits_of_folders
from detection.types import Problem

_HEAD = 16 * 1024
_MAX_LABEL_MAP = 4 * 1024 * 1024
# So many files of a kind are looked into; a set of thousands is of one kind throughout.
_LOOKED_AT = 40
# Of the files that are looked into.
_SUFFIXES = (".json", ".xml", ".csv", ".yaml", ".yml", ".txt")


@dataclass(frozen=True)
class Format:
    """A format that is read and written. ``holds`` is what it keeps besides boxes and labels."""

    key: str
    title: str
    read: Callable[[Files, Say, Sequence[str]], Reading]
    write: Callable[[Dataset, Sink, WriteReport], Iterator[None]]
    holds: frozenset[str]
    with_pictures_only: bool = False


def _format(key: str, title: str, module: object, *holds: str, **options: bool) -> Format:
    read, write = getattr(module, "read"), getattr(module, "write")  # noqa: B009
    return Format(key, title, read, write, frozenset(holds), **options)


_FLAGS = ("difficult", "truncated", "pose")
FORMATS: dict[str, Format] = {
    one.key: one
    for one in (
        _format("boxloop", "Boxloop bundle", bundle, *_FLAGS, "crowd", "ids", "display", "bundle",
                "splits"),
        _format("coco", "COCO JSON", coco, *_FLAGS, "crowd", "ids", "splits"),
        _format("csv", "CSV", csv_table, "splits"),
        _format("cvat", "CVAT XML", cvat, *_FLAGS, "crowd", "splits"),
        _format("labelme", "labelme JSON", labelme, *_FLAGS, "crowd", "splits"),
        _format("labelstudio", "Label Studio JSON", label_studio, *_FLAGS, "crowd", "splits"),
        _format("tfrecord", "TFRecord", tfrecord_dataset, *_FLAGS, "crowd", "ids", "display",
                "splits", with_pictures_only=True),
        _format("voc", "Pascal VOC", voc_dataset, *_FLAGS, "ids", "display", "splits"),
        _format("yolo", "YOLO", yolo, "splits"),
    )
}  # fmt: skip
# Which one is taken where a data set holds several: the one that says most.
_ORDER = (
    "boxloop", "tfrecord", "coco", "labelstudio", "cvat", "voc", "labelme", "yolo", "csv",
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A format that was recognised, and the files that hold it."""

    format: Format
    names: Sequence[str]


def recognise(files: Files) -> list[Found]:
    """The formats of the annotations in ``files``, the one to take first; empty for photos alone.

    Files are told by what is in them; a name only says which are worth a look.
    """
    found: dict[str, Sequence[str]] = {}
    by_suffix = {suffix: NameList() for suffix in _SUFFIXES}
    records: list[str] = []
    for name in files.names:
        if (suffix := suffix_of(name)) in by_suffix:
            by_suffix[suffix].append(name)
        is_named_so = tfrecord_dataset.is_record_name(base_name(name))
        if is_named_so and tfrecord_dataset.recognise(read_head(files, name, 12)):
            records.append(name)
    found["tfrecord"] = records
    found |= _look_at_json(files, by_suffix[".json"], bool(records))
    found |= _look_at_xml(files, by_suffix[".xml"])
    found["csv"] = [
        name for name in by_suffix[".csv"] if csv_table.recognise(read_head(files, name, _HEAD))
    ]
    found["yolo"] = _yolo_files(files, by_suffix)
    return [Found(FORMATS[key], found[key]) for key in _ORDER if found[key]]


def _look_at_json(files: Files, names: Sequence[str], known: bool) -> dict[str, Sequence[str]]:
    found = {key: NameList() for key in ("boxloop", "labelme", "labelstudio", "coco")}
    lists: list[str] = []
    for name in names:
        head = read_head(files, name, _HEAD)
        if base_name(name) == bundle.HEADER and bundle.recognise(head):
            found["boxloop"].append(name)
        elif labelme.recognise(head):
            found["labelme"].append(name)
        elif label_studio.recognise(head):
            found["labelstudio"].append(name)
        elif coco.recognise(head):
            found["coco"].append(name)
        elif b'"image_id"' in head:
            lists.append(name)
    if not known and not any(found.values()):
        found["coco"].extend(lists)  # COCO results: it is read, and refused by name
    return {**found}


def _look_at_xml(files: Files, names: NameList) -> dict[str, Sequence[str]]:
    def is_cvat(name: str) -> bool:
        return cvat.recognise(read_head(files, name, _HEAD))

    if not any(map(is_cvat, names[:_LOOKED_AT])):
        return {"cvat": [], "voc": names}
    cvat_names = [name for name in names if is_cvat(name)]
    others = set(cvat_names)
    return {"cvat": cvat_names, "voc": NameList(name for name in names if name not in others)}


def _yolo_files(files: Files, by_suffix: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Label files, and ``data.yaml``: a set of negatives alone has nothing else."""
    settings = [
        name
        for suffix in (".yaml", ".yml")
        for name in by_suffix[suffix]
        if yolo.is_data_yaml(read_head(files, name, _HEAD))
    ]
    texts = by_suffix[".txt"]
    if settings:
        return NameList(chain(settings, texts))
    if not texts:
        return []
    images: NameMap[int] = NameMap()
    for name in image_names(files):
        images.add(base_name(stem_of(name)), 1)
    beside = (name for name in texts if not images or base_name(stem_of(name)) in images)
    for name in islice(beside, _LOOKED_AT):
        if yolo.recognise(read_head(files, name, _HEAD)):
            return texts
    return []


def open_reading(
    files: Files, say: Say, *, format_key: str = "", label_map: LabelMap | None = None
) -> Reading | None:
    """Index the annotations in ``files``; None where there are none.

    Args:
        format_key: the format to read; else the one that is recognised.
        label_map: over what the data say; else a ``label_map.pbtxt`` among the files.

    Raises:
        DatasetError: the data cannot be used, or are not of that format.
    """
    recognised = recognise(files)
    chosen = next((one for one in recognised if format_key in ("", one.format.key)), None)
    if chosen is None:
        if not format_key:
            return None
        raise DatasetError(_words_for_absent(format_key, recognised))
    for other in recognised if not format_key else ():
        if other is not chosen and not _goes_along(chosen.format.key, other.format.key):
            name = visible(other.names[0], 80)
            words = f"It also holds annotations as {other.format.title}, which were left aside: "
            words += f"{chosen.format.title} was read."
            say(Problem(name, words, "note"))
    own = label_map or label_map_in(files, say)
    try:
        if chosen.format.key == "tfrecord":
            reading = tfrecord_dataset.read(files, say, chosen.names, own)
        else:
            reading = chosen.format.read(files, say, chosen.names)
    except AnnotationError as error:
        raise DatasetError(str(error)) from None
    if own is not None and chosen.format.key != "boxloop":
        reading.label_map = own
    reading.files = chosen.names
    reading.numbers_are_meant = own is not None or chosen.format.key == "boxloop"
    if not reading.splits:
        reading.splits = splits_of_folders(reading.image_names, NameMap())
    return reading


def _goes_along(chosen: str, other: str) -> bool:
    """Our bundle's header is JSON; a YOLO set's lists are text: no data of their own."""
    return chosen == "boxloop" or (chosen == "coco" and other == "yolo")


def label_map_in(files: Files, say: Say) -> LabelMap | None:
    """The one ``.pbtxt`` among the files, the topmost; None where there is none to use."""
    names = [name for name in files.names if suffix_of(name) == ".pbtxt"]
    names.sort(key=lambda name: (name.count("/"), "label_map" not in base_name(name), name))
    if not names:
        return None
    try:
        return parse_label_map(read_file(files, names[0], _MAX_LABEL_MAP), names[0])
    except FileRefused as error:
        say(Problem(names[0], f"{error} Its ids were not taken.", "refused"))
    except LabelMapError as error:
        say(Problem(names[0], f"{str(error).partition(', ')[2]} Its ids were not taken.",
                    "refused"))  # fmt: skip
    return None


def _words_for_absent(format_key: str, recognised: list[Found]) -> str:
    title = FORMATS[format_key].title
    if not recognised:
        return f"There is no {title} in it, nor annotations of another format that is known."
    others = ", ".join(found.format.title for found in recognised)
    return f"There is no {title} in it; what was found is {others}."
