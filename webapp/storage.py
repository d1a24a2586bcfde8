"""Where the bytes live: one Django storage, a folder by default, a bucket by setting."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage


class FolderStorage(FileSystemStorage):
    """Files in a folder; a file appears under its name only when all of it is on the disk.

    A name is written once or replaced whole, so that a process killed in the middle of a
    write leaves either the old bytes or the new ones and never half of them.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name  # names are ids and hashes made by us: the same name means the same thing

    def _save(self, name: str, content: File) -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        return name


def save_stream(name: str, stream: IO[bytes]) -> None:
    """Store a readable binary stream under `name`, replacing what was there."""
    default_storage.save(name, File(stream, name=Path(name).name))


def store_folder(folder: Path, prefix: str) -> None:
    """Store every file below `folder` under `prefix`/its relative path."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                save_stream(f"{prefix}/{path.relative_to(folder).as_posix()}", stream)


def stored_files(prefix: str) -> Iterator[str]:
    """Names of all stored files below `prefix`, in order."""
    try:
        folders, files = default_storage.listdir(prefix)
    except FileNotFoundError:
        return
    for name in sorted(files):
        if name and not name.startswith(".writing-"):
            yield f"{prefix}/{name}"
    for name in sorted(folders):
        yield from stored_files(f"{prefix}/{name}")


def fetch_files(prefix: str, names: Iterable[str], folder: Path) -> None:
    """Copy the stored files `prefix`/name into `folder`, which appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as beside:
        target = Path(beside) / "folder"
        target.mkdir()
        for name in names:
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with default_storage.open(f"{prefix}/{name}", "rb") as source, path.open("wb") as sink:
                for chunk in source.chunks():
                    sink.write(chunk)
        if not folder.exists():
            target.rename(folder)


def fetch_folder(prefix: str, folder: Path) -> None:
    """Copy all that is stored below `prefix`, if anything is, into `folder`."""
    names = [name[len(prefix) + 1 :] for name in stored_files(prefix)]
    if names:
        fetch_files(prefix, names, folder)


def delete_folder(prefix: str) -> None:
    for name in list(stored_files(prefix)):
        default_storage.delete(name)


def local_path(name: str) -> Path | None:
    """The file's path where the storage is a folder on this machine, else None."""
    storage: Any = default_storage
    try:
        return Path(storage.path(name))
    except NotImplementedError:
        return None
