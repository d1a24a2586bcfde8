"""Import an upload: photos, folders and zips, with Pascal VOC annotations where there are any.

Memory is flat: names are listed first, then one photo after another is read, decoded and stored.
A photo's row and its boxes are written in one transaction, so an import that was killed starts
again from its first file, finds what it took already, and doubles nothing.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from django.conf import settings
from django.db import transaction

from detection.images import ImageRefused
from detection.types import Problem
from webapp.datasets.intake import PreparedImage, prepare_image, save_files, save_row
from webapp.datasets.models import Image, ImageImport, ImportProblem
from webapp.leases import LeaseLost, Status
from webapp.storage import delete_folder
from workers.import_sources import EntryRefused, Photo, Source, open_sources
from workers.imported_boxes import BoxTaker
from workers.lease_keeper import LeaseKeeper, end_cancelled

logger = logging.getLogger(__name__)
STORERS = 3
AHEAD = 6
WRITE_EVERY = 0.3
COUNTS = ("num_found", "num_done", "num_taken", "num_known", "num_refused", "num_boxes")
MAX_PROBLEMS = 2000


def run_import(import_id: int, worker: str) -> None:
    """Claim the import and take what is good in it; returns where there is nothing to claim."""
    image_import = ImageImport.claim(import_id, worker)
    if image_import is None:
        return
    try:
        with LeaseKeeper(image_import) as keeper:
            Importer(image_import, keeper).run()
        if image_import.end(Status.FINISHED):
            delete_folder(image_import.staging_prefix)
    except LeaseLost:
        end_cancelled(image_import)
    except Exception as error:
        logger.exception("Import %s failed", image_import.pk)
        image_import.end(
            Status.FAILED,
            f"The worker met an error: {error}. What was taken so far is kept; its log tells more.",
        )
    if ImageImport.objects.filter(pk=import_id, status=Status.CANCELLED).exists():
        delete_folder(image_import.staging_prefix)


class Importer:
    """One pass over an import's files."""

    def __init__(self, image_import: ImageImport, keeper: LeaseKeeper) -> None:
        self.row, self.keeper = image_import, keeper
        self.project = image_import.project
        self.num_problems = 0
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self.written_at = 0.0
        self.seen: set[int] = set()
        self.boxes = BoxTaker(self.project, image_import.created_by)

    def run(self) -> None:
        self.row.problems.all().delete()
        self.row.write(format="", **self.counts)
        for source in open_sources(self.row, self.say):
            with source:
                self.keeper.check()
                self._count(num_found=len(source.photos))
                if source.format:
                    self.row.write(format=source.format)
                self.boxes.take_label_map(source, self.say)
                self._take_photos(source)
                self._take_orphans(source)
        if not self.counts["num_found"] and not self.num_problems:
            self.say(Problem(self.row.name, "No photo was found in it.", "refused"))
        self._write_counts()

    def say(self, problem: Problem, image: Image | None = None) -> None:
        """Put a sentence into the report. Past MAX_PROBLEMS only the counts go on."""
        self.num_problems += 1
        if self.num_problems > MAX_PROBLEMS:
            return
        message = problem.message
        if problem.line is not None:
            message = f"Line {problem.line}: {message}"
        if self.num_problems == MAX_PROBLEMS:
            message = f"There are more than {MAX_PROBLEMS} problems; the others are not listed."
        ImportProblem.objects.create(
            image_import=self.row,
            file=problem.file[:1024],
            message=message,
            severity=problem.severity,
            image=image,
        )

    def _take_photos(self, source: Source) -> None:
        for photo, prepared in self._stored(source):
            self.keeper.check()
            try:
                self._take(source, photo, prepared.result())
            except (ImageRefused, EntryRefused) as error:
                self.say(Problem(photo.name, f"{error} Left out.", "refused"))
                self._count(num_refused=1)
            self._count(num_done=1)

    def _take(self, source: Source, photo: Photo, prepared: PreparedImage) -> None:
        with transaction.atomic():
            image, new = save_row(
                self.project,
                photo.name,
                prepared,
                self.row.created_by,
                image_import=self.row,
                split=photo.split or self.row.split,
            )
            # Taken by an earlier attempt at this import that was killed: as good as new.
            mine = new or (image.image_import_id == self.row.pk and image.pk not in self.seen)
            self.seen.add(image.pk)
            report = (
                self.boxes.take(source, photo, image, prepared.orientation)
                if photo.annotation
                else None
            )
        if report is not None:
            for problem in report.problems:
                self.say(problem, image)
        boxes = report.num_boxes if report is not None else 0
        if not mine:
            words = f"This photo is in the project already, as {image.name}."
            if boxes:
                words += f" Its {boxes} boxes were added."
            self.say(Problem(photo.name, words, "note"), image)
        self._count(num_taken=int(mine), num_known=int(not mine), num_boxes=boxes)

    def _take_orphans(self, source: Source) -> None:
        """Annotations whose photo did not come along may belong to a photo that is here already."""
        for name in source.orphans:
            self.keeper.check()
            image = self._known_photo(name)
            if image is None:
                words = "No photo belongs to this file. Upload the photo, too."
                self.say(Problem(name, words, "refused"))
                continue
            with transaction.atomic():
                report = self.boxes.take(source, Photo(image.name, image.name, name), image)
            for problem in report.problems:
                self.say(problem, image)
            self._count(num_boxes=report.num_boxes)

    def _known_photo(self, annotation_name: str) -> Image | None:
        stem = annotation_name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        images = Image.objects.kept().filter(project=self.project, box_count=0)
        found = [
            image
            for image in images.filter(name__contains=f"{stem}.")[:50]
            if image.name.rsplit("/", 1)[-1].rsplit(".", 1)[0] == stem
        ]
        return found[0] if len(found) == 1 else None

    def _count(self, **counts: int) -> None:
        """Count in memory; the row is written a few times a second, not with every photo."""
        self.counts.update(counts)
        if time.monotonic() - self.written_at > WRITE_EVERY:
            self._write_counts()

    def _write_counts(self) -> None:
        self.row.write(**self.counts)
        self.written_at = time.monotonic()

    def _stored(self, source: Source) -> Iterator[tuple[Photo, Future[PreparedImage]]]:
        """Photos whose decoding and storing is under way, a few ahead.

        Reading stays in this thread, for an archive is one file with one position; Pillow decodes
        outside the GIL, and the disk's waits overlap.
        """
        with ThreadPoolExecutor(STORERS) as pool:
            waiting: deque[tuple[Photo, Future[PreparedImage]]] = deque()
            for photo in source.photos:
                waiting.append((photo, self._start(pool, source, photo)))
                if len(waiting) >= AHEAD:
                    yield waiting.popleft()
            yield from waiting

    def _start(
        self, pool: ThreadPoolExecutor, source: Source, photo: Photo
    ) -> Future[PreparedImage]:
        try:
            data = source.read(photo.entry, settings.MAX_UPLOAD_BYTES)
        except EntryRefused as error:
            refused: Future[PreparedImage] = Future()
            refused.set_exception(error)
            return refused
        return pool.submit(self._prepare_and_store, data)

    def _prepare_and_store(self, data: bytes) -> PreparedImage:
        prepared = prepare_image(data)
        save_files(self.project, prepared)
        # The bytes are stored; only facts go on, so that few photos are in memory at once.
        return replace(prepared, data=b"", preview=b"", thumbnail=b"", num_bytes=len(data))
