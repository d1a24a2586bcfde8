"""Many files that become durable together.

One wait for the disk a file makes a folder of photos slow; here files are written first and waited
for together, so that the disk's waits overlap. A row about a file is committed after `settle`.
"""

import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
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
        self._waiters = ThreadPoolExecutor(WAITERS, thread_name_prefix="fsync")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiters.shutdown()

    def save(self, name: str, data: bytes) -> None:
        """Store `data` under `name`, replacing what was there."""
        path = local_path(name)
        if path is None:
            default_storage.save(name, ContentFile(data))
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(beside, path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        with self._lock:
            self._unsettled.append(path)

    def settle(self) -> None:
        """Wait until all that was saved is on the disk. Raises OSError where it cannot be."""
        with self._lock:
            paths, self._unsettled = self._unsettled, []
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
