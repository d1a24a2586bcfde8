"""What only Boxloop's own bundle brings: ids, sources, suggestions, states and edit history."""

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime

from detection.boxes import clean_boxes
from detection.formats.bundle import read_box
from detection.types import Problem
from webapp.datasets.models import Image
from webapp.labeling.models import Annotation, Operation
from webapp.projects.models import Label, Project

MAX_OPERATIONS = 10_000
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


class BundleTaker:
    """Turns a bundle's lines into rows; `finish` writes what must come after the boxes."""

    def __init__(self, project: Project, user: Any) -> None:
        self.project, self.user = project, user
        self._waiting: list[tuple[int, Mapping[str, Any]]] = []
        self._dated: list[tuple[Annotation, datetime]] = []
        self._renamed: dict[str, str] = {}

    @property
    def image_ids(self) -> set[int]:
        """The images that bring a history of their own."""
        return {pk for pk, _ in self._waiting}

    def take_looks(self, header: Mapping[str, Any]) -> None:
        """Give labels the colours and keys that they had, where those are free here."""
        rows = header.get("labels")
        for row in rows if isinstance(rows, list) else []:
            label = self.project.labels.filter(name=row.get("name")).first()
            if label is None or label.annotations.exists():
                continue
            color, hotkey = row.get("color"), row.get("hotkey")
            if isinstance(color, str) and _COLOUR.fullmatch(color):
                label.color = color
            free = not self.project.labels.exclude(pk=label.pk).filter(hotkey=hotkey).exists()
            if isinstance(hotkey, str) and len(hotkey) == 1 and hotkey.isprintable() and free:
                label.hotkey = hotkey
            label.save(update_fields=["color", "hotkey"])

    def rows(
        self,
        image: Image,
        line: Mapping[str, Any],
        label_of: Callable[[str], Label | None],
        problems: list[Problem],
    ) -> list[Annotation]:
        """The image's annotations, unsaved; those that are not valid are left out, and said."""
        given = line.get("annotations")
        given = [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []
        ids = [_uuid(row.get("id")) for row in given]
        taken = set(Annotation.objects.filter(pk__in=ids).values_list("pk", flat=True))
        rows: list[Annotation] = []
        for number, (row, pk) in enumerate(zip(given, ids, strict=True), 1):
            if pk in taken:
                # The bundle's own project is on this server: an id is one box's alone.
                pk = uuid.uuid4()
                self._renamed[str(row["id"])] = str(pk)
            taken.add(pk)
            made = self._row(image, row, number, label_of, problems)
            if made is not None:
                made.id = pk
                rows.append(made)
                at = _moment(row.get("created_at"))
                if at is not None:
                    self._dated.append((made, at))
        self._waiting.append((image.pk, line))
        return rows

    def _row(
        self,
        image: Image,
        row: dict[str, Any],
        number: int,
        label_of: Callable[[str], Label | None],
        problems: list[Problem],
    ) -> Annotation | None:
        try:
            kept, _ = clean_boxes([read_box(row)], image.width, image.height, image.name)
            label = label_of(kept[0].label) if kept else None
        except (ValueError, ValidationError):
            return None  # It was said when the boxes were held against the picture.
        if label is None:
            return None
        box, score = kept[0], row.get("score")
        status, source = row.get("status", "active"), row.get("source", "import")
        if status not in Annotation.Status.values or source not in Annotation.Source.values:
            words = f"Annotation {number} is {str(status)[:20]!r} by {str(source)[:20]!r}, which "
            problems.append(Problem(image.name, words + "is not known. Left out.", "refused"))
            return None
        made = Annotation(
            image=image, label=label, created_by=self.user, status=status, source=source,
            xmin=box.xmin, ymin=box.ymin, xmax=box.xmax, ymax=box.ymax,
            difficult=box.difficult, truncated=box.truncated, crowd=box.crowd,
            score=float(score) if type(score) in (int, float) and 0 <= score <= 1 else None,
        )  # fmt: skip
        return made

    def finish(self) -> None:
        """Dates, states, groups, revisions and histories, once the boxes are written."""
        for annotation, at in self._dated:
            annotation.created_at = at  # auto_now_add had put today's
        Annotation.objects.bulk_update([row for row, _ in self._dated], ["created_at"], 500)
        self._dated.clear()
        for pk, line in self._waiting:
            image = Image.objects.get(pk=pk)
            state, revision = line.get("state"), line.get("revision")
            if state in Image.State.values:
                image.set_state(state)
            if isinstance(line.get("group"), str):
                image.group = line["group"][:200]
            if type(revision) is int and 0 <= revision < 2**31:
                image.revision = max(revision, 1)
            image.save(update_fields=["group", "revision"])
            image.count_boxes()
            self._take_history(image, line.get("history"))
        self._waiting.clear()

    def _take_history(self, image: Image, history: object) -> None:
        labels = dict(self.project.labels.values_list("class_id", "pk"))
        rows = []
        for row in history[:MAX_OPERATIONS] if isinstance(history, list) else []:
            if not isinstance(row, dict) or type(row.get("revision")) is not int:
                continue
            if not 0 <= row["revision"] <= image.revision:
                continue
            kind = row.get("kind")
            operation = Operation(
                image=image,
                op_id=_uuid(row.get("op_id")),
                revision=row["revision"],
                kind=kind if kind in Operation.Kind.values else Operation.Kind.EDIT,
                changes=self._local(row.get("changes"), labels),
                summary=row["summary"] if isinstance(row.get("summary"), dict) else {},
            )
            rows.append((operation, _moment(row.get("created_at"))))
        made = Operation.objects.bulk_create(
            [operation for operation, _ in rows], ignore_conflicts=True
        )
        for operation, (_, at) in zip(made, rows, strict=True):
            if at is not None:
                image.operations.filter(op_id=operation.op_id).update(created_at=at)

    def _local(self, changes: object, labels: dict[int, int]) -> dict[str, Any]:
        """The changes with this server's ids of labels and boxes."""
        if not isinstance(changes, dict):
            return {}

        def local(value: Any, key: str = "") -> Any:
            if isinstance(value, dict):
                return {str(name): local(inner, str(name)) for name, inner in value.items()}
            if isinstance(value, list):
                return [local(inner, key) for inner in value]
            if key == "label_id":
                return labels.get(value)
            return self._renamed.get(value, value) if isinstance(value, str) else value

        found: dict[str, Any] = local(changes)
        return found


def _moment(value: object) -> datetime | None:
    try:
        at = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def _uuid(value: object) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        return uuid.uuid4()
