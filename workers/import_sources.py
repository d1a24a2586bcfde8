"""What an upload holds: its loose files and its zips' entries, as one set of names.

Names are listed first and bytes are read on demand. Names are text to match and to show; nothing
is ever unpacked to a path made from one.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from django.conf import settings
from django.core.files.storage import default_storage

from detection.archive import ArchiveError, Limits, SafeArchive
from detection.formats.dataset import DatasetError
from detection.formats.drawn import Drawn
from detection.formats.reading import Reading
from detection.formats.registry import FORMATS, open_reading
from detection.names import has_image_suffix, is_clutter, stem_of, suffix_of
from detection.names_on_disk import NameList, NameMap, names_from
from detection.splits import splits_of_folders
from detection.types import Problem
from webapp.datasets.import_plans import ImportPlan
from webapp.datasets.models import ImageImport
from webapp.datasets.places import SERVER, NoSuchPlace, Place, files_of
from webapp.storage import local_path

PHOTOS = "Photos"
# Other tools' files, passed over without a sentence each.
SILENT_SUFFIXES = {".txt", ".md", ".yaml", ".yml", ".names", ".data", ".pbtxt", ".jsonl", ""}
# Files of these kinds mostly hold annotations: that nothing was found in one is said.
TELLING_SUFFIXES = {".json", ".csv", ".xml"}
ARCHIVE_SUFFIXES = {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}

# Where a file is: in the storage, or in a folder of the server; else in an archive, by number.
_STORED, _ON_SERVER = "stored", "server"

ReportProblem = Callable[[Problem], None]


class EntryRefused(ValueError):
    """A file of the upload that cannot be read; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Photo:
    """`name` to show and keep; `entry` and `annotation` to read from the source."""

    name: str
    entry: str
    annotation: str | None = None
    split: str = ""


class StoredFiles:
    """The upload's files by name, as the formats' readers see them: in flat memory."""

    def __init__(self) -> None:
        self.names = NameList()
        self._places: NameMap[str] = NameMap()
        self._archives: list[SafeArchive] = []

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        kind, _, where = self._places[name].partition(":")
        if kind == _STORED:
            return cast(AbstractContextManager[BinaryIO], default_storage.open(where, "rb"))
        if kind == _ON_SERVER:
            return open(where, "rb")
        return self._archives[int(kind)][int(where)].open()

    def path(self, name: str) -> Path | None:
        kind, _, where = self._places[name].partition(":")
        if kind == _STORED:
            return local_path(where)
        return Path(where) if kind == _ON_SERVER else None

    def add_file(self, file: GivenFile) -> None:
        self._add(file.name, f"{_STORED if file.is_stored else _ON_SERVER}:{file.where}")

    def add_archive(self, archive: SafeArchive, prefix: str) -> None:
        for number, entry in enumerate(archive):
            self._add(entry.name, f"{len(self._archives)}:{number}", prefix)
        self._archives.append(archive)

    def _add(self, name: str, place: str, prefix: str = "") -> None:
        """Register a file; one of a name that is taken gets a folder or a number before it."""
        if is_clutter(name):
            return
        chosen, count = f"{prefix}{name}", 1
        while not self._places.add(chosen, place):
            count += 1
            chosen = f"{prefix}{count}/{name}"
        self.names.append(chosen)


@dataclass
class Source:
    """Photos with their annotations, in an order that is always the same.

    `splits` by photo; `refused`: there are annotations, and none of them can be used.
    """

    files: StoredFiles
    entries: Sequence[str] = ()
    orphans: Sequence[str] = ()
    splits: Mapping[str, str] = field(default_factory=dict)
    format: str = PHOTOS
    reading: Reading | None = None
    refused: bool = False
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

    def photos(self, start: int = 0) -> Iterator[Photo]:
        """The photos, from that one on."""
        reading = self.reading
        for entry in names_from(self.entries, start):
            split = self.splits.get(entry, "")
            if reading is None:
                yield Photo(entry, entry, None, split)
            else:
                name, key = reading.name_of(entry), reading.annotation_of.get(entry)
                yield Photo(name, entry, key, split)

    def read(self, entry: str, limit: int) -> bytes:
        """The entry's bytes. Raises EntryRefused: unreadable, or longer than `limit`."""
        try:
            if self.reading is not None and self.reading.read_picture is not None:
                data = self.reading.read_picture(entry)
            else:
                with self.files.open(entry) as stream:
                    data = stream.read(limit + 1)
        except ArchiveError as error:
            raise EntryRefused(str(error)) from error
        except FileNotFoundError as error:
            raise EntryRefused("Its bytes are gone from the storage. Upload it again.") from error
        if len(data) > limit:
            raise EntryRefused(f"It is larger than {limit // 1024**2} MB.")
        return data

    def drawn(self, key: str) -> Drawn:
        """What the annotations under `key` say. Raises AnnotationError."""
        assert self.reading is not None
        return self.reading.drawn(key)


def open_sources(image_import: ImageImport, say: ReportProblem) -> Iterator[Source]:
    """The import's photos and annotations; a zip that cannot be opened is reported.

    Loose files and zips are one source, since annotations may lie in one and photos in the other.
    """
    files, resources = StoredFiles(), ExitStack()
    with ExitStack() as stack:
        stack.push(resources)
        archives = []
        for file in _given_files(image_import, say):
            if file.looks_like_zip():
                archives.append(file)
            else:
                files.add_file(file)
        for file in archives:
            # Two zips may hold files of one name that are not the same.
            prefix = f"{stem_of(file.name)}/" if len(archives) > 1 else ""
            try:
                _add_zip(files, file, prefix, resources, say)
            except ArchiveError as error:
                say(Problem(file.name, str(error), "refused"))
        if files.names:
            source = _arranged(files, resources, say)
            if not ImportPlan.from_json(image_import.plan).splits:
                source.splits = {}
            stack.pop_all()
            yield source
        else:
            resources.close()


@dataclass(frozen=True)
class GivenFile:
    """A file as it was uploaded, or as it lies in a folder of the server; `name` is text.

    `where`: its name in the storage, or its path on the server.
    """

    name: str
    where: str
    is_stored: bool = True

    def open(self) -> AbstractContextManager[BinaryIO]:
        if self.is_stored:
            return cast(AbstractContextManager[BinaryIO], default_storage.open(self.where, "rb"))
        return open(self.where, "rb")

    def looks_like_zip(self) -> bool:
        if suffix_of(self.name) == ".zip":
            return True
        if has_image_suffix(self.name):
            return False
        with self.open() as stream:
            return bool(stream.read(4) in {b"PK\x03\x04", b"PK\x05\x06"})


def _given_files(image_import: ImageImport, say: ReportProblem) -> Iterator[GivenFile]:
    if image_import.place is None:
        for file in image_import.files.iterator(500):
            yield GivenFile(file.name, file.path)
        return
    place = Place.from_json(image_import.place)
    found: NameMap[str] = NameMap()
    try:
        for name, where in files_of(place):
            found[name] = str(where)
            if len(found) > settings.MAX_ENTRIES:
                words = f"It holds more than {settings.MAX_ENTRIES:,} files, which is the limit "
                words += "(BOXLOOP_MAX_ENTRIES). Import its folders one by one."
                say(Problem(place.title, words, "refused"))
                return
    except NoSuchPlace as error:
        say(Problem("", str(error), "refused"))
        return
    for name, where in found.pairs():
        yield GivenFile(name, where, is_stored=place.kind != SERVER)


def _add_zip(
    files: StoredFiles, file: GivenFile, prefix: str, resources: ExitStack, say: ReportProblem
) -> None:
    limits = Limits(
        max_entries=settings.MAX_ENTRIES,
        max_entry_bytes=settings.MAX_UPLOAD_BYTES,
        max_total_bytes=settings.MAX_UNPACKED_BYTES,
        entries_setting="BOXLOOP_MAX_ENTRIES",
    )
    with ExitStack() as stack:
        stored = stack.enter_context(file.open())
        if not stored.seekable():
            copy = stack.enter_context(tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR))
            shutil.copyfileobj(stored, copy, 1024**2)
            copy.seek(0)
            stored = copy
        archive = stack.enter_context(SafeArchive(stored, limits))
        for problem in archive.problems:
            place = f"{file.name}: {problem.file}" if problem.file else file.name
            say(Problem(place, problem.message, problem.severity))
        files.add_archive(archive, prefix)
        resources.push(stack.pop_all())


def _arranged(files: StoredFiles, resources: ExitStack, say: ReportProblem) -> Source:
    """Sort the names into photos and annotations, and index the annotations."""
    source = Source(files, resources=resources)
    try:
        source.reading = reading = open_reading(files, say)
    except DatasetError as error:
        # The photos are still good.
        say(Problem("", str(error), "refused"))
        source.refused, reading = True, None
    used: NameMap[int] = NameMap()
    if reading is None:
        source.entries = NameList(name for name in files.names if has_image_suffix(name))
        source.splits = splits_of_folders(source.entries, NameMap())
    else:
        resources.callback(reading.close)
        source.format = FORMATS[reading.format].title
        source.entries, source.splits = reading.image_names, reading.splits
        source.orphans = () if reading.read_picture else reading.orphans
        for name in reading.files:
            used.add(name, 1)
    for name in files.names:
        if not has_image_suffix(name) and name not in used:
            _judge_other(files, name, source.refused, say)
    return source


def _judge_other(files: StoredFiles, name: str, told: bool, say: ReportProblem) -> None:
    """A file that is neither a photo nor read: said, unless it goes along with such sets."""
    suffix = suffix_of(name)
    if suffix in ARCHIVE_SUFFIXES:
        words = "An archive inside is not unpacked. Upload it by itself, as a zip."
        say(Problem(name, words, "refused"))
    elif suffix in TELLING_SUFFIXES:
        if not told:
            words = "No annotations of a known format were read from it. Left aside."
            say(Problem(name, words, "note"))
    elif suffix not in SILENT_SUFFIXES:
        words = f"A {suffix} file is neither a photo nor an annotation that is read. Left out."
        say(Problem(name, words, "refused"))
    elif len(files.names) == 1:
        say(Problem(name, "It is neither a photo nor a zip of photos. Left out.", "refused"))
