"""Take a photo that was detected on into a project: its detections become suggestions, or boxes."""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.core.files.storage import default_storage

from detection.boxes import iou_matrix
from webapp.datasets.intake import take_image
from webapp.datasets.models import Image
from webapp.inference.models import Detection, DetectionPhoto
from webapp.inference.thresholds import Thresholds
from webapp.labeling.edits import FIELDS, Edit, StaleEdit, apply_edit
from webapp.labeling.models import Annotation
from webapp.projects.models import Label, Project

# A detection that overlaps a box of the same label this much is that box.
SAME_BOX_IOU = 0.7
TRIES = 3
LEAVE_OUT = "leave_out"
MAKE = "make"


@dataclass(frozen=True, slots=True)
class UnknownLabel:
    """A label that the detector found and the project does not have."""

    class_id: int
    name: str
    count: int


@dataclass
class Matched:
    """The project's label for each class id that was found, and the ones that need an answer."""

    labels: dict[int, Label] = field(default_factory=dict)
    unknown: list[UnknownLabel] = field(default_factory=list)


def wanted_detections(
    photo: DetectionPhoto, thresholds: Thresholds, hidden: Iterable[int] = ()
) -> list[Detection]:
    """The detections that the page shows: from the threshold on, of labels not switched off."""
    rows = photo.detections.exclude(class_id__in=list(hidden))
    return [row for row in rows if thresholds.shows(row)]


def match_labels(project: Project, photo: DetectionPhoto, found: list[Detection]) -> Matched:
    """Find the project's labels: a model of the project by class id, any other detector by name."""
    active = list(project.active_labels())
    by_id = {label.class_id: label for label in active}
    by_name = {
        name.casefold(): label
        for label in active
        for name in (label.display_name, label.name)
        if name
    }
    model = photo.request.model
    own = model is not None and model.project_id == project.pk
    names = {row.class_id: row.label for row in found}
    counts = Counter(row.class_id for row in found)
    matched = Matched()
    for class_id, name in sorted(names.items()):
        label = (by_id.get(class_id) if own else None) or by_name.get(name.casefold())
        if label is None:
            matched.unknown.append(UnknownLabel(class_id, name, counts[class_id]))
        else:
            matched.labels[class_id] = label
    return matched


def answer_labels(
    project: Project, matched: Matched, answers: dict[int, str]
) -> list[UnknownLabel]:
    """Apply a person's answers ("leave_out", "make" or a label's id); the labels still without one.

    Raises ValidationError where a label cannot be made.
    """
    open_questions = []
    for unknown in matched.unknown:
        answer = answers.get(unknown.class_id, "")
        if answer == LEAVE_OUT:
            continue
        chosen = (
            project.active_labels().filter(pk=int(answer)).first() if answer.isdecimal() else None
        )
        if answer == MAKE:
            chosen = project.add_label(unknown.name)
        if chosen is None:
            open_questions.append(unknown)
        else:
            matched.labels[unknown.class_id] = chosen
    return open_questions


def take_photo(
    photo: DetectionPhoto,
    project: Project,
    user: Any,
    found: list[Detection],
    labels: dict[int, Label],
    *,
    all_right: bool,
) -> Image:
    """Take the photo and its detections into the project; the same photo twice is one image.

    With `all_right` the detections become annotations and the image is done; otherwise they are
    suggestions. Boxes that are there already stay as they are. Raises ImageRefused.
    """
    with default_storage.open(photo.original_path, "rb") as file:
        data = file.read()
    image, _ = take_image(project, photo.name, data, user)
    status = Annotation.Status.ACTIVE if all_right else Annotation.Status.SUGGESTED
    for attempt in range(TRIES):
        upserts = _upserts(image, [row for row in found if row.class_id in labels], labels, status)
        edit = Edit(
            base_revision=image.revision,
            op_id=uuid.uuid4(),
            upserts=upserts,
            state=Image.State.DONE if all_right else None,
        )
        if not upserts and not all_right:
            break
        try:
            image = apply_edit(image.pk, edit, user)
            break
        except StaleEdit as stale:
            # Someone edited the image in this very moment: look again.
            if attempt == TRIES - 1:
                raise
            image = stale.image
    if photo.image_id != image.pk:
        photo.image = image
        photo.save(update_fields=["image"])
    return image


def _upserts(
    image: Image, found: list[Detection], labels: dict[int, Label], status: str
) -> list[dict[str, Any]]:
    """New annotations for `found`, and suggestions that "all are right" confirms."""
    known = list(image.annotations.values(*FIELDS))
    upserts = []
    for row in found:
        label = labels[row.class_id]
        same = _same_box(row, [one for one in known if one["label_id"] == label.pk])
        if same is None:
            new = _annotation(row, image, label, status)
            if new is not None:
                upserts.append(new)
        elif status == Annotation.Status.ACTIVE and same["status"] != status:
            upserts.append({**same, "status": status})
    return list({row["id"]: row for row in upserts}.values())


def _same_box(row: Detection, known: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not known:
        return None
    corners = [[one["xmin"], one["ymin"], one["xmax"], one["ymax"]] for one in known]
    overlaps = iou_matrix([[row.xmin, row.ymin, row.xmax, row.ymax]], corners)[0]
    best = int(np.argmax(overlaps))
    return known[best] if overlaps[best] >= SAME_BOX_IOU else None


def _annotation(row: Detection, image: Image, label: Label, status: str) -> dict[str, Any] | None:
    """The detection as an annotation inside the image; None where nothing of it is left."""
    xmin, xmax = max(row.xmin, 0.0), min(row.xmax, float(image.width))
    ymin, ymax = max(row.ymin, 0.0), min(row.ymax, float(image.height))
    if xmax - xmin < 1 or ymax - ymin < 1:
        return None
    return {
        "id": uuid.uuid4(),
        "label_id": label.pk,
        "xmin": xmin,
        "ymin": ymin,
        "xmax": xmax,
        "ymax": ymax,
        "status": status,
        "source": Annotation.Source.MODEL,
        "score": row.score,
        "difficult": False,
        "truncated": False,
    }
