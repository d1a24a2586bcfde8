"""Reading a user's zip without trusting it: names, sizes and contents are claims until measured.

Nothing is written to disk. What cannot be taken is refused entry by entry, each with a sentence;
the rest goes on. Sizes and ratios are measured while reading, not believed.
"""

from __future__ import annotations

import io
import re
import stat
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, overload

import numpy as np

from detection import zip_directory
from detection.names import is_clutter, match_key, suffix_of, visible
from detection.names_on_disk import NameMap
from detection.types import Problem
from detection.zip_directory import ZipDirectory, ZipDirectoryError, ZipEntry

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_ARCHIVE_SUFFIXES = frozenset(
    {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst", ".jar"}
)
_OTHER_ARCHIVES = (
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an XZ archive"),
)
_STORED, _DEFLATED = 0, 8
_METHOD_NAMES = {
    9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 97: "WavPack",
    98: "PPMd", 99: "AES",
}  # fmt: skip
_DRIVE = re.compile(r"[A-Za-z]:")
_READ_SIZE = 64 * 1024
_MAX_NAME = 1024
_MAX_DEPTH = 32
_FARTHEST = 2**63  # beyond any file; what an entry claims may be more


class ArchiveError(ValueError):
    """An archive or an entry that cannot be read; the message is a sentence without its name."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold.

    ``max_ratio`` is unpacked to packed bytes, over the first ``ratio_grace_bytes``: real pictures
    hardly shrink, and small text files do a lot. Beyond ``max_tiny_entries`` an archive must have
    a KiB for each entry. ``entries_setting`` is what raises ``max_entries``, for the sentence that
    refuses.
    """

    max_entries: int = 400_000
    max_tiny_entries: int = 50_000
    max_entry_bytes: int = 512 * 1024**2
    max_total_bytes: int = 50 * 1024**3
    max_ratio: float = 200.0
    ratio_grace_bytes: int = 4 * 1024**2
    entries_setting: str = ""


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file in an archive. ``name`` is text with ``/`` between folders, unique in the archive."""

    name: str
    size: int
    number: int
    _archive: SafeArchive = field(repr=False, compare=False)
    _entry: ZipEntry = field(repr=False, compare=False)

    def open(self) -> BinaryIO:
        """A stream of the entry's bytes. Reading raises ArchiveError where a limit is passed or
        the bytes do not fit their checksum; several may be open at once, in one thread."""
        return self._archive._open(self._entry, self.number)

    def read(self) -> bytes:
        """All bytes of the entry. Raises ArchiveError."""
        with self.open() as stream:
            return stream.read()


class SafeArchive(Sequence[ArchiveEntry]):
    """The files of a zip that can be taken, in its order, and problems for those that cannot.

    An entry is read from the table of contents when it is asked for, so that memory hardly grows
    with their number.

    Args:
        source: a path, or a seekable file, which is left open.
        limits: what it may hold.

    Raises:
        ArchiveError: it is no zip, is empty, or has too many entries.
    """

    def __init__(self, source: Path | BinaryIO, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.problems: list[Problem] = []
        self.bytes_read = 0
        self._is_owned = isinstance(source, Path)
        self._file: BinaryIO = source.open("rb") if isinstance(source, Path) else source
        try:
            self._directory = self._find_directory()
            # Where each entry stands in the table of contents, and how much was read of it.
            self._places = self._list_places()
            self._read_of = array("Q", bytes(self._places.itemsize * len(self._places)))
        except ZipDirectoryError as error:
            self.close()
            raise ArchiveError(str(error)) from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SafeArchive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, where this opened it."""
        if self._is_owned:
            self._file.close()

    @property
    def entries(self) -> Sequence[ArchiveEntry]:
        return self

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> ArchiveEntry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ArchiveEntry]: ...

    def __getitem__(self, index: int | slice) -> ArchiveEntry | Sequence[ArchiveEntry]:
        numbers = range(len(self._places))[index]
        if isinstance(numbers, range):
            return [self._entry(number) for number in numbers]
        return self._entry(numbers)

    def _entry(self, number: int) -> ArchiveEntry:
        try:
            entry = self._directory.entry_at(self._file, self._places[number])
        except ZipDirectoryError as error:
            raise ArchiveError(str(error)) from None
        return ArchiveEntry(_tidy_name(entry), entry.size, number, self, entry)

    def _find_directory(self) -> ZipDirectory:
        self._refuse_other_archives()
        directory = zip_directory.read_directory(self._file)
        self._max_entries = self._most_entries()
        if directory.num_entries > self._max_entries:
            raise self._too_many(f"{directory.num_entries:,}")
        if directory.size == 0:
            raise ArchiveError("It is empty: there are no files in it.")
        return directory

    def _list_places(self) -> array[int]:
        """The places of the entries that can be taken; problems for the others."""
        places, starts, ends = array("Q"), array("Q"), array("Q")
        names: NameMap[int] = NameMap()
        folded: NameMap[str] = NameMap()
        for number, (place, entry) in enumerate(self._directory.entries(self._file), 1):
            if number > self._max_entries:
                raise self._too_many("too many")
            name = _tidy_name(entry)
            if name.endswith("/") or is_clutter(name):
                continue
            refusal = self._words_against(entry, name)
            if refusal is None and not names.add(name, place):
                refusal = "The archive has it twice. The first was taken, this one left out."
            if refusal is not None:
                self.problems.append(Problem(visible(name), refusal, "refused"))
                continue
            self._note_case(name, folded)
            places.append(place)
            end = entry.header_offset + len(entry.raw_name) + entry.packed_size
            starts.append(min(entry.header_offset, _FARTHEST))
            ends.append(min(end, _FARTHEST))
        return self._apart(places, starts, ends)

    def _apart(self, places: array[int], starts: array[int], ends: array[int]) -> array[int]:
        """Places of entries whose bytes are their own: an archive that packs some once and lists
        them often unpacks to any size (D. Fifield, A better zip bomb, 2019)."""
        end, sharing = 0, set()
        for at in np.argsort(np.asarray(starts), kind="stable"):
            if starts[at] < end:
                name = _tidy_name(self._directory.entry_at(self._file, places[at]))
                words = "It shares its bytes with another entry, as in no honest archive. Left out."
                self.problems.append(Problem(visible(name), words, "refused"))
                sharing.add(int(at))
            else:
                end = ends[at]
        if not sharing:
            return places
        return array("Q", (place for at, place in enumerate(places) if at not in sharing))

    def _too_many(self, count: str) -> ArchiveError:
        limits, limit = self.limits, f"the limit is {self._max_entries:,}"
        way_out = "Split it into several"
        if self._max_entries < limits.max_entries:
            limit += " for an archive of its size"
        elif limits.entries_setting:
            way_out += f", or have the limit raised ({limits.entries_setting})"
        return ArchiveError(f"It has {count} entries; {limit}. {way_out}.")

    def _most_entries(self) -> int:
        fitting = self._file.seek(0, io.SEEK_END) // 1024
        return min(self.limits.max_entries, max(self.limits.max_tiny_entries, fitting))

    def _refuse_other_archives(self) -> None:
        self._file.seek(0)
        head = self._file.read(512)
        if not head:
            raise ArchiveError("The file is empty.")
        for magic, name in _OTHER_ARCHIVES:
            if head.startswith(magic):
                raise ArchiveError(f"It is {name}. Boxloop takes zip archives; pack it as one.")
        if head[257:262] == b"ustar":
            raise ArchiveError("It is a tar archive. Boxloop takes zip archives; pack it as one.")

    def _words_against(self, entry: ZipEntry, name: str) -> str | None:
        """A sentence that refuses this entry, or None."""
        refusal = _words_against_name(name) or _words_against_kind(entry)
        if refusal is not None:
            return refusal
        if suffix_of(name) in _ARCHIVE_SUFFIXES:
            return "An archive inside the archive is not unpacked. Upload it by itself, as a zip."
        if entry.size > self.limits.max_entry_bytes:
            limit = _megabytes(self.limits.max_entry_bytes)
            return f"It unpacks to {_megabytes(entry.size)}; the limit for one file is {limit}."
        return None

    def _note_case(self, name: str, folded: NameMap[str]) -> None:
        other = folded.setdefault(match_key(name).casefold(), name)
        if other != name:
            words = f"Its name differs from {visible(other)} only in case or in how its letters "
            words += "are encoded. Both were taken, as two files."
            self.problems.append(Problem(visible(name), words, "note"))

    def _open(self, entry: ZipEntry, number: int) -> BinaryIO:
        try:
            offset = zip_directory.data_offset(self._file, entry)
        except ZipDirectoryError as error:
            raise ArchiveError(str(error)) from None
        return io.BufferedReader(_EntryStream(self, entry, number, offset), _READ_SIZE)

    def _count(self, number: int, produced: int) -> None:
        """Count unpacked bytes, those of a second reading not again. Raises ArchiveError."""
        before = self._read_of[number]
        if produced > before:
            self._read_of[number] = produced
            self.bytes_read += produced - before
        if self.bytes_read > self.limits.max_total_bytes:
            limit = _megabytes(self.limits.max_total_bytes)
            raise ArchiveError(f"The archive unpacks to over {limit}, which is the limit.")


def _tidy_name(entry: ZipEntry) -> str:
    """The entry's name; zips made on Windows may have backslashes between folders."""
    name = entry.name
    if not entry.made_on_unix:
        name = name.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name


def _words_against_name(name: str) -> str | None:
    parts = re.split(r"[\\/]", name)
    if not name or "\0" in name:
        return "Its name cannot be a file's. Left out."
    if name[0] in "\\/" or _DRIVE.match(name):
        return "Its path starts at the root of a disk. Left out."
    if ".." in parts:
        return "Its path climbs out of the archive. Left out."
    if len(name) > _MAX_NAME or len(parts) > _MAX_DEPTH:
        return f"Its path has over {_MAX_NAME:,} characters or {_MAX_DEPTH} folders. Left out."
    if "" in name.split("/") or "." in name.split("/"):
        return "Its path has an empty folder name. Left out."
    return None


def _words_against_kind(entry: ZipEntry) -> str | None:
    kind = stat.S_IFMT(entry.unix_mode) if entry.made_on_unix else 0
    if stat.S_ISLNK(kind):
        return "It is a link to another file. Left out."
    if kind and not stat.S_ISREG(kind):
        return "It is not a plain file. Left out."
    if entry.is_encrypted:
        return "It is locked with a password. Left out; pack it without one."
    if entry.method not in (_STORED, _DEFLATED):
        method = _METHOD_NAMES.get(entry.method, f"method {entry.method}")
        return f"It is packed with {method}, which cannot be unpacked here. Left out."
    return None


class _EntryStream(io.RawIOBase):
    """Unpacks one entry, measuring as it goes."""

    def __init__(self, archive: SafeArchive, entry: ZipEntry, number: int, offset: int) -> None:
        self._archive, self._entry, self._number = archive, entry, number
        self._at, self._packed_left = offset, entry.packed_size
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
        self._produced, self._crc = 0, 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._next(len(view))
        view[: len(data)] = data
        return len(data)

    def _next(self, size: int) -> bytes:
        """The next bytes, at most ``size``; empty at the end, after the last checks."""
        while not self._ended:
            data = self._unpack(size)
            self._crc = zlib.crc32(data, self._crc)
            self._produced += len(data)
            self._measure()
            if data:
                return data
        return b""

    def _unpack(self, size: int) -> bytes:
        if self._inflate is None:
            data = self._packed(size)
        elif self._inflate.unconsumed_tail:
            data = self._decompress(self._inflate.unconsumed_tail, size)
        else:
            data = self._decompress(self._packed(_READ_SIZE), size)
        if not data and (self._packed_left == 0 or (self._inflate and self._inflate.eof)):
            self._ended = not (self._inflate and self._inflate.unconsumed_tail)
            if self._ended:
                self._check_end()
        return data

    def _packed(self, size: int) -> bytes:
        file = self._archive._file
        file.seek(self._at)
        data = file.read(min(size, self._packed_left))
        if not data and self._packed_left:
            raise ArchiveError("It is cut short: the archive ends within it.")
        self._at += len(data)
        self._packed_left -= len(data)
        return data

    def _decompress(self, packed: bytes, size: int) -> bytes:
        assert self._inflate is not None
        try:
            return self._inflate.decompress(packed, size)
        except zlib.error:
            raise ArchiveError("Its packed bytes are damaged.") from None

    def _measure(self) -> None:
        limits, entry = self._archive.limits, self._entry
        if self._produced > entry.size:
            said = f"{entry.size:,} bytes"
            raise ArchiveError(f"It unpacks to more than the {said} that the archive says.")
        waiting = len(self._inflate.unconsumed_tail) if self._inflate else 0
        consumed = entry.packed_size - self._packed_left - waiting
        if self._produced > limits.ratio_grace_bytes and self._produced > limits.max_ratio * max(
            1, consumed
        ):
            raise ArchiveError(
                f"It unpacks to over {limits.max_ratio:g} times its size, which no picture does."
            )
        self._archive._count(self._number, self._produced)

    def _check_end(self) -> None:
        if self._produced != self._entry.size:
            raise ArchiveError(
                f"It has {self._produced:,} bytes, and the archive says {self._entry.size:,}."
            )
        if self._crc != self._entry.crc:
            raise ArchiveError("It does not fit its checksum: it is damaged.")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
