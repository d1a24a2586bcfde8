"""What changes many images at once, written into each one's history like an edit by hand."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from webapp.datasets.models import Image
from webapp.labeling.edits import FIELDS, OPERATIONS, plain
from webapp.labeling.models import Annotation, DeletedBox, ImageReview, Operation
from webapp.plain_sql import Row
from webapp.projects.models import Label

# Images a round: memory stays flat however many there are.
BATCH = 500


def merge_labels(label: Label, into: Label, user: Any) -> int:
    """Give the annotations of `label` to `into` and retire it; how many boxes and suggestions.

    Each image's history gets an operation, and its revision grows: editors that have it open
    rebase.
    """
    moved, last = 0, 0
    with transaction.atomic():
        while batch := _next_images(label, last):
            moved += _merge_on(batch, label, into, user)
            last = batch[-1]
        DeletedBox.objects.filter(label=label).update(label=into)
        label.retired_at, label.hotkey = timezone.now(), ""
        label.save(update_fields=["retired_at", "hotkey"])
    return moved


def _next_images(label: Label, last: int) -> list[int]:
    ids = label.annotations.filter(image_id__gt=last).order_by("image_id")
    return list(ids.values_list("image_id", flat=True).distinct()[:BATCH])


def _merge_on(images: list[int], label: Label, into: Label, user: Any) -> int:
    before: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows = Annotation.objects.filter(label=label, image_id__in=images)
    for row in rows.values("image_id", *FIELDS):
        before[row.pop("image_id")].append(plain(row))
    Image.objects.filter(pk__in=images).update(revision=F("revision") + 1)
    revisions = dict(Image.objects.filter(pk__in=images).values_list("pk", "revision"))
    Operation.objects.bulk_create(
        [
            Operation(
                image_id=pk, revision=revisions[pk], kind=Operation.Kind.MERGE, user=user,
                changes={
                    "upserts": [{**row, "label_id": into.pk} for row in old],
                    "deletes": [], "before": old, "state": None,
                },
                summary={"merged": label.name, "into": into.name, "relabelled": len(old)},
            )
            for pk, old in before.items()
        ]
    )  # fmt: skip
    return rows.update(label=into, changed_by=user, changed_at=timezone.now())


def note_import(images: Iterable[int], rows: Iterable[Row], user: Any) -> None:
    """Write into the images' histories that an import brought `rows`, and made them done."""
    boxes: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        boxes[row["image_id"]].append(plain({name: row[name] for name in FIELDS}))
    found = Image.objects.filter(pk__in=list(images)).values_list("pk", "revision")
    now = timezone.now()
    OPERATIONS.insert(
        {
            "image_id": pk, "op_id": uuid.uuid4(), "revision": revision,
            "kind": Operation.Kind.BULK, "user_id": user.pk, "created_at": now,
            "summary": {"imported": len(boxes[pk]), "state": "done"},
            "changes": {"upserts": boxes[pk], "deletes": [], "before": [], "state": "done"},
        }
        for pk, revision in found
    )  # fmt: skip


def set_state_of(images: QuerySet[Image], state: str, user: Any) -> int:
    """Give the images a state; how many there are. Those that had it already stay as they are."""
    count, last = images.count(), 0
    done_at = timezone.now() if state == "done" else None
    with transaction.atomic():
        others = images.exclude(state=state).order_by("pk").values_list("pk", flat=True)
        while ids := list(others.filter(pk__gt=last)[:BATCH]):
            last = ids[-1]
            # Somebody may save one of them at this moment: their revisions are read locked.
            batch = Image.objects.select_for_update().filter(pk__in=ids)
            Operation.objects.bulk_create(
                Operation(
                    image=image, revision=image.revision + 1, user=user,
                    kind=Operation.Kind.BULK, summary={"state": state},
                    changes={"state": state, "state_before": image.state},
                )
                for image in batch
            )  # fmt: skip
            Image.objects.filter(pk__in=ids).update(
                state=state, done_at=done_at, revision=F("revision") + 1
            )
            ImageReview.objects.filter(image_id__in=ids).exclude(
                verdict=ImageReview.Verdict.FLAGGED
            ).delete()
    return count
