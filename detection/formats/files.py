"""The files of a data set in a folder, an archive or a storage: names, and bytes on demand.

Readers see nothing else, so that none of them can open what the data merely names.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from detection.archive import ArchiveError, Limits, SafeArchive
from detection.formats.dataset import DatasetError
from detection.names import has_image_suffix, is_clutter
from detection.names_on_disk import NameList, NameMap


class FileRefused(ValueError):
    """A file that cannot be read; the message is a sentence without its name."""


class Files(Protocol):
    """Files by relative name with ``/`` between folders. ``path`` is given for local files."""

    @property
    def names(self) -> Sequence[str]: ...

    def open(self, name: str) -> AbstractContextManager[BinaryIO]: ...

    def path(self, name: str) -> Path | None: ...


def read_file(files: Files, name: str, limit: int) -> bytes:
    """A file's bytes. Raises FileRefused: unreadable, or longer than ``limit``."""
    try:
        with files.open(name) as stream:
            data = stream.read(limit + 1)
    except ArchiveError as error:
        raise FileRefused(str(error)) from None
    except OSError as error:
        raise FileRefused(f"It cannot be read ({error.strerror or error}).") from None
    if len(data) > limit:
        raise FileRefused(f"It is larger than {limit / 2**20:,.0f} MB, which is the limit.")
    return data


def read_head(files: Files, name: str, size: int = 64 * 1024) -> bytes:
    """A file's first bytes; empty where it cannot be read."""
    try:
        with files.open(name) as stream:
            return stream.read(size)
    except (ArchiveError, OSError):
        return b""


def image_names(files: Files) -> NameList:
    """The names that look like images', in order."""
    return NameList(name for name in files.names if has_image_suffix(name))


class FolderFiles:
    """The files below a folder, sorted. Links that lead out of it are not followed.

    Args:
        only: names of the files that are seen; all where None.
        with_images: images are seen, too.

    Raises:
        DatasetError: there is no such folder.
    """

    def __init__(
        self, root: Path, only: Collection[str] | None = None, *, with_images: bool = False
    ) -> None:
        if not root.is_dir():
            raise DatasetError(f"{root}: there is no such folder.")
        self.root = root
        self.names: Sequence[str] = NameList(
            name
            for name in files_below(root)
            if only is None or name in only or (with_images and has_image_suffix(name))
        )

    def open(self, name: str) -> BinaryIO:
        return self.path(name).open("rb")

    def path(self, name: str) -> Path:
        return self.root / name


class ArchiveFiles:
    """The files of a zip that can be taken; ``problems`` names the others. Raises DatasetError."""

    def __init__(self, source: Path, limits: Limits | None = None) -> None:
        try:
            self._archive = SafeArchive(source, limits)
        except ArchiveError as error:
            raise DatasetError(f"{source}: {error}") from None
        self._numbers: NameMap[int] = NameMap()
        for number, entry in enumerate(self._archive):
            self._numbers[entry.name] = number
        self.names: Sequence[str] = NameList(self._numbers)
        self.problems = self._archive.problems

    def open(self, name: str) -> BinaryIO:
        return self._archive[self._numbers[name]].open()

    def path(self, name: str) -> None:
        return None


def files_below(root: Path) -> Iterator[str]:
    """Relative names of the files below ``root``, sorted; hidden folders are passed over."""
    for folder, subfolders, files in os.walk(root, followlinks=False):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        relative = Path(folder).relative_to(root).as_posix()
        prefix = "" if relative == "." else f"{relative}/"
        for file in sorted(files):
            name = prefix + file
            if not is_clutter(name) and _stays_inside(root, name):
                yield name


def _stays_inside(root: Path, name: str) -> bool:
    path = root / name
    return not path.is_symlink() or path.resolve().is_relative_to(root.resolve())
