"""A zip's table of contents, read without trusting it.

Python's ``zipfile`` builds an object for each entry before anyone can count them, and fails as a
whole where one name is not the UTF-8 that it says. Here the entries come one by one, with their
names as bytes. Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3 and 4.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 65_535
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_UNIX, _MACOS = 3, 19


class ZipDirectoryError(ValueError):
    """A table of contents that cannot be read; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One line of the table of contents, as written."""

    raw_name: bytes
    method: int
    flags: int
    crc: int
    packed_size: int
    size: int
    header_offset: int
    made_on: int
    unix_mode: int

    @property
    def is_encrypted(self) -> bool:
        return bool(self.flags & _ENCRYPTED)

    @property
    def made_on_unix(self) -> bool:
        return self.made_on in (_UNIX, _MACOS)

    @property
    def name(self) -> str:
        """The name as text: UTF-8 where it is UTF-8, whatever its flag says; else code page 437."""
        try:
            return self.raw_name.decode("utf-8")
        except UnicodeDecodeError:
            return self.raw_name.decode("cp437")


@dataclass(frozen=True, slots=True)
class ZipDirectory:
    """Where the table of contents lies, and how many entries it claims."""

    num_entries: int
    offset: int
    size: int
    shift: int  # bytes that stand before the zip itself

    def entries(self, file: BinaryIO) -> Iterator[tuple[int, ZipEntry]]:
        """The entries one by one, however many are claimed, each with the place of its line.

        Raises ZipDirectoryError where the table breaks off.
        """
        place = self.offset
        while place < self.offset + self.size:
            entry, end = self._read(file, place)
            yield place, entry
            place = end

    def entry_at(self, file: BinaryIO, place: int) -> ZipEntry:
        """The entry whose line starts there. Raises ZipDirectoryError."""
        return self._read(file, place)[0]

    def _read(self, file: BinaryIO, place: int) -> tuple[ZipEntry, int]:
        """An entry, and where the next one's line starts."""
        file.seek(place)
        head = file.read(_ENTRY.size)
        if len(head) < _ENTRY.size or head[:4] != b"PK\x01\x02":
            raise ZipDirectoryError("Its table of contents is damaged.")
        fields = _ENTRY.unpack(head)
        name_size, extra_size, comment_size = fields[10:13]
        tail = file.read(name_size + extra_size + comment_size)
        end = place + _ENTRY.size + len(tail)
        if len(tail) < name_size + extra_size + comment_size or end > self.offset + self.size:
            raise ZipDirectoryError("Its table of contents is damaged.")
        return self._entry(fields, tail[:name_size], tail[name_size : name_size + extra_size]), end

    def _entry(self, fields: tuple[Any, ...], raw_name: bytes, extra: bytes) -> ZipEntry:
        _, made_by, _, flags, method, _, _, crc, packed, size, *_, external, offset = fields
        size, packed, offset = _wide_values(extra, size, packed, offset)
        return ZipEntry(
            raw_name, method, flags, crc, packed, size, offset + self.shift,
            made_by >> 8, external >> 16,
        )  # fmt: skip


def read_directory(file: BinaryIO) -> ZipDirectory:
    """Find the table of contents at a zip's end. Raises ZipDirectoryError where there is none."""
    total = file.seek(0, 2)
    tail_size = min(total, _END.size + _MAX_COMMENT)
    file.seek(total - tail_size)
    tail = file.read(tail_size)
    at = tail.rfind(b"PK\x05\x06", 0, max(0, len(tail) - _END.size + 4))
    if at < 0:
        raise ZipDirectoryError("It is not a zip, or it is cut short: it has no table of contents.")
    _, _, _, _, count, size, offset, _ = _END.unpack_from(tail, at)
    end_of_table = total - tail_size + at
    if 0xFFFF in (count,) or 0xFFFFFFFF in (size, offset):
        count, size, offset, end_of_table = _read_wide_end(file, end_of_table, count, size, offset)
    start = end_of_table - size
    if start < 0 or start < offset:
        raise ZipDirectoryError("Its table of contents lies outside it: damaged or cut short.")
    return ZipDirectory(count, start, size, start - offset)


def data_offset(file: BinaryIO, entry: ZipEntry) -> int:
    """Where an entry's packed bytes start. Raises ZipDirectoryError."""
    file.seek(entry.header_offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
        raise ZipDirectoryError("It is not where the table of contents says.")
    name_size, extra_size = struct.unpack_from("<HH", head, _LOCAL.size - 4)
    return entry.header_offset + _LOCAL.size + int(name_size) + int(extra_size)


def _read_wide_end(
    file: BinaryIO, end_at: int, count: int, size: int, offset: int
) -> tuple[int, int, int, int]:
    """The zip64 record before the end record, where there is one."""
    file.seek(max(0, end_at - _END64_LOCATOR.size))
    locator = file.read(_END64_LOCATOR.size)
    if len(locator) < _END64_LOCATOR.size or locator[:4] != b"PK\x06\x07":
        return count, size, offset, end_at
    # Bytes put before the zip move the record: it stands right before its locator.
    at = end_at - _END64_LOCATOR.size - _END64.size
    file.seek(max(0, at))
    record = file.read(_END64.size)
    if len(record) < _END64.size or record[:4] != b"PK\x06\x06":
        raise ZipDirectoryError("Its table of contents is damaged.")
    *_, count, size, offset = _END64.unpack(record)
    return count, size, offset, at


def _wide_values(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Values from the zip64 extra field, for those that did not fit in 32 bits."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = [*struct.iter_unpack("<Q", extra[at + 4 : at + 4 + length // 8 * 8])]
            values = iter(value for (value,) in wide)
            size = next(values, size) if size == 0xFFFFFFFF else size
            packed = next(values, packed) if packed == 0xFFFFFFFF else packed
            offset = next(values, offset) if offset == 0xFFFFFFFF else offset
            break
        at += 4 + length
    return size, packed, offset
