"""Many files that become durable together.

One wait for the disk a file makes a folder of photos slow; here files are written first and waited
for together, so that the disk's waits overlap. A row about a file is committed after `settle`.
"""

import os
import secrets
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from webapp.storage import local_path

WAITERS = 8


class FileBatch:
    """Files are there once `save` returns, and survive a power cut once `settle` returns.

    `save` may be called from several threads. With a bucket as the storage both are one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unsettled: list[Path] = []
        self._folders: set[Path] = set()
        self._token, self._numbers = secrets.token_hex(8), count()
        self._waiters = ThreadPoolExecutor(WAITERS, thread_name_prefix="fsync")
        self._settler = ThreadPoolExecutor(1, thread_name_prefix="settle")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._settler.shutdown()
        self._waiters.shutdown()

    def save(self, name: str, data: bytes) -> None:
        """Store `data` under `name`, replacing what was there."""
        path = local_path(name)
        if path is None:
            default_storage.save(name, ContentFile(data))
            return
        beside = self._beside(path)
        try:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb", buffering=0) as file:
                left = memoryview(data)
                while left:
                    left = left[file.write(left) :]
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        with self._lock:
            self._unsettled.append(path)

    def save_same(self, name: str, saved: str, data: bytes) -> None:
        """Store under `name`, too, what was just saved as `saved`: `data`.

        In a folder that is one file with two names, since files here are replaced whole and never
        written into: half the bytes. It settles with the next file that is saved there.
        """
        path, source = local_path(name), local_path(saved)
        if path is None or source is None or path.parent != source.parent:
            self.save(name, data)
            return
        beside = self._beside(path)
        try:
            os.link(source, beside)
            os.replace(beside, path)
        except OSError:  # there are file systems without links
            self.save(name, data)
        finally:
            # To rename one name of a file onto another of its names does nothing at all.
            beside.unlink(missing_ok=True)

    def _beside(self, path: Path) -> Path:
        """A free name in the same folder, which is made."""
        folder = path.parent
        if folder not in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
        return folder / f".writing-{self._token}-{next(self._numbers)}"

    def settle(self) -> None:
        """Wait until all that was saved is on the disk. Raises OSError where it cannot be."""
        self.settle_soon().result()

    def settle_soon(self) -> Future[None]:
        """`settle`, for what was saved until now, while the caller does something else."""
        with self._lock:
            paths, self._unsettled = self._unsettled, []
        return self._settler.submit(self._sync, paths)

    def _sync(self, paths: list[Path]) -> None:
        list(self._waiters.map(sync_path, paths))
        # The names, too: a file whose folder was not written is not to be found.
        list(self._waiters.map(sync_path, {path.parent for path in paths}))


def sync_path(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
