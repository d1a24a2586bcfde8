"""Put the boxes of imported annotations onto images of the project."""

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from detection.formats.drawn import AnnotationError, hold_against
from detection.names import visible
from detection.types import Box, Problem
from webapp.datasets.import_plans import ImportPlan
from webapp.datasets.models import Image
from webapp.labeling.bulk import note_import
from webapp.labeling.edits import ANNOTATIONS
from webapp.labeling.models import Annotation
from webapp.plain_sql import Row
from webapp.projects.models import Label, Project
from workers.import_sources import Photo, ReportProblem, Source
from workers.imported_bundles import BundleTaker


@dataclass
class BoxReport:
    num_boxes: int = 0
    problems: list[Problem] = field(default_factory=list)


class BoxTaker:
    """Reads annotations and finds or makes the labels they name, as the import's plan says.

    Boxes are written by `flush`, those of many images at once, in the caller's transaction.
    """

    def __init__(self, project: Project, user: Any, plan: ImportPlan | None = None) -> None:
        self.project, self.user = project, user
        self.plan = plan or ImportPlan()
        self._labels: dict[str, Label | None] = {}
        self._class_ids: dict[str, int] = {}
        self._rows: list[Row] = []
        self._bundled: list[Annotation] = []
        self._boxed: set[int] = set()
        self._bundles = BundleTaker(project, user)

    def take_label_map(self, source: Source, say: ReportProblem) -> None:
        """Labels of a label_map.pbtxt or of a bundle come first, with their ids.

        Other formats' numbers are taken, too, where they are free, once a label has a box.
        """
        reading = source.reading
        if reading is None or reading.label_map is None:
            return
        self._class_ids = {item.name: item.id for item in reading.label_map}
        if not reading.numbers_are_meant:
            return
        for item in reading.label_map:
            if self.plan.target_of(item.name) is not None:
                continue
            try:
                self.project.add_label(
                    item.name, class_id=item.id, display_name=item.display_name or ""
                )
            except ValidationError as error:
                words = f"Label {item.name!r} with id {item.id}: {' '.join(error.messages)}"
                say(Problem(reading.files[0] if reading.files else "", words, "refused"))
        if reading.bundle is not None:
            self._bundles.take_looks(reading.bundle)

    def take(
        self,
        source: Source,
        photo: Photo,
        image: Image,
        orientation: int = 1,
        *,
        fresh: bool = False,
        again: bool = False,
    ) -> BoxReport:
        """Give `image` the boxes of `photo.annotation`, unless it has boxes already.

        `orientation` is the photo's EXIF orientation: boxes drawn before the turn are turned.
        A `fresh` image was made just now, so nobody need ask whether it has boxes. One that comes
        `again` in the same upload gets what its other annotations lack.
        """
        assert photo.annotation is not None
        report = BoxReport()
        if image.pk in self._boxed:
            self.flush()
        if not fresh and not again and image.annotations.exists():
            words = f"{image.name} has boxes already. Those in this file were left out."
            report.problems.append(Problem(photo.annotation, words, "note"))
            return report
        try:
            drawn = source.drawn(photo.annotation)
        except AnnotationError as error:
            report.problems.append(error.problem)
            return report
        labelled, report.problems = hold_against(
            drawn, image.name, image.width, image.height, orientation
        )
        _say_crowds(labelled.boxes, drawn.file, report)
        if drawn.bundle is not None:
            rows = self._bundles.rows(image, drawn.bundle, self._label, report.problems)
            self._bundled += rows
            self._boxed.add(image.pk)
            report.num_boxes = sum(row.status == Annotation.Status.ACTIVE for row in rows)
        else:
            self._write(image, labelled.boxes, drawn.file, report, again)
        return report

    def _write(
        self, image: Image, boxes: Sequence[Box], file: str, report: BoxReport, again: bool
    ) -> None:
        rows: list[Row] = []
        corners = ("label_id", "xmin", "ymin", "xmax", "ymax")
        there = set(image.annotations.values_list(*corners)) if again else set()
        for box, pk in zip(boxes, _new_ids(len(boxes)), strict=True):
            try:
                label = self._label(box.label)
            except ValidationError as error:
                words = f"A box named {box.label[:60]!r} was left out: {' '.join(error.messages)}"
                report.problems.append(Problem(file, words, "refused"))
                continue
            if label is None:
                continue  # left out by choice
            if (label.pk, box.xmin, box.ymin, box.xmax, box.ymax) in there:
                continue
            rows.append({
                "id": pk, "image_id": image.pk, "label_id": label.pk,
                "xmin": box.xmin, "ymin": box.ymin, "xmax": box.xmax, "ymax": box.ymax,
                "status": Annotation.Status.ACTIVE, "source": Annotation.Source.IMPORT,
                "score": None, "difficult": box.difficult, "truncated": box.truncated,
                "crowd": box.crowd,
            })  # fmt: skip
        self._rows += rows
        if rows or (self.plan.negatives and not again):
            self._boxed.add(image.pk)
        report.num_boxes = len(rows)

    def flush(self) -> None:
        """Write the boxes that were taken since the last time, and what the images say of them."""
        self._insert_rows()
        Annotation.objects.bulk_create(self._bundled)
        active = Annotation.objects.filter(image=OuterRef("pk"), status=Annotation.Status.ACTIVE)
        count = active.order_by().values("image").annotate(count=Count("pk")).values("count")
        # Someone labelled these photos elsewhere; no box at all means that one shows none.
        Image.objects.filter(pk__in=self._boxed).update(
            revision=F("revision") + 1,
            box_count=Coalesce(Subquery(count), 0),
            state=Image.State.DONE,
            done_at=timezone.now(),
        )
        note_import(self._boxed - self._bundles.image_ids, self._rows, self.user)
        self._bundles.finish()
        self._rows, self._bundled, self._boxed = [], [], set()

    def _insert_rows(self) -> None:
        """In plain SQL: a large data set has a lot of boxes, and models cost ten times as much."""
        now, user = timezone.now(), self.user.pk
        ANNOTATIONS.insert(
            # Boxes are shown in the order of their times: that of the file.
            row | {"created_at": at, "created_by_id": user, "changed_at": at, "changed_by_id": None}
            for number, row in enumerate(self._rows)
            for at in [now + timedelta(microseconds=number)]
        )

    def _label(self, name: str) -> Label | None:
        """The label for boxes that are called `name`; None where the plan leaves them out."""
        if name not in self._labels:
            self._labels[name] = self._chosen_label(name)
        return self._labels[name]

    def _chosen_label(self, name: str) -> Label | None:
        target = self.plan.target_of(name)
        if target == ImportPlan.LEAVE_OUT:
            return None
        if isinstance(target, int):
            chosen = self.project.labels.filter(pk=target).first()
            if chosen is not None:
                if chosen.retired_at is not None:
                    chosen.bring_back()
                return chosen
        elif target is not None:
            return self._label(str(target))
        class_id = self._class_ids.get(name)
        taken = Q(class_id=class_id) | Q(name=name)
        if class_id is not None and self.project.labels.filter(taken).exists():
            class_id = None
        return self.project.add_label(name, class_id=class_id)


def _new_ids(count: int) -> list[uuid.UUID]:
    """Random ids of one draw, since each asks the system."""
    drawn = os.urandom(16 * count)
    return [uuid.UUID(bytes=drawn[at : at + 16], version=4) for at in range(0, 16 * count, 16)]


def _say_crowds(boxes: Sequence[Box], file: str, report: BoxReport) -> None:
    crowds = [box for box in boxes if box.crowd]
    if crowds:
        count = "1 box is" if len(crowds) == 1 else f"{len(crowds)} boxes are"
        words = f"{count} marked as a crowd, such as one of {visible(crowds[0].label, 60)}: "
        words += "around many things at once. Kept as a crowd, which is not trained on."
        report.problems.append(Problem(file, words, "note"))
