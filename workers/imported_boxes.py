"""Put the boxes of an imported annotation file onto an image of the project."""

from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from detection.formats.voc import VocError, labelled_image, parse_voc
from detection.label_map import LabelMapError, parse_label_map
from detection.types import Problem
from webapp.datasets.models import Image
from webapp.labeling.models import Annotation
from webapp.projects.models import Label, Project
from workers.import_sources import EntryRefused, Photo, ReportProblem, Source

MAX_XML_BYTES = 10 * 1024**2


@dataclass
class BoxReport:
    num_boxes: int = 0
    problems: list[Problem] = field(default_factory=list)


class BoxTaker:
    """Reads annotation files and finds or makes the labels they name."""

    def __init__(self, project: Project, user: Any) -> None:
        self.project, self.user = project, user
        self._labels: dict[str, Label] = {}

    def take_label_map(self, source: Source, say: ReportProblem) -> None:
        """Labels of a label_map.pbtxt in the upload come first, with their ids."""
        if source.label_map is None:
            return
        try:
            data = source.read(source.label_map, MAX_XML_BYTES)
            label_map = parse_label_map(data.decode("utf-8-sig"), source.label_map)
        except (LabelMapError, EntryRefused, UnicodeDecodeError) as error:
            say(Problem(source.label_map, f"{error} Its ids were not taken.", "refused"))
            return
        for item in label_map:
            try:
                self.project.add_label(
                    item.name, class_id=item.id, display_name=item.display_name or ""
                )
            except ValidationError as error:
                words = f"Label {item.name!r} with id {item.id}: {' '.join(error.messages)}"
                say(Problem(source.label_map, words, "refused"))

    def take(self, source: Source, photo: Photo, image: Image, orientation: int = 1) -> BoxReport:
        """Give `image` the boxes of `photo.annotation`, unless it has boxes already.

        `orientation` is the photo's EXIF orientation: boxes drawn before the turn are turned.
        """
        assert photo.annotation is not None
        report = BoxReport()
        if image.annotations.filter(source=Annotation.Source.IMPORT).exists():
            report.num_boxes = image.annotations.count()
            return report
        if image.annotations.exists():
            words = f"{image.name} has boxes already. Those in this file were left out."
            report.problems.append(Problem(photo.annotation, words, "note"))
            return report
        try:
            parsed = parse_voc(source.read(photo.annotation, MAX_XML_BYTES), photo.annotation)
        except VocError as error:
            report.problems.append(error.problem)
            return report
        except EntryRefused as error:
            report.problems.append(Problem(photo.annotation, str(error), "refused"))
            return report
        labelled, report.problems = labelled_image(
            parsed, image.name, image.width, image.height, orientation
        )
        self._write(image, labelled.boxes, photo.annotation, report)
        return report

    def _write(self, image: Image, boxes: Any, file: str, report: BoxReport) -> None:
        rows = []
        for box in boxes:
            try:
                label = self._label(box.label)
            except ValidationError as error:
                words = f"A box named {box.label[:60]!r} was left out: {' '.join(error.messages)}"
                report.problems.append(Problem(file, words, "refused"))
                continue
            rows.append(Annotation(
                image=image, label=label, source=Annotation.Source.IMPORT, created_by=self.user,
                xmin=box.xmin, ymin=box.ymin, xmax=box.xmax, ymax=box.ymax,
                difficult=box.difficult, truncated=box.truncated,
            ))  # fmt: skip
        Annotation.objects.bulk_create(rows)
        image.revision += 1
        image.save(update_fields=["revision"])
        image.count_boxes()
        # Someone labelled this photo elsewhere; no box at all means that it shows none.
        image.set_state(Image.State.DONE)
        report.num_boxes = len(rows)

    def _label(self, name: str) -> Label:
        if name not in self._labels:
            self._labels[name] = self.project.add_label(name)
        return self._labels[name]
