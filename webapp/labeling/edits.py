"""Edits of one image: checked whole, applied once, refused where the base revision is stale."""

import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from webapp.datasets.models import Image
from webapp.labeling.changes import summarise
from webapp.labeling.models import Annotation, DeletedBox, ImageReview, Operation
from webapp.plain_sql import LARGEST_ID, Row, Table, change, select

MAX_BOXES = 20_000
MIN_SIDE = 1.0
FIELDS = (
    "id", "label_id", "xmin", "ymin", "xmax", "ymax",
    "status", "source", "score", "difficult", "truncated", "crowd",
)  # fmt: skip
CHANGING = (*FIELDS[1:], "changed_by_id", "changed_at")
ANNOTATIONS = Table(
    Annotation, (*FIELDS, "image_id", "created_by_id", "created_at", *CHANGING[-2:])
)
DELETED = Table(
    DeletedBox,
    ("id", "image_id", "label_id", "fields", "created_by_id", "created_at", "deleted_by_id",
     "deleted_at"),
)  # fmt: skip
OPERATIONS = Table(
    Operation,
    ("image_id", "op_id", "revision", "kind", "changes", "summary", "user_id", "created_at"),
)
# What an edit asks of its image.
IMAGE = (
    "id", "project_id", "name", "sha256", "width", "height", "state", "revision", "box_count",
    "suggestion_count",
)  # fmt: skip


@dataclass(frozen=True)
class Edit:
    """What a client asks for: `upserts` are whole annotations as dicts of FIELDS.

    `restores` is the revision that the edit goes back to, where it does.
    """

    base_revision: int
    op_id: uuid.UUID
    upserts: list[dict[str, Any]] = field(default_factory=list)
    deletes: list[uuid.UUID] = field(default_factory=list)
    state: str | None = None
    restores: int | None = None

    def __post_init__(self) -> None:
        # Histories and trash from before crowds were kept do not name them.
        for row in self.upserts:
            row.setdefault("crowd", False)


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


def lock_image(image_id: int) -> tuple[Image, str | None]:
    """The image, nobody else writing it, and what its review says. Inside a transaction.

    Raises Image.DoesNotExist.
    """
    locks = connection.features.has_select_for_update
    names = ", ".join(f"image.{name}" for name in IMAGE)
    found = select(
        f"SELECT review.verdict, {names} FROM datasets_image AS image "
        "LEFT JOIN labeling_imagereview AS review ON review.image_id = image.id "
        f"WHERE image.id = %s {'FOR UPDATE OF image' if locks else ''}",
        [image_id],
    )
    if not found:
        raise Image.DoesNotExist
    verdict, *values = found[0]
    return Image.from_db(connection.alias, IMAGE, values), verdict


def apply_edit(image_id: int, edit: Edit, user: Any) -> Image:
    """Apply `edit` and return the image at its new revision.

    The same `op_id` again changes nothing and answers with the revision that it made then, not
    with today's: its sender has not seen what came since. Raises StaleEdit or RefusedEdit, and
    then nothing has changed.
    """
    with transaction.atomic():
        image, verdict = lock_image(image_id)
        if edit.base_revision != image.revision:
            # What was applied before has raised the revision, so that only here it can be known.
            done_before = image.operations.filter(op_id=edit.op_id).values_list("revision")
            if not done_before:
                raise StaleEdit(image)
            image.revision = done_before[0][0]
            return image
        touched = [row["id"] for row in edit.upserts] + list(edit.deletes)
        before = {row["id"]: row for row in ANNOTATIONS.select("id", touched)}
        _refuse_bad(image, edit, before)
        deleted = [before[pk] for pk in edit.deletes if pk in before]
        history = {
            "upserts": [plain(row) for row in edit.upserts],
            "deletes": [str(row["id"]) for row in deleted],
            "before": [plain(row) for row in before.values()],
            "state": edit.state,
            "state_before": image.state,
        }
        restored = _write(image, edit, before, user)
        _count(image, edit, before)
        _advance(image, edit, verdict)
        summary = summarise(edit.upserts, deleted, before, restored, edit.state)
        kind = Operation.Kind.EDIT
        if edit.restores is not None:
            kind, summary["restores"] = Operation.Kind.RESTORE, edit.restores
        OPERATIONS.insert([{
            "image_id": image.pk, "op_id": edit.op_id, "revision": image.revision, "kind": kind,
            "changes": history, "summary": summary, "user_id": user and user.pk,
            "created_at": timezone.now(),
        }])  # fmt: skip
    return image


def _write(image: Image, edit: Edit, before: dict[uuid.UUID, Row], user: Any) -> list[uuid.UUID]:
    """Store the boxes; the ids of those that came back from the trash."""
    now, person = timezone.now(), user and user.pk
    gone = [before[pk] for pk in edit.deletes if pk in before]
    if gone:
        DELETED.insert(_trashed(row, person, now) for row in gone)
        ANNOTATIONS.delete(row["id"] for row in gone)
    unknown = [row["id"] for row in edit.upserts if row["id"] not in before]
    # Bringing a box back does not make it one's own, nor new.
    trash = _in_trash(image, unknown) if unknown else {}
    rows = []
    for place, row in enumerate(edit.upserts):
        # Boxes are shown in the order of their making, those of one edit too.
        made_by, made_at = trash.get(row["id"], (person, now + timedelta(microseconds=place)))
        rows.append(row | {
            "image_id": image.pk, "created_by_id": made_by, "created_at": made_at,
            "changed_by_id": person, "changed_at": now,
        })  # fmt: skip
    ANNOTATIONS.insert(rows, or_update=CHANGING)
    if trash:
        image.deleted_boxes.filter(pk__in=list(trash)).delete()
    return list(trash)


def _in_trash(image: Image, ids: list[uuid.UUID]) -> dict[uuid.UUID, tuple[Any, Any]]:
    """Who drew those of the boxes that lie in the image's trash, and when."""
    rows = [row for row in DELETED.select("id", ids) if row["image_id"] == image.pk]
    return {row["id"]: (row["created_by_id"], row["created_at"]) for row in rows}


def _trashed(row: Row, person: int | None, now: Any) -> Row:
    kept = {name: row[name] for name in ("image_id", "label_id", "created_by_id", "created_at")}
    fields = {name: row[name] for name in FIELDS[2:]}
    return kept | {"id": row["id"], "fields": fields, "deleted_by_id": person, "deleted_at": now}


def _count(image: Image, edit: Edit, old: dict[uuid.UUID, Row]) -> None:
    """Bring the image's counts along; it is locked, so that the differences are all there is."""
    after = {pk: row["status"] for pk, row in old.items()}
    after.update((pk, "") for pk in edit.deletes)
    after.update((row["id"], row["status"]) for row in edit.upserts)
    for name, status in (("box_count", "active"), ("suggestion_count", "suggested")):
        was = sum(row["status"] == status for row in old.values())
        now = sum(value == status for value in after.values())
        setattr(image, name, max(0, getattr(image, name) + now - was))


def _advance(image: Image, edit: Edit, verdict: str | None) -> None:
    image.revision += 1
    changed = bool(edit.upserts or edit.deletes)
    if edit.state is not None:
        image.state = edit.state
        image.done_at = timezone.now() if image.state == Image.State.DONE else None
        image.save(update_fields=["done_at"])
    elif image.state == Image.State.NEW and changed:
        image.state = Image.State.IN_PROGRESS
    change(
        "UPDATE datasets_image SET revision = %s, box_count = %s, suggestion_count = %s, "
        "state = %s WHERE id = %s",
        [image.revision, image.box_count, image.suggestion_count, image.state, image.pk],
    )
    # What was accepted and then changed, or sent back and then done, is to be reviewed again.
    redone = verdict == ImageReview.Verdict.SENT_BACK and edit.state == "done"
    if redone or (verdict == ImageReview.Verdict.ACCEPTED and (changed or edit.state)):
        ImageReview.objects.filter(image_id=image.pk).delete()


def _refuse_bad(image: Image, edit: Edit, before: dict[uuid.UUID, Row]) -> None:
    errors: list[tuple[uuid.UUID | None, str]] = []
    labels = _labels_of(image, {row["label_id"] for row in edit.upserts})
    if edit.state is not None and edit.state not in Image.State.values:
        errors.append((None, f"{edit.state!r} is no state. Use new, in_progress or done."))
    # Rejected suggestions are not in these counts; they are worth no query a save.
    if image.box_count + image.suggestion_count + len(edit.upserts) - len(before) > MAX_BOXES:
        errors.append((None, f"An image holds at most {MAX_BOXES} boxes."))
    ids = [row["id"] for row in edit.upserts]
    if len(set(ids)) != len(ids) or not set(ids).isdisjoint(edit.deletes):
        errors.append((None, "The same box is there twice in one edit."))
    for row in edit.upserts:
        known = before.get(row["id"])
        if known is not None and known["image_id"] != image.pk:
            errors.append((row["id"], "This box's id belongs to another image."))
            continue
        words = _box_error(row, image.width, image.height)
        if row["label_id"] not in labels:
            words = "This label is not in the project. Choose another."
        elif labels[row["label_id"]] is not None and (
            known is None or known["label_id"] != row["label_id"]
        ):
            words = "This label is retired. Choose another."
        if words:
            errors.append((row["id"], words))
    if any(before[pk]["image_id"] != image.pk for pk in edit.deletes if pk in before):
        errors.append((None, "A box to delete belongs to another image."))
    if errors:
        raise RefusedEdit(errors)


def _labels_of(image: Image, asked: set[int]) -> dict[int, Any]:
    """When those labels of the project were retired, by id; None: in use."""
    ids = [pk for pk in asked if 0 < pk <= LARGEST_ID]
    if not ids:
        return {}
    places = ", ".join(["%s"] * len(ids))
    sql = f"SELECT id, retired_at FROM projects_label WHERE project_id = %s AND id IN ({places})"
    return dict(select(sql, [image.project_id, *ids]))


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


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row as JSON can hold it."""
    return {name: str(row[name]) if name == "id" else row[name] for name in FIELDS}


def suggestions_of(images: Iterable[int]) -> QuerySet[Annotation]:
    return Annotation.objects.filter(image_id__in=images, status=Annotation.Status.SUGGESTED)


def accept_suggestions(image: Image, user: Any) -> int:
    """Turn every suggestion of the image into an annotation, as one operation; how many."""
    rows = list(image.annotations.filter(status=Annotation.Status.SUGGESTED).values(*FIELDS))
    if rows:
        upserts = [{**row, "status": Annotation.Status.ACTIVE} for row in rows]
        apply_edit(image.pk, Edit(image.revision, uuid.uuid4(), upserts), user)
    return len(rows)
