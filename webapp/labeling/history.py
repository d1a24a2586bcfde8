"""What was done to an image, how it stood at an earlier revision, and what lies in its trash."""

from typing import Any

from webapp.datasets.models import Image
from webapp.labeling.changes import in_words
from webapp.labeling.edits import FIELDS, plain
from webapp.labeling.models import Annotation

PAGE = 50


class NoSuchRevision(Exception):
    """The image never had this revision, or its history does not reach back to it."""


def person(user: Any, viewer: Any) -> dict[str, Any]:
    """A person as the editor shows them; `you` where it is the one who looks."""
    if user is None:
        return {"id": None, "name": "Somebody who left", "initials": "–", "you": False}
    return {
        "id": user.pk,
        "name": user.get_full_name() or user.username,
        "initials": user.initials,
        "you": user.pk == viewer.pk,
    }


def entries_of(image: Image, viewer: Any, before: int | None = None) -> dict[str, Any]:
    """The latest operations, newest first, up to revision `before`; and whether there are more."""
    operations = image.operations.select_related("user").defer("changes").order_by("-pk")
    if before is not None:
        operations = operations.filter(revision__lt=before)
    rows = list(operations[: PAGE + 1])
    return {
        "entries": [
            {
                "revision": row.revision,
                "kind": row.kind,
                "who": person(row.user, viewer),
                "at": row.created_at,
                "words": in_words(row.summary),
            }
            for row in rows[:PAGE]
        ],
        "more": len(rows) > PAGE,
        "added": {"who": person(image.created_by, viewer), "at": image.created_at},
    }


def annotations_at(image: Image, revision: int) -> list[dict[str, Any]]:
    """The annotations as they stood when the image had `revision`, rejected suggestions left out.

    Today's, with each later operation taken back. Raises NoSuchRevision.
    """
    if not 0 <= revision <= image.revision:
        raise NoSuchRevision(
            f"There is no revision {revision} of {image.name}; it is at {image.revision}."
        )
    rows = {str(row["id"]): plain(row) for row in image.annotations.values(*FIELDS)}
    later = image.operations.filter(revision__gt=revision).order_by("-revision", "-pk")
    for changes in later.values_list("changes", flat=True).iterator(chunk_size=100):
        before = {row["id"]: row for row in changes.get("before", [])}
        touched = [row["id"] for row in changes.get("upserts", [])] + changes.get("deletes", [])
        for pk in touched:
            if pk in before:
                rows[pk] = before[pk]
            else:
                rows.pop(pk, None)
    return [row for row in rows.values() if row["status"] != Annotation.Status.REJECTED]


def trash_of(image: Image, viewer: Any) -> list[dict[str, Any]]:
    """The deleted boxes, latest first, each whole so that the editor can put it back."""
    rows = image.deleted_boxes.select_related("created_by", "deleted_by")
    return [
        {
            "annotation": {"id": str(row.pk), "label_id": row.label_id, **row.fields},
            "drawn_by": person(row.created_by, viewer),
            "deleted_by": person(row.deleted_by, viewer),
            "deleted_at": row.deleted_at,
        }
        for row in rows[:500]
        if row.fields["status"] == Annotation.Status.ACTIVE
    ]


def authors_of(image: Image, viewer: Any) -> dict[str, Any]:
    """Who drew each box and who changed it last: people by id, and boxes by annotation id."""
    rows = image.annotations.exclude(status=Annotation.Status.REJECTED).select_related(
        "created_by", "changed_by"
    )
    people: dict[int, Any] = {}
    boxes = {}
    for row in rows:
        for user in (row.created_by, row.changed_by):
            if user is not None and user.pk not in people:
                people[user.pk] = person(user, viewer)
        boxes[str(row.pk)] = {
            "drawn_by": row.created_by_id,
            "drawn_at": row.created_at,
            "changed_by": row.changed_by_id,
            "changed_at": row.changed_at,
            "source": row.source,
        }
    return {"people": people, "boxes": boxes}
