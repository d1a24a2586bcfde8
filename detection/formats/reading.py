"""What every format's reader gives: annotations found and indexed, and the images they belong to.

No picture is looked at yet. ``dataset_of`` holds them against the pictures, one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from detection.archive import ArchiveError
from detection.formats.dataset import NO_SPLIT, Dataset, DatasetError, DatasetItem
from detection.formats.drawn import AnnotationError, Drawn, hold_against
from detection.formats.files import FileRefused, Files, read_file
from detection.formats.spool import Spool
from detection.images import ImageRefused, check_decodes, probe_image, upright_jpeg_bytes
from detection.label_map import LabelMap
from detection.names import visible
from detection.names_on_disk import NameList, NameMap
from detection.pairing import ImageMatcher
from detection.splits import SPLITS
from detection.types import Box, LabelledImage, Problem

MAX_PICTURE_BYTES = 512 * 1024 * 1024
Say = Callable[[Problem], None]


def read_each(
    files: Files,
    names: Sequence[str],
    title: str,
    say: Say,
    read_one: Callable[[BinaryIO, str, str], None],
) -> None:
    """Have ``read_one(stream, name, key_prefix)`` read each annotation file; what fails is said.

    Raises DatasetError where the only one, or all of them, cannot be read.
    """
    used = 0
    for number, name in enumerate(names):
        try:
            with files.open(name) as stream:
                read_one(stream, name, f"{number}:")
            used += 1
        except (AnnotationError, ArchiveError, OSError) as error:
            problem = getattr(error, "problem", None) or Problem(name, str(error), "refused")
            say(problem)
            if len(names) == 1:
                raise DatasetError(str(problem)) from None
    if not used:
        raise DatasetError(f"None of the {title} files can be read.")


@dataclass
class Reading:
    """A data set's annotations.

    Attributes:
        format: the key of its format.
        image_names: every image there is, labelled or not, in order.
        drawn: what the annotations under a key say. Raises AnnotationError.
        annotation_of: the key of each labelled image's annotations, by the image's name.
        orphans: keys whose image is not there, or cannot be told. Each is named like its image.
        label_map: labels and ids as the data number them, where they do.
        labels: every label that the data name, with boxes or not, where they list them.
        splits: by image name.
        bundle: what only Boxloop's own bundle holds of the set as a whole.
        name_of: an image's name to keep and show, where it is not its file's.
        read_picture: an image's bytes by name, where they lie in no file of that name.
        files: names of the annotation files.
        numbers_are_meant: whether the label map's ids were given by a label_map.pbtxt or a bundle.
        why: why an orphan's image cannot be told, where its absence is not the reason.
        close: gives back what the reading holds.
    """

    format: str
    image_names: Sequence[str]
    drawn: Callable[[str], Drawn]
    annotation_of: Mapping[str, str]
    orphans: Sequence[str] = ()
    label_map: LabelMap | None = None
    labels: Sequence[str] = ()
    splits: Mapping[str, str] = field(default_factory=dict)
    bundle: Mapping[str, Any] | None = None
    name_of: Callable[[str], str] = str
    read_picture: Callable[[str], bytes] | None = None
    files: Sequence[str] = ()
    numbers_are_meant: bool = False
    why: Mapping[str, str] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


def reading_of_spool(
    format_key: str,
    spool: Spool,
    image_names: Sequence[str],
    say: Say,
    *,
    drawn: Callable[[str, str], Drawn] | None = None,
    respell: Callable[[str], str] | None = None,
    label_map: LabelMap | None = None,
    labels: Sequence[str] = (),
) -> Reading:
    """A reading of annotations that name their images; several names may mean one image.

    ``respell`` gives a second spelling of an image's name, tried where the first means none.
    """
    matcher = ImageMatcher(image_names)
    annotation_of: NameMap[str] = NameMap()
    several: dict[str, list[str]] = {}
    splits: NameMap[str] = NameMap()
    orphans: NameMap[int] = NameMap()
    why: dict[str, str] = {}
    shared = spool.shared_names()
    places: dict[str, tuple[str, str]] = {}
    for name, file, split in spool.images():
        key = name
        if name in shared:
            key = f"{file}/{name}"
            places[key] = (name, file)
        found = matcher.match(name, file)
        if not found and respell is not None:
            found = matcher.match(respell(name), file)
        if len(found) != 1:
            orphans[key] = len(found)
            if len(found) > 1:
                could_be = f"{visible(found[0])} or {visible(found[1])}"
                why[key] = f"It could be {could_be} (named in {visible(file)}). Left out."
            continue
        first = annotation_of.setdefault(found[0], key)
        if first != key:
            names = several.setdefault(found[0], [first])
            if key not in names:
                names.append(key)
        if split and splits.setdefault(found[0], split) != split:
            words = f"It is in {splits[found[0]]} and in {split}; the first was taken."
            say(Problem(found[0], words, "mended"))
    for image in several:
        annotation_of[image] = image
    one = drawn or spool.drawn

    def read(key: str) -> Drawn:
        found = several.get(key, [key])
        return _merged([one(*places.get(name, (name, ""))) for name in found])

    return Reading(
        format_key,
        image_names,
        read,
        annotation_of,
        NameList(orphans),
        label_map,
        labels,
        splits,
        why=why,
        close=spool.close,
    )


def _merged(parts: list[Drawn]) -> Drawn:
    if len(parts) == 1:
        return parts[0]
    boxes = tuple(box for part in parts for box in part.boxes)
    numbers = [n for part in parts for n in part.numbers or range(1, len(part.boxes) + 1)]
    lines = [line for part in parts for line in part.lines or [None] * len(part.boxes)]
    problems = tuple(problem for part in parts for problem in part.problems)
    return replace(parts[0], boxes=boxes, numbers=numbers, lines=lines, problems=problems)


def count_labels(reading: Reading) -> Counter[str]:
    """How many boxes each label has, before any is mended or left out."""
    counts: Counter[str] = Counter()
    for name in reading.image_names:
        key = reading.annotation_of.get(name)
        if key is None:
            continue
        try:
            counts.update(box.label for box in reading.drawn(key).boxes)
        except AnnotationError:
            continue  # It is said when the image is read.
    return counts


def own_label_map(reading: Reading) -> LabelMap:
    """The label map that the data bring, else one made from its labels.

    Labels that the data list are numbered from 1 in that order; else the commonest comes first,
    then by name. Raises DatasetError where there are none.
    """
    if reading.label_map is not None:
        return reading.label_map
    if reading.labels:
        return LabelMap.from_names(dict.fromkeys(reading.labels))
    counts = count_labels(reading)
    if not counts:
        raise DatasetError("there are no boxes in its annotations, so there are no labels.")
    return LabelMap.from_names(sorted(counts, key=lambda label: (-counts[label], label)))


def dataset_of(
    reading: Reading, files: Files, label_map: LabelMap | None, say: Say, *, pictures: bool = True
) -> Dataset:
    """The labelled images of a reading, as a dataset that is read one by one.

    Images without annotations are left out and said, and so are boxes of labels that the label
    map lacks. Without ``pictures`` only their sizes are read. Raises DatasetError.
    """
    label_map = label_map or own_label_map(reading)
    by_split = {split: NameList() for split in (*SPLITS, NO_SPLIT)}
    alone = 0
    for name in reading.image_names:
        if name not in reading.annotation_of:
            alone += 1
            if alone <= _MOST_SAID:
                words = "There is no annotation for this image. Left out."
                say(Problem(name, words, "note"))
            continue
        by_split[reading.splits.get(name) or NO_SPLIT].append(name)
    if alone > _MOST_SAID:
        say(Problem("", f"{alone - _MOST_SAID:,} more images have no annotation.", "note"))
    for key in reading.orphans:
        words = reading.why.get(key, "There is no image for these annotations. Left out.")
        say(Problem(key, words, "refused"))
    if reading.splits and by_split[NO_SPLIT]:
        count = f"{len(by_split[NO_SPLIT]):,}"
        words = f"{count} labelled images are in no split; they were written as {NO_SPLIT!r}."
        say(Problem(by_split[NO_SPLIT][0], words, "note"))

    def read(say: Say) -> Iterator[DatasetItem]:
        for split, names in by_split.items():
            for name in names:
                item = _read_item(reading, files, name, split, label_map, pictures, say)
                if item is not None:
                    yield item

    sizes = {split: len(names) for split, names in by_split.items() if names}
    return Dataset(label_map, sizes, read, reading.bundle)


_MOST_SAID = 100


def _read_item(
    reading: Reading,
    files: Files,
    name: str,
    split: str,
    label_map: LabelMap,
    pictures: bool,
    say: Say,
) -> DatasetItem | None:
    """One image, or None where it was refused, which is said."""
    try:
        drawn = reading.drawn(reading.annotation_of[name])
        data, facts = _picture(reading, files, name, pictures)
        picture, picture_format = b"", facts.format
        if pictures:
            check_decodes(data)
            picture, picture_format = upright_jpeg_bytes(data)
    except AnnotationError as error:
        say(error.problem)
        return None
    except (ImageRefused, FileRefused) as error:
        say(Problem(name, f"{error} Left out.", "refused"))
        return None
    shown = reading.name_of(name)
    image, problems = hold_against(drawn, shown, facts.width, facts.height, facts.orientation)
    for problem in problems:
        say(problem)
    source = files.path(name) if reading.read_picture is None else None
    image = replace(image, boxes=_known(image, label_map, say), source=source)
    original = data if pictures and picture is not data else None
    return DatasetItem(image, picture, picture_format, split, original, drawn.bundle)


def _picture(reading: Reading, files: Files, name: str, whole: bool) -> tuple[bytes, Any]:
    """The picture's bytes, and the facts of its header."""
    path: Path | None = files.path(name) if reading.read_picture is None else None
    if path is not None and not whole:
        try:
            return b"", probe_image(path)
        except OSError as error:
            raise ImageRefused(f"It cannot be read ({error.strerror}).") from None
    try:
        if reading.read_picture is not None:
            data = reading.read_picture(name)
        else:
            data = read_file(files, name, MAX_PICTURE_BYTES)
    except ArchiveError as error:
        raise FileRefused(str(error)) from None
    return data, probe_image(data)


def _known(image: LabelledImage, label_map: LabelMap, say: Say) -> tuple[Box, ...]:
    unknown = sorted({box.label for box in image.boxes} - label_map.by_name.keys())
    for label in unknown:
        words = f"The label map has no {visible(label, 60)!r}; its boxes of it were left out."
        say(Problem(image.name, words, "refused"))
    return tuple(box for box in image.boxes if box.label not in unknown)
