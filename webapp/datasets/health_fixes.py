"""Fixes of a project's findings: made through the histories of the images, and taken back."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from detection.checks.finding import counted
from detection.checks.survey import Edit as CheckEdit
from webapp.datasets.health import check_of
from webapp.datasets.health_models import DatasetChange
from webapp.datasets.health_survey import ProjectSurvey, survey_project
from webapp.datasets.models import Image
from webapp.datasets.recording import BATCH, Record, Tell, silent
from webapp.labeling import edits as labeling
from webapp.labeling.models import Annotation
from webapp.projects.models import Project

CORNERS = ("xmin", "ymin", "xmax", "ymax")
PLACES = {"set_split": "split", "set_group": "group"}


class NothingToFix(Exception):
    """There is nothing of the kind any more; the text says so."""


@dataclass
class Outcome:
    """What a fix did: boxes and images that it changed, and what it had to leave, in words."""

    boxes: int = 0
    images: int = 0
    left: list[str] = field(default_factory=list)
    change: DatasetChange | None = None


def apply_fix(
    project: Project,
    user: Any,
    key: str,
    only: Sequence[int] = (),
    *,
    change: DatasetChange | None = None,
    tell: Tell = silent,
) -> Outcome:
    """Mend what the check `key` finds now, all of it or on the images with ids `only`.

    Each image's boxes change in one operation of its history. An image that somebody draws on at
    this moment is looked at again, and left where it stays busy. `change` is what an earlier try
    recorded, to be gone on with. Raises NothingToFix.
    """
    check = check_of(key)
    surveyed = survey_project(project)
    fixes = [f.fix for f in check.find(surveyed.survey) if f.fix] if check else []
    wanted = set(only)
    edits = [
        edit
        for fix in fixes
        for edit in fix.edits
        if not wanted or any(surveyed.id_of[each.image] in wanted for each in fix.edits)
    ]
    if check is None or not edits:
        raise NothingToFix("There is nothing of this kind to fix any more.")
    words = check.title([f for f in check.find(surveyed.survey) if f.fix])
    record = Record(project, user, f"{check.action}: {words}", change, tell)
    return make_changes(record, edits, surveyed)


def make_changes(record: Record, edits: Iterable[CheckEdit], surveyed: ProjectSurvey) -> Outcome:
    """Make `edits` of the survey's images, as one change that can be taken back."""
    project = record.project
    by_image: dict[int, list[CheckEdit]] = defaultdict(list)
    places: list[CheckEdit] = []
    for edit in edits:
        if edit.action in PLACES:
            places.append(edit)
        elif edit.box is not None:
            by_image[surveyed.id_of[edit.image]].append(edit)
    outcome = Outcome()
    labels = dict(project.labels.filter(retired_at=None).values_list("name", "pk"))
    names = {pk: name for name, pk in surveyed.id_of.items()}
    touched: set[int] = set()
    for batch in record.batches(list(by_image.items())):
        for pk, mine in batch:
            image = surveyed.survey.by_name[names[pk]]
            keys = {box.number: box.key for box in image.boxes}
            revision = _edit_boxes(pk, mine, keys, labels, record.user, outcome)
            if revision is not None:
                record.made["operations"].append([pk, revision])
                touched.add(pk)
    for moved in record.batches(places):
        for edit in moved:
            pk = surveyed.id_of[edit.image]
            column = PLACES[edit.action]
            if Image.objects.filter(pk=pk, **{column: edit.before or ""}).update(
                **{column: edit.value}
            ):
                record.made[f"{column}s"].append([pk, edit.before or "", edit.value])
                touched.add(pk)
    outcome.images, outcome.change = len(touched), record.change
    return outcome


def _edit_boxes(
    pk: int,
    edits: Sequence[CheckEdit],
    keys: dict[int, str],
    labels: dict[str, int],
    user: Any,
    outcome: Outcome,
) -> int | None:
    """One operation on one image; the revision that it made, or None where it was left."""
    for _ in range(3):
        image = Image.objects.get(pk=pk)
        wanted = [uuid.UUID(keys[edit.box or 0]) for edit in edits]
        rows = {
            row["id"]: row
            for row in Annotation.objects.filter(pk__in=wanted).values(*labeling.FIELDS)
        }
        deletes = [
            key
            for key, edit in zip(wanted, edits, strict=True)
            if edit.action == "remove_box" and key in rows
        ]
        changed: dict[uuid.UUID, dict[str, Any]] = {}
        for key, edit in zip(wanted, edits, strict=True):
            if key not in rows or key in deletes:
                continue
            row = changed.setdefault(key, dict(rows[key]))
            if edit.action == "move_box":
                row |= dict(zip(CORNERS, edit.value, strict=True))
            elif edit.action == "relabel" and edit.value in labels:
                row["label_id"] = labels[edit.value]
        if not deletes and not changed:
            return None
        request = labeling.Edit(image.revision, uuid.uuid4(), list(changed.values()), deletes)
        try:
            after = labeling.apply_edit(pk, request, user)
        except labeling.StaleEdit:
            continue
        except labeling.RefusedEdit as refusal:
            outcome.left.append(f"{image.name}: {refusal}")
            return None
        _keep_state(image, after)
        outcome.boxes += len(deletes) + len(changed)
        return after.revision
    outcome.left.append(f"{Image.objects.get(pk=pk).name}: somebody is drawing on it. Try again.")
    return None


def _keep_state(before: Image, after: Image) -> None:
    """A mended image is as new, started or done as it was: nobody looked at all of it."""
    if after.state != before.state:
        after.set_state(before.state)


def undo(change: DatasetChange, user: Any, *, done: int = 0, tell: Tell = silent) -> Outcome:
    """Take a change back where nothing was done to the same image since; once only.

    Boxes come back by a new operation of the image's history. What was changed since stays, and
    is named in the outcome. `done` is how many of its images an earlier try took back.
    """
    outcome = Outcome()
    with transaction.atomic():
        claimed = DatasetChange.objects.filter(pk=change.pk, undone_at=None).update(
            undone_at=timezone.now()
        )
    if not claimed and not done:
        raise NothingToFix("This was taken back already.")
    steps = [("operations", None, step) for step in change.changes.get("operations", [])]
    for column in PLACES.values():
        steps += [("places", column, step) for step in change.changes.get(f"{column}s", [])]
    touched = set()
    for start in range(done, len(steps), BATCH):
        with transaction.atomic():
            for kind, column, step in steps[start : start + BATCH]:
                if kind == "operations":
                    undone = _undo_operation(*step, user, outcome)
                else:
                    pk, before, after = step
                    rows = Image.objects.filter(pk=pk, **{str(column): after})
                    undone = bool(rows.update(**{str(column): before}))
                if undone:
                    touched.add(step[0])
            tell(min(start + BATCH, len(steps)), len(steps), None)
    images = Image.objects.filter(project_id=change.project_id)
    for ids, moment in (
        (change.changes.get("trashed", []), None),
        (change.changes.get("untrashed", []), timezone.now()),
    ):
        for start in range(0, len(ids), 500):
            images.filter(pk__in=ids[start : start + 500]).update(trashed_at=moment)
    outcome.images = len(touched | {*change.changes.get("trashed", [])})
    return outcome


def _undo_operation(pk: int, revision: int, user: Any, outcome: Outcome) -> bool:
    image = Image.objects.filter(pk=pk).first()
    operation = image.operations.filter(revision=revision).first() if image else None
    if image is None or operation is None:
        return False
    if image.revision != revision:
        outcome.left.append(f"{image.name}: it was edited since, and stays as it is.")
        return False
    before = {row["id"]: row for row in operation.changes["before"]}
    upserts = [{**row, "id": uuid.UUID(row["id"])} for row in before.values()]
    made = [row["id"] for row in operation.changes["upserts"] if row["id"] not in before]
    request = labeling.Edit(
        revision, uuid.uuid4(), upserts, [uuid.UUID(key) for key in made], restores=revision - 1
    )
    try:
        after = labeling.apply_edit(pk, request, user)
    except (labeling.StaleEdit, labeling.RefusedEdit) as error:
        outcome.left.append(f"{image.name}: {error}")
        return False
    if after.state != operation.changes["state_before"]:
        after.set_state(operation.changes["state_before"])
    outcome.boxes += len(upserts) + len(made)
    return True


def in_words(outcome: Outcome) -> str:
    """ "3 boxes on 2 images" or "2 images": how much was changed."""
    images = counted(outcome.images, "image")
    if outcome.boxes:
        return f"{counted(outcome.boxes, 'box', 'boxes')} on {images}"
    return images
