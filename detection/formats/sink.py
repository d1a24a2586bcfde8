"""Where a data set is written to: a folder, or a zip that is sent while it is made.

Writers give names and bytes; a sink knows no format. A name is always below its root.
"""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from zipstream import ZipStream

from detection.formats.dataset import DatasetItem
from detection.images import SUFFIX_BY_FORMAT
from detection.names import UniquePaths, layout_key, stem_of, suffix_of

Images = Literal["copy", "link", "none"]
PIECE = 256 * 1024
_SAME_SUFFIXES = {"jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"}, "png": {".png"}}


class Sink(ABC):
    """Takes a data set's files. ``images`` says what becomes of the pictures."""

    def __init__(self, images: Images = "copy") -> None:
        self.images: Images = images
        self._paths = UniquePaths()

    @abstractmethod
    def add(self, path: str, data: bytes) -> None:
        """Write a small file whole."""

    @abstractmethod
    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """A file to write to bit by bit. It comes into being when it is left without an error."""

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        """A temporary file that is gone when it is left."""
        with tempfile.TemporaryFile(dir=self._scratch_folder()) as file:
            yield file

    def _scratch_folder(self) -> Path | None:
        return None

    def picture_path(self, item: DatasetItem) -> str:
        """A path for the item's picture, unlike any before it also in its stem.

        Layout folders such as JPEGImages are left out, for the format has its own, and programs
        look for labels/x.txt beside images/x.jpg and nowhere else. Where pictures are not written
        it is their own name: the files are elsewhere.
        """
        name = item.image.name
        if self.images == "none":
            return name
        suffix = suffix_of(name)
        if suffix not in _SAME_SUFFIXES.get(item.picture_format, {suffix}):
            suffix = SUFFIX_BY_FORMAT[item.picture_format]
        return f"{self._paths.path_for(layout_key(stem_of(name)))}{suffix}"

    def add_picture(self, path: str, item: DatasetItem) -> None:
        """Write the item's picture, if pictures are wanted."""
        if self.images != "none":
            self.add(path, item.picture)

    def original_path(self, item: DatasetItem) -> str:
        """A path for the item's file as it came; its suffix stays."""
        name = item.image.name
        return name if self.images == "none" else self._paths.path_for(name)

    def add_original(self, path: str, item: DatasetItem) -> None:
        """Write the item's file as it came, if pictures are wanted."""
        if self.images != "none":
            self.add(path, item.picture if item.original is None else item.original)


class FolderSink(Sink):
    """Writes below a folder; ``files`` are those that ``open`` made."""

    def __init__(self, root: Path, images: Images = "copy") -> None:
        super().__init__(images)
        self.root = root
        self.files: list[Path] = []
        root.mkdir(parents=True, exist_ok=True)

    def add(self, path: str, data: bytes) -> None:
        self._place(path).write_bytes(data)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        target = self._place(path)
        beside = target.with_name(f"{target.name}.part")
        try:
            with beside.open("wb") as file:
                yield file
            beside.replace(target)
            self.files.append(target)
        finally:
            beside.unlink(missing_ok=True)

    def add_picture(self, path: str, item: DatasetItem) -> None:
        source = item.image.source
        if self.images == "link" and source is not None and item.original is None:
            _link(source, self._place(path))
        else:
            super().add_picture(path, item)

    def add_original(self, path: str, item: DatasetItem) -> None:
        source = item.image.source
        if self.images == "link" and source is not None:
            _link(source, self._place(path))
        else:
            super().add_original(path, item)

    def _place(self, path: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def _link(source: Path, target: Path) -> None:
    """A hard link where the file system can, else a symbolic one."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        target.symlink_to(source.resolve())


class ZipSink(Sink):
    """Makes a zip; ``pieces`` gives what is ready of it, ``finish`` the rest.

    Entries are kept as they are, for pictures do not shrink. What is written bit by bit waits in
    a temporary file in ``folder`` until it is whole.
    """

    def __init__(self, images: Images = "copy", folder: Path | None = None) -> None:
        super().__init__(images)
        self._zip = ZipStream()
        self._folder = folder

    def add(self, path: str, data: bytes) -> None:
        self._zip.add(data, path)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        file: BinaryIO = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        try:
            yield file
        except BaseException:
            file.close()
            raise
        self._zip.add(_read_and_close(file), path)

    def _scratch_folder(self) -> Path | None:
        return self._folder

    def pieces(self) -> Iterator[bytes]:
        """The bytes of all that was added since the last call."""
        yield from self._zip.all_files()

    def finish(self) -> Iterator[bytes]:
        """The last bytes; nothing can be added after them."""
        yield from self._zip.all_files()
        yield from self._zip.finalize()


def _read_and_close(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece
