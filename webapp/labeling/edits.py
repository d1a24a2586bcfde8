"""Edits of one image: checked whole, applied once, refused where the base revision is stale."""

import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from webapp.datasets.models import Image
from webapp.labeling.models import Annotation, Operation

MAX_BOXES = 20_000
MIN_SIDE = 1.0
FIELDS = (
    "id", "label_id", "xmin", "ymin", "xmax", "ymax",
    "status", "source", "score", "difficult", "truncated",
)  # fmt: skip


@dataclass(frozen=True)
class Edit:
    """What a client asks for: `upserts` are whole annotations as dicts of FIELDS."""

    base_revision: int
    op_id: uuid.UUID
    upserts: list[dict[str, Any]] = field(default_factory=list)
    deletes: list[uuid.UUID] = field(default_factory=list)
    state: str | None = None


class StaleEdit(Exception):
    """The image has moved on since the edit's base revision; `image` is how it stands now."""

    def __init__(self, image: Image) -> None:
        super().__init__(f"The image is at revision {image.revision}.")
        self.image = image


class RefusedEdit(Exception):
    """Nothing was applied; `errors` is a list of (annotation id or None, sentence)."""

    def __init__(self, errors: list[tuple[uuid.UUID | None, str]]) -> None:
        super().__init__("; ".join(words for _, words in errors))
        self.errors = errors


def shown_annotations(image: Image) -> list[dict[str, Any]]:
    """The image's annotations as the editor gets them (rejected suggestions stay on the server)."""
    rows = image.annotations.exclude(status=Annotation.Status.REJECTED)
    return list(rows.order_by("created_at", "id").values(*FIELDS))


def apply_edit(image_id: int, edit: Edit, user: Any) -> Image:
    """Apply `edit` and return the image at its new revision.

    The same `op_id` again changes nothing and answers with the revision that it made then, not
    with today's: its sender has not seen what came since. Raises StaleEdit or RefusedEdit, and
    then nothing has changed.
    """
    with transaction.atomic():
        image = Image.objects.select_for_update().get(pk=image_id)
        done_before = image.operations.filter(op_id=edit.op_id).first()
        if done_before is not None:
            image.revision = done_before.revision
            return image
        if edit.base_revision != image.revision:
            raise StaleEdit(image)
        touched = [row["id"] for row in edit.upserts] + list(edit.deletes)
        before = {row.pk: row for row in Annotation.objects.filter(pk__in=touched)}
        _refuse_bad(image, edit, before)
        history = {
            "upserts": [_plain(row) for row in edit.upserts],
            "deletes": [str(pk) for pk in edit.deletes],
            "before": [_plain(_as_dict(row)) for row in before.values()],
            "state": edit.state,
            "state_before": image.state,
        }
        _write(image, edit, before, user)
        _advance(image, edit)
        Operation.objects.create(
            image=image, op_id=edit.op_id, revision=image.revision, changes=history, user=user
        )
    return image


def _write(image: Image, edit: Edit, before: dict[uuid.UUID, Annotation], user: Any) -> None:
    image.annotations.filter(pk__in=edit.deletes).delete()
    new, changed = [], []
    for row in edit.upserts:
        annotation = before.get(row["id"])
        if annotation is None:
            new.append(Annotation(image=image, created_by=user, **row))
            continue
        for name in FIELDS[1:]:
            setattr(annotation, name, row[name])
        changed.append(annotation)
    Annotation.objects.bulk_create(new)
    for annotation in changed:
        annotation.save()


def _advance(image: Image, edit: Edit) -> None:
    image.revision += 1
    image.save(update_fields=["revision"])
    image.count_boxes()
    if edit.state is not None:
        image.set_state(edit.state)
    elif image.state == Image.State.NEW and (edit.upserts or edit.deletes):
        image.set_state(Image.State.IN_PROGRESS)


def _refuse_bad(image: Image, edit: Edit, before: dict[uuid.UUID, Annotation]) -> None:
    errors: list[tuple[uuid.UUID | None, str]] = []
    labels = dict(image.project.labels.values_list("pk", "retired_at"))
    if edit.state is not None and edit.state not in Image.State.values:
        errors.append((None, f"{edit.state!r} is no state. Use new, in_progress or done."))
    if image.annotations.count() + len(edit.upserts) > MAX_BOXES:
        errors.append((None, f"An image holds at most {MAX_BOXES} boxes."))
    ids = [row["id"] for row in edit.upserts]
    if len(set(ids)) != len(ids):
        errors.append((None, "The same box is there twice in one edit."))
    for row in edit.upserts:
        known = before.get(row["id"])
        if known is not None and known.image_id != image.pk:
            errors.append((row["id"], "This box's id belongs to another image."))
            continue
        words = _box_error(row, image.width, image.height)
        if row["label_id"] not in labels:
            words = "This label is not in the project. Choose another."
        elif labels[row["label_id"]] is not None and (
            known is None or known.label_id != row["label_id"]
        ):
            words = "This label is retired. Choose another."
        if words:
            errors.append((row["id"], words))
    if any(before[pk].image_id != image.pk for pk in edit.deletes if pk in before):
        errors.append((None, "A box to delete belongs to another image."))
    if errors:
        raise RefusedEdit(errors)


def _box_error(row: dict[str, Any], width: int, height: int) -> str:
    """What is wrong with the box, in words, or ""."""
    corners = [row[name] for name in ("xmin", "ymin", "xmax", "ymax")]
    if not all(math.isfinite(value) for value in corners):
        return "A corner of the box is not a number."
    xmin, ymin, xmax, ymax = corners
    if xmin < 0 or ymin < 0 or xmax > width or ymax > height:
        return (
            f"The box {xmin:g}, {ymin:g} to {xmax:g}, {ymax:g} leaves the image of "
            f"{width} × {height}."
        )
    if xmax - xmin < MIN_SIDE or ymax - ymin < MIN_SIDE:
        return f"The box is {xmax - xmin:g} × {ymax - ymin:g} px. It needs at least 1 × 1."
    score = row["score"]
    if score is not None and not 0 <= score <= 1:
        return f"The score is {score:g}. It lies between 0 and 1."
    return ""


def _as_dict(annotation: Annotation) -> dict[str, Any]:
    return {name: getattr(annotation, name) for name in FIELDS}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if name == "id" else value for name, value in row.items()}


def suggestions_of(images: Iterable[int]) -> QuerySet[Annotation]:
    return Annotation.objects.filter(image_id__in=images, status=Annotation.Status.SUGGESTED)


def accept_suggestions(image: Image, user: Any) -> int:
    """Turn every suggestion of the image into an annotation, as one operation; how many."""
    rows = list(image.annotations.filter(status=Annotation.Status.SUGGESTED).values(*FIELDS))
    if rows:
        upserts = [{**row, "status": Annotation.Status.ACTIVE} for row in rows]
        apply_edit(image.pk, Edit(image.revision, uuid.uuid4(), upserts), user)
    return len(rows)
