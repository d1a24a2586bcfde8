"""Import an upload: photos, folders and zips, with annotations where there are any.

Memory is flat: names are listed first, then one batch of photos after another is read, decoded and
stored. A batch's rows, boxes, sentences and counts, and how far the import now is, are one
transaction, committed once the files are on the disk. So an import that was killed goes on where
it was: what is committed is there for good, and what is not is done again, from the start.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from django.db import transaction

from detection.names_on_disk import names_from
from detection.types import Problem
from webapp.datasets.import_plans import ImportPlan
from webapp.datasets.intake import StoredPhoto, save_rows
from webapp.datasets.models import Image, ImageImport, ImportProblem
from webapp.disk import DiskFull
from webapp.leases import LeaseLost, Status
from webapp.storage import delete_folder
from workers.import_sources import Photo, Source, open_sources
from workers.imported_boxes import BoxTaker
from workers.inspecting import asks_first
from workers.lease_keeper import LeaseKeeper, end_cancelled
from workers.photo_pipeline import Outcome, PhotoPipeline

logger = logging.getLogger(__name__)
COUNTS = ("num_found", "num_done", "num_taken", "num_known", "num_refused", "num_boxes")
MAX_PROBLEMS = 2000
ORPHANS_AT_ONCE = 50


def run_import(import_id: int, worker: str) -> None:
    """Claim the import and take what is good in it; returns where there is nothing to claim."""
    image_import = ImageImport.claim(import_id, worker)
    if image_import is None:
        return
    try:
        with LeaseKeeper(image_import) as keeper:
            if asks_first(image_import, keeper):
                return
            Importer(image_import, keeper).run()
        if image_import.end(Status.FINISHED):
            delete_folder(image_import.staging_prefix)
    except LeaseLost:
        end_cancelled(image_import)
    except DiskFull as error:
        image_import.end(
            Status.FAILED, f"{error} Then upload it again: photos that are here are not doubled."
        )
    except Exception as error:
        logger.exception("Import %s failed", image_import.pk)
        image_import.end(
            Status.FAILED,
            f"The worker met an error: {error}. What was taken so far is kept; its log tells more.",
        )
    if ImageImport.objects.filter(pk=import_id, status=Status.CANCELLED).exists():
        delete_folder(image_import.staging_prefix)


class Importer:
    """One pass over an import's files, or the rest of one that another worker began."""

    def __init__(self, image_import: ImageImport, keeper: LeaseKeeper) -> None:
        self.row, self.keeper = image_import, keeper
        self.project = image_import.project
        plan = ImportPlan.from_json(image_import.plan)
        self.boxes = BoxTaker(self.project, image_import.created_by, plan)
        self.unsaid: list[ImportProblem] = []
        self.num_passed = image_import.num_passed
        self.counts: Counter[str] = Counter(
            {name: getattr(image_import, name) if self.num_passed else 0 for name in COUNTS}
        )
        # Found again, source by source.
        self.counts["num_found"] = 0
        self.num_problems = 0

    def run(self) -> None:
        if not self.num_passed:
            self.row.problems.all().delete()
        self.num_problems = self.row.problems.count()
        before = 0
        for source in open_sources(self.row, self.say):
            with source:
                self.keeper.check()
                self.counts["num_found"] += len(source.entries)
                if source.format:
                    self.row.format = source.format
                skip = max(0, self.num_passed - before)
                items = len(source.entries) + len(source.orphans)
                before += items
                if skip < items or not items:
                    self._take_source(source, skip)
        if not self.counts["num_found"] and not self.num_problems:
            self.say(Problem(self.row.name, "No photo was found in it.", "refused"))
        self._commit()

    def _take_source(self, source: Source, skip: int) -> None:
        self.boxes.take_label_map(source, self.say)
        self._commit()
        orphans = names_from(source.orphans, max(0, skip - len(source.entries)))
        with PhotoPipeline(self.project, self.row.split) as pipeline:
            for batch in pipeline.batches(source, source.photos(skip)):
                self.keeper.check()
                with transaction.atomic():
                    self._take_batch(source, batch)
                    self._commit(len(batch))
        for names in _chunks(orphans, ORPHANS_AT_ONCE):
            self.keeper.check()
            with transaction.atomic():
                for name in names:
                    self._take_orphan(source, name)
                self._commit(len(names))

    def say(self, problem: Problem, image: Image | None = None) -> None:
        """Put a sentence into the report. Past MAX_PROBLEMS only the counts go on."""
        message = problem.message
        if problem.line is not None:
            message = f"Line {problem.line}: {message}"
        file = problem.file[:1024]
        if self.num_passed and image is None and self._was_said(file, message):
            return
        self.num_problems += 1
        if self.num_problems > MAX_PROBLEMS:
            return
        if self.num_problems == MAX_PROBLEMS:
            message = f"There are more than {MAX_PROBLEMS} problems; the others are not listed."
        self.unsaid.append(
            ImportProblem(
                image_import=self.row,
                file=file,
                message=message,
                severity=problem.severity,
                image=image,
            )
        )

    def _was_said(self, file: str, message: str) -> bool:
        """By the worker before this one, which opened the same files."""
        return self.row.problems.filter(file=file, message=message).exists()

    def _commit(self, num_passed: int = 0) -> None:
        """Write the report and the counts, with the lease as the condition.

        Inside a batch's transaction this is its fence: a worker that lost the import takes its
        whole batch back.
        """
        with transaction.atomic():
            self.boxes.flush()
            ImportProblem.objects.bulk_create(self.unsaid)
            passed = self.num_passed + num_passed
            self.row.write(format=self.row.format, num_passed=passed, **self.counts)
        self.num_passed, self.unsaid = passed, []

    def _take_batch(self, source: Source, batch: list[Outcome]) -> None:
        stored = [outcome.stored for outcome in batch if outcome.stored is not None]
        rows = iter(save_rows(self.project, stored, self.row.created_by, self.row))
        for outcome in batch:
            if outcome.stored is None:
                words = f"{outcome.refusal} Left out."
                self.say(Problem(outcome.photo.name, words, "refused"))
                self.counts["num_refused"] += 1
            else:
                image, new = next(rows)
                self._take_boxes(source, outcome.photo, outcome.stored, image, new)
            self.counts["num_done"] += 1

    def _take_boxes(
        self, source: Source, photo: Photo, stored: StoredPhoto, image: Image, new: bool
    ) -> None:
        boxes = 0
        if photo.annotation:
            again = not new and image.image_import_id == self.row.pk
            report = self.boxes.take(
                source, photo, image, stored.orientation, fresh=new, again=again
            )
            boxes = report.num_boxes
            for problem in report.problems:
                self.say(problem, image)
        if not new:
            words = f"This photo is in the project already, as {image.name}."
            if boxes:
                words += f" Its {boxes} boxes were added."
            self.say(Problem(photo.name, words, "note"), image)
        self.counts["num_taken" if new else "num_known"] += 1
        self.counts["num_boxes"] += boxes

    def _take_orphan(self, source: Source, name: str) -> None:
        """An annotation whose photo did not come along may belong to one that is here already."""
        image = self._known_photo(name)
        if image is None:
            words = "No photo belongs to this file. Upload the photo, too."
            self.say(Problem(name, words, "refused"))
            return
        report = self.boxes.take(source, Photo(image.name, image.name, name), image)
        for problem in report.problems:
            self.say(problem, image)
        self.counts["num_boxes"] += report.num_boxes

    def _known_photo(self, annotation_name: str) -> Image | None:
        stem = annotation_name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        images = Image.objects.kept().filter(project=self.project, box_count=0)
        found = [
            image
            for image in images.filter(name__contains=f"{stem}.")[:50]
            if image.name.rsplit("/", 1)[-1].rsplit(".", 1)[0] == stem
        ]
        return found[0] if len(found) == 1 else None


def _chunks(names: Iterator[str], size: int) -> Iterator[list[str]]:
    while chunk := list(islice(names, size)):
        yield chunk
