"""From entries of an upload to photos whose files are durable, a batch at a time.

The calling thread reads, since an archive is one file with one position. Decoders, each in a child
process behind a thread of its own, work on what lies ahead while the caller writes rows. Memory is
bounded by the bytes that lie ahead, however many photos there are.
"""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from django.conf import settings

from detection.decoder import DecodeLimits, Decoder
from detection.images import ImageRefused
from webapp.datasets.intake import SIZES, StoredPhoto, save_photo
from webapp.disk import check_room
from webapp.file_batch import FileBatch
from webapp.projects.models import Project
from workers.import_sources import EntryRefused, Photo, Source

BATCH_PHOTOS = 64
BATCH_SECONDS = 1.5
AHEAD_PHOTOS = 96
AHEAD_BYTES = 48 * 1024**2
MAX_DECODERS = 8
# A thread that comes back from the disk or from its decoder waits this long for a busy caller.
# Python's own 5 ms, twenty times a photo, would leave the decoders idle.
SWITCH_SECONDS = 0.0005


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a photo: stored, or refused with a sentence."""

    photo: Photo
    stored: StoredPhoto | None
    refusal: str = ""


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class PhotoPipeline:
    """Decodes and stores photos for one import. The files that it yields are durable."""

    def __init__(self, project: Project, split: str = "") -> None:
        self.project, self.split = project, split
        self._files = FileBatch()
        self._own = threading.local()
        self._decoders: list[Decoder] = []
        self._pool = ThreadPoolExecutor(min(MAX_DECODERS, cores()), thread_name_prefix="decode")

    def __enter__(self) -> Self:
        self._switch_seconds = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sys.setswitchinterval(self._switch_seconds)
        # After an error, or a cancel, nobody waits for pictures that are being decoded.
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
        for decoder in self._decoders:
            decoder.stop()
        self._pool.shutdown()
        self._files.__exit__(kind, error, trace)

    def batches(self, source: Source, photos: Iterable[Photo]) -> Iterator[list[Outcome]]:
        """Every photo's outcome, in order. Raises DiskFull where room runs out."""
        check_room()
        batch: list[Outcome] = []
        settling: tuple[list[Outcome], Future[None]] | None = None
        since = time.monotonic()
        for photo, future in self._ahead(source, photos):
            batch.append(_outcome(photo, future))
            if len(batch) >= BATCH_PHOTOS or time.monotonic() - since > BATCH_SECONDS:
                check_room()
                # The disk has time until the next batch is full.
                before, settling = settling, (batch, self._files.settle_soon())
                yield from _settled(before)
                batch, since = [], time.monotonic()
        yield from _settled(settling)
        if batch:
            self._files.settle()
            yield batch

    def _ahead(
        self, source: Source, photos: Iterable[Photo]
    ) -> Iterator[tuple[Photo, Future[StoredPhoto]]]:
        waiting: deque[tuple[Photo, Future[StoredPhoto], int]] = deque()
        bytes_ahead = 0
        for photo in photos:
            future, size = self._start(source, photo)
            waiting.append((photo, future, size))
            bytes_ahead += size
            while waiting and (len(waiting) >= AHEAD_PHOTOS or bytes_ahead > AHEAD_BYTES):
                photo, future, size = waiting.popleft()
                bytes_ahead -= size
                yield photo, future
        while waiting:
            photo, future, _ = waiting.popleft()
            yield photo, future

    def _start(self, source: Source, photo: Photo) -> tuple[Future[StoredPhoto], int]:
        try:
            data = source.read(photo.entry, settings.MAX_PHOTO_BYTES)
        except EntryRefused as error:
            refused: Future[StoredPhoto] = Future()
            refused.set_exception(error)
            return refused, 0
        return self._pool.submit(self._decode_and_save, photo, data), len(data)

    def _decode_and_save(self, photo: Photo, data: bytes) -> StoredPhoto:
        decoded = self._decoder().decode(data, SIZES)
        split = photo.split or self.split
        return save_photo(self.project, photo.name, split, data, decoded, self._files)

    def _decoder(self) -> Decoder:
        """This thread's own."""
        if not hasattr(self._own, "decoder"):
            limits = DecodeLimits(
                settings.MAX_PIXELS, settings.DECODE_MEMORY_BYTES, settings.DECODE_SECONDS
            )
            self._own.decoder = Decoder(limits)
            self._decoders.append(self._own.decoder)
        found: Decoder = self._own.decoder
        return found


def _settled(batch: tuple[list[Outcome], Future[None]] | None) -> Iterator[list[Outcome]]:
    if batch is not None:
        outcomes, settling = batch
        settling.result()
        yield outcomes


def _outcome(photo: Photo, future: Future[StoredPhoto]) -> Outcome:
    try:
        return Outcome(photo, future.result())
    except (ImageRefused, EntryRefused) as error:
        return Outcome(photo, None, str(error))
