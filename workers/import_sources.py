"""What an upload holds: its loose files as one source, each zip as another.

A source lists names first and reads bytes on demand. Names are text to match and to show;
nothing is ever unpacked to a path made from one.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Self

from django.conf import settings
from django.core.files.storage import default_storage

from detection.archive import ArchiveError, Limits, SafeArchive
from detection.formats.voc import VocError, parse_voc
from detection.names import has_image_suffix, is_clutter, stem_of, suffix_of
from detection.pairing import pair_annotations
from detection.types import Problem
from webapp.datasets.models import ImageImport, ImportFile

MAX_XML_BYTES = 10 * 1024**2
MAX_LIST_BYTES = 64 * 1024**2
SPLIT_LIST = re.compile(r"(?:^|/)(?:ImageSets/Main|splits)/(train|val|test)\.txt$")
FOLDER_SPLITS = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
# Other tools' files, passed over without a sentence each.
SILENT_SUFFIXES = {".txt", ".md", ".csv", ".json", ".yaml", ".yml", ".names", ".data", ""}

ReportProblem = Callable[[Problem], None]
OpenEntry = Callable[[], AbstractContextManager[BinaryIO]]


class EntryRefused(ValueError):
    """A file of the upload that cannot be read; the message is a sentence."""


@dataclass(frozen=True)
class Photo:
    """`name` to show and keep; `entry` and `annotation` to read from the source."""

    name: str
    entry: str
    annotation: str | None = None
    split: str = ""


@dataclass
class Source:
    """Photos with their annotation files; `read` gives an entry's bytes."""

    entries: dict[str, OpenEntry]
    photos: list[Photo] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    label_map: str | None = None
    format: str = ""
    resources: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.resources.close()

    def read(self, entry: str, limit: int) -> bytes:
        """The entry's bytes. Raises EntryRefused: unreadable, or longer than `limit`."""
        try:
            with self.entries[entry]() as stream:
                data = stream.read(limit + 1)
        except ArchiveError as error:
            raise EntryRefused(str(error)) from error
        except FileNotFoundError as error:
            raise EntryRefused("Its bytes are gone from the storage. Upload it again.") from error
        if len(data) > limit:
            raise EntryRefused(f"It is larger than {limit // 1024**2} MB.")
        return data


def open_sources(image_import: ImageImport, say: ReportProblem) -> Iterator[Source]:
    """The import's sources, one after another; a zip that cannot be opened is reported."""
    files = list(image_import.files.all())
    archives = [file for file in files if _looks_like_zip(file)]
    loose = [file for file in files if file not in archives]
    if loose:
        entries = {}
        for file in loose:
            name = file.name if file.name not in entries else f"{file.pk} {file.name}"
            entries[name] = _opener(file)
        yield _arranged(Source(entries), say)
    for file in archives:
        try:
            source = _zip_source(file, say)
        except ArchiveError as error:
            say(Problem(file.name, str(error), "refused"))
            continue
        yield _arranged(source, say)


def _opener(file: ImportFile) -> OpenEntry:
    return lambda: default_storage.open(file.path, "rb")


def _looks_like_zip(file: ImportFile) -> bool:
    if suffix_of(file.name) == ".zip":
        return True
    with default_storage.open(file.path, "rb") as stream:
        return bool(stream.read(4) in {b"PK\x03\x04", b"PK\x05\x06"})


def _zip_source(file: ImportFile, say: ReportProblem) -> Source:
    limits = Limits(
        max_entries=settings.MAX_ENTRIES,
        max_entry_bytes=settings.MAX_UPLOAD_BYTES,
        max_total_bytes=settings.MAX_UNPACKED_BYTES,
    )
    with ExitStack() as stack:
        stored = stack.enter_context(default_storage.open(file.path, "rb"))
        if not stored.seekable():
            copy = stack.enter_context(tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR))
            shutil.copyfileobj(stored, copy, 1024**2)
            copy.seek(0)
            stored = copy
        archive = stack.enter_context(SafeArchive(stored, limits))
        for problem in archive.problems:
            place = f"{file.name}: {problem.file}" if problem.file else file.name
            say(Problem(place, problem.message, problem.severity))
        entries: dict[str, OpenEntry] = {entry.name: entry.open for entry in archive.entries}
        return Source(entries, resources=stack.pop_all())


def _arranged(source: Source, say: ReportProblem) -> Source:
    """Sort the entries into photos, annotations, split lists and the label map."""
    names = [name for name in source.entries if not is_clutter(name)]
    annotations = [name for name in names if suffix_of(name) == ".xml"]
    maps = [name for name in names if suffix_of(name) == ".pbtxt"]
    images, others = [], []
    for name in names:
        if has_image_suffix(name):
            images.append(name)
        elif suffix_of(name) not in {".xml", ".pbtxt"}:
            others.append(name)
    source.label_map = maps[0] if maps else None
    pairing = pair_annotations(images, annotations, lambda name: _filename_in(source, name))
    annotation_of = {image: annotation for annotation, image in pairing.pairs}
    splits = _splits_from_folders(images) | _splits_from_lists(source, others, images)
    source.photos = [
        Photo(name, name, annotation_of.get(name), splits.get(name, "")) for name in images
    ]
    source.orphans = list(pairing.annotations_alone)
    source.format = "Pascal VOC" if annotations else "Photos"
    for name in others:
        _judge_other(source, name, say)
    return source


def _judge_other(source: Source, name: str, say: ReportProblem) -> None:
    """A file without an image's suffix: said, unless it is a list or note that goes with a set."""
    suffix = suffix_of(name)
    if suffix in {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}:
        words = "An archive inside is not unpacked. Upload it by itself, as a zip."
        say(Problem(name, words, "refused"))
    elif suffix not in SILENT_SUFFIXES:
        words = f"A {suffix} file is neither a photo nor an annotation that is read. Left out."
        say(Problem(name, words, "refused"))
    elif len(source.entries) == 1:
        say(Problem(name, "It is neither a photo nor a zip of photos. Left out.", "refused"))


def _filename_in(source: Source, name: str) -> str | None:
    try:
        return parse_voc(source.read(name, MAX_XML_BYTES), name).filename
    except (VocError, EntryRefused):
        return None


def _splits_from_lists(source: Source, others: list[str], images: list[str]) -> dict[str, str]:
    """Splits by lists as Pascal VOC keeps them: ImageSets/Main/{train,val,test}.txt."""
    lists = [(name, match[1]) for name in others if (match := SPLIT_LIST.search(name))]
    if not lists:
        return {}
    by_ending: dict[str, list[str]] = {}
    for image in images:
        stem = stem_of(image)
        by_ending.setdefault(stem, []).append(image)
        by_ending.setdefault(stem.rsplit("/", 1)[-1], []).append(image)
        by_ending.setdefault("/".join(stem.rsplit("/", 2)[-2:]), []).append(image)
    splits = {}
    for name, split in lists:
        text = source.read(name, MAX_LIST_BYTES).decode("utf-8", "replace")
        for line in text.splitlines():
            words = line.split()
            if not words:
                continue
            found = set(by_ending.get(stem_of(words[0]), by_ending.get(words[0], [])))
            if len(found) == 1:
                splits[found.pop()] = split
    return splits


def _splits_from_folders(images: list[str]) -> dict[str, str]:
    """Splits by folders; they speak only where train stands beside val or test."""
    splits: dict[str, str] = {}
    places: dict[str, set[str]] = {}
    place_of: dict[str, str] = {}
    for name in images:
        folders = name.split("/")[:-1]
        for depth, folder in enumerate(folders):
            split = FOLDER_SPLITS.get(folder.lower())
            if split is not None:
                splits[name] = split
                place_of[name] = "/".join(folders[:depth])
                places.setdefault(place_of[name], set()).add(split)
                break
    speaking = {place for place, found in places.items() if "train" in found and len(found) > 1}
    return {name: split for name, split in splits.items() if place_of[name] in speaking}
