"""Files that arrive in parts: an upload that broke off goes on where it was.

What `ImportFile.bytes` says is on the disk for good; bytes beyond it in the part's file came with
a connection that broke and are dropped. Parts lie on this machine's disk, beside their place in
the storage where that is a folder, and are moved there whole.
"""

import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from weakref import WeakValueDictionary

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from webapp.datasets.models import ImageImport, ImportFile
from webapp.datasets.uploads import UploadRefused, clean_file_name, not_open, too_large
from webapp.disk import DiskFull, check_room
from webapp.file_batch import sync_path
from webapp.leases import Status
from webapp.request_bodies import BodyCut, StreamedBody
from webapp.storage import local_path, save_stream
from webapp.templatetags.boxloop import size

# An acknowledgement costs a wait for the disk; a cut costs at most what came since the last one.
SETTLE_EVERY = 16 * 1024**2
TAKE_OVER_SECONDS = 10.0
CHECKSUMS = ("sha1", "sha256", "md5")


class ChecksumMismatch(Exception):
    """The bytes that arrived are not those that were sent; none of them were kept."""


class WrongOffset(Exception):
    """The part begins elsewhere than where the file ends."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"The file goes on at byte {offset}.")
        self.offset = offset


def announce(image_import: ImageImport, name: str, num_bytes: int) -> ImportFile:
    """The file's row, new or as it was left. Raises UploadRefused.

    A name is a file's key within its import: the same name and length go on, another length
    begins anew.
    """
    name = clean_file_name(name)
    if num_bytes > settings.MAX_UPLOAD_BYTES:
        raise UploadRefused(too_large(name, num_bytes), 413)
    if image_import.status != Status.DRAFT:
        raise UploadRefused(not_open(image_import), 409)
    row = image_import.files.filter(name=name).first()
    if row is None:
        _check_room(num_bytes)
        row = image_import.files.create(name=name, bytes=0, declared_bytes=num_bytes)
    elif row.declared_bytes != num_bytes:
        with _alone(row):
            discard_part(row)
            row.bytes, row.declared_bytes = 0, num_bytes
            row.save(update_fields=["bytes", "declared_bytes"])
    row.image_import = image_import
    if num_bytes == 0:
        with _alone(row), _opened(row):
            pass
        _finish(row)
    return row


def receive_part(
    row: ImportFile,
    offset: int,
    read: Callable[[], bytes],
    body: StreamedBody | None = None,
    checksum: tuple[str, bytes] | None = None,
) -> int:
    """Append what `read` gives until it is empty; the file's new length, which is durable.

    Where the connection breaks, what has come is kept (BodyCut goes on to the caller), unless a
    checksum stands for all of it. Raises WrongOffset, ChecksumMismatch, UploadRefused.
    """
    with _alone(row, body):
        row.refresh_from_db()
        if offset != row.bytes:
            raise WrongOffset(row.bytes)
        with _opened(row) as file:
            file.truncate(offset)
            file.seek(offset)
            digest = hashlib.new(checksum[0], usedforsecurity=False) if checksum else None
            try:
                _copy(row, file, read, digest)
            except BodyCut:
                if digest is None:
                    _settle(row, file)
                raise
            if digest is not None and checksum is not None and digest.digest() != checksum[1]:
                file.truncate(offset)
                raise ChecksumMismatch
            _settle(row, file)
    if row.bytes == row.declared_bytes:
        _finish(row)
    return row.bytes


def _copy(row: ImportFile, file: BinaryIO, read: Callable[[], bytes], digest: Any) -> None:
    unsettled = 0
    declared = row.declared_bytes or 0
    while piece := read():
        if file.tell() + len(piece) > declared:
            raise UploadRefused(
                f"{row.name}: more arrives than the {size(declared)} announced.", 413
            )
        file.write(piece)
        unsettled += len(piece)
        if digest is not None:
            digest.update(piece)
        if unsettled >= SETTLE_EVERY:
            unsettled = 0
            _check_room(0)
            if digest is None:
                _settle(row, file)


def _settle(row: ImportFile, file: BinaryIO) -> None:
    """Have the bytes on the disk, and only then say so in the row."""
    file.flush()
    os.fsync(file.fileno())
    length = file.tell()
    kept = ImportFile.objects.filter(
        pk=row.pk, bytes=row.bytes, image_import__status=Status.DRAFT
    ).update(bytes=length, received_at=timezone.now())
    if not kept:
        row.image_import.refresh_from_db()
        raise UploadRefused(not_open(row.image_import), 409)
    row.bytes = length


def _finish(row: ImportFile) -> None:
    """Put the whole file into its place."""
    part, place = part_path(row), local_path(row.path)
    if place is not None:
        if part.exists():
            os.replace(part, place)
            sync_path(place.parent)
    elif part.exists():
        with part.open("rb") as stream:
            save_stream(row.path, stream)
        part.unlink()


def complete(image_import: ImageImport) -> None:
    """Make sure that whole files lie in their places (the server may have died just before).

    Raises UploadRefused where one is not whole.
    """
    for row in image_import.files.exclude(declared_bytes=None):
        if not row.is_whole:
            raise UploadRefused(
                f"{row.name}: {size(row.bytes)} of {size(row.declared_bytes)} have arrived. "
                "Choose the same file again; it goes on from there.",
                409,
            )
        _finish(row)


def discard(row: ImportFile) -> None:
    """Drop the file, whole or not. Raises UploadRefused where its import has begun."""
    if not ImageImport.objects.filter(pk=row.image_import_id, status=Status.DRAFT).exists():
        raise UploadRefused(not_open(row.image_import), 409)
    discard_part(row)
    default_storage.delete(row.path)
    row.delete()


def discard_part(row: ImportFile) -> None:
    part_path(row).unlink(missing_ok=True)


def part_path(row: ImportFile) -> Path:
    place = local_path(row.path)
    if place is not None:
        return place.with_name(f"{place.name}.part")
    return Path(settings.FILE_UPLOAD_TEMP_DIR) / f"import-file-{row.pk}.part"


@contextmanager
def _opened(row: ImportFile) -> Iterator[BinaryIO]:
    path = part_path(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
        # Another process of the web server may hold it.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


class _Holder:
    """Who writes a file: one thread, and the connections that would."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.bodies: list[StreamedBody] = []


_lock = threading.Lock()
_holders: WeakValueDictionary[int, _Holder] = WeakValueDictionary()


def settle_others(row: ImportFile) -> None:
    """End connections that still send to this file, dead ones above all, and wait for them."""
    with _alone(row):
        row.refresh_from_db()


@contextmanager
def _alone(row: ImportFile, body: StreamedBody | None = None) -> Iterator[None]:
    """One connection at a time writes a file; the newest wins, for the older may be dead.

    Raises UploadRefused where the older one does not end.
    """
    with _lock:
        holder = _holders.get(row.pk) or _Holder()
        _holders[row.pk] = holder
        for older in holder.bodies:
            older.cut()
        if body is not None:
            holder.bodies.append(body)
    try:
        if not holder.lock.acquire(timeout=TAKE_OVER_SECONDS):
            raise UploadRefused(f"{row.name}: another connection is sending this file.", 423)
        try:
            yield
        finally:
            holder.lock.release()
    finally:
        with _lock:
            if body is not None:
                holder.bodies.remove(body)


def _check_room(num_bytes: int) -> None:
    try:
        check_room(num_bytes)
    except DiskFull as error:
        raise UploadRefused(str(error), 507) from error
