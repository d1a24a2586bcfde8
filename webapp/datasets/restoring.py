"""Bring a frozen revision back into the working set. Nothing is lost: see `restore_revision`."""

import uuid
from typing import Any

from django.utils import timezone

from webapp.datasets.comparing import matched_boxes
from webapp.datasets.freezing import frozen_box, read_manifest
from webapp.datasets.health_fixes import Outcome
from webapp.datasets.health_models import DatasetChange
from webapp.datasets.models import DatasetRevision, Image
from webapp.datasets.recording import Record, Tell, silent
from webapp.labeling import edits as labeling
from webapp.labeling.models import Annotation
from webapp.projects.models import Project

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def restore_revision(
    project: Project,
    revision: DatasetRevision,
    user: Any,
    *,
    trash_others: bool = False,
    change: DatasetChange | None = None,
    tell: Tell = silent,
) -> Outcome:
    """Give each image of the revision the boxes, split and group that it had there, as done.

    Boxes change by one operation of each image's history, and only where they differ; images come
    back from the trash; labels that were retired since are taken up again. Images that the
    revision does not have stay, or go to the trash with `trash_others`. All of it is one change
    that can be taken back. What cannot be restored is named in the outcome.
    """
    manifest = read_manifest(revision)
    labels = _labels(project, manifest)
    record = Record(project, user, f"Restored {revision}", change, tell)
    outcome = Outcome()
    touched: set[int] = set()
    for batch in record.batches(manifest["images"]):
        for entry in batch:
            image = project.images.filter(sha256=entry["sha256"]).first()
            if image is None:
                outcome.left.append(
                    f"{entry['name']}: its photo was deleted for good. Upload it again."
                )
            elif _restore_image(image, entry, labels, user, record.made, outcome):
                touched.add(image.pk)
    if trash_others:
        known = {entry["sha256"] for entry in manifest["images"]}
        kept = project.images.kept().values_list("pk", "sha256")
        others = [pk for pk, sha256 in kept if sha256 not in known]
        for ids in record.batches(others, 500):
            project.images.filter(pk__in=ids).update(trashed_at=timezone.now())
            record.made["trashed"] += ids
    outcome.images, outcome.change = len(touched) + len(record.made["trashed"]), record.change
    return outcome


def _labels(project: Project, manifest: dict[str, Any]) -> dict[int, int]:
    """Label rows by class id; those that the revision uses are in use again."""
    used = {box["class_id"] for entry in manifest["images"] for box in entry["boxes"]}
    project.labels.filter(class_id__in=used).exclude(retired_at=None).update(retired_at=None)
    return dict(project.labels.values_list("class_id", "pk"))


def _restore_image(
    image: Image,
    entry: dict[str, Any],
    labels: dict[int, int],
    user: Any,
    made: dict[str, list[Any]],
    outcome: Outcome,
) -> bool:
    """Whether anything about the image changed."""
    changed = False
    if image.trashed_at is not None:
        Image.objects.filter(pk=image.pk).update(trashed_at=None)
        made["untrashed"].append(image.pk)
        changed = True
    for column in ("split", "group"):
        before = getattr(image, column)
        if before != entry[column]:
            Image.objects.filter(pk=image.pk).update(**{column: entry[column]})
            made[f"{column}s"].append([image.pk, before, entry[column]])
            changed = True
    for _ in range(3):
        image = Image.objects.get(pk=image.pk)
        request = _edit(image, entry, labels)
        if request is None:
            return changed
        try:
            after = labeling.apply_edit(image.pk, request, user)
        except labeling.StaleEdit:
            continue
        except labeling.RefusedEdit as refusal:
            outcome.left.append(f"{image.name}: {refusal}")
            return changed
        outcome.boxes += len(request.upserts) + len(request.deletes)
        made["operations"].append([image.pk, after.revision])
        return True
    outcome.left.append(f"{image.name}: somebody is drawing on it. Restore again.")
    return changed


def _edit(image: Image, entry: dict[str, Any], labels: dict[int, int]) -> labeling.Edit | None:
    """What turns the image's boxes into the revision's; None where nothing is to be done."""
    rows = list(
        image.annotations.filter(status=Annotation.Status.ACTIVE)
        .order_by("id")
        .values("label__class_id", *labeling.FIELDS)
    )
    boxes = [
        frozen_box(
            row.pop("label__class_id"),
            [row[side] for side in CORNERS],
            row["difficult"],
            row["truncated"],
            row["crowd"],
        )
        for row in rows
    ]
    pairs, gone, new = matched_boxes(boxes, entry["boxes"])
    upserts = [
        _row(rows[old], entry["boxes"][index], labels)
        for old, index in pairs
        if boxes[old] != entry["boxes"][index]
    ]
    fresh = {"status": Annotation.Status.ACTIVE, "source": "human", "score": None}
    upserts += [_row({"id": uuid.uuid4(), **fresh}, entry["boxes"][index], labels) for index in new]
    deletes = [rows[index]["id"] for index in gone]
    if not upserts and not deletes and image.state == Image.State.DONE:
        return None
    return labeling.Edit(image.revision, uuid.uuid4(), upserts, deletes, state=Image.State.DONE)


def _row(row: dict[str, Any], box: dict[str, Any], labels: dict[int, int]) -> dict[str, Any]:
    return {
        **row,
        **dict(zip(CORNERS, box["box"], strict=True)),
        "label_id": labels[box["class_id"]],
        "difficult": box["difficult"],
        "truncated": box["truncated"],
        "crowd": box.get("crowd", False),
    }
