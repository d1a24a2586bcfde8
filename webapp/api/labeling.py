"""What the annotation editor reads and writes (static/js/annotate/api.js is its client)."""

import uuid
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest
from django.urls import reverse
from ninja import Field, Router, Schema
from ninja.responses import Response

from webapp.api.images import check_image, get_image, image_url
from webapp.datasets.models import Image
from webapp.labeling.edits import Edit, RefusedEdit, StaleEdit, apply_edit, shown_annotations
from webapp.labeling.labels import label_rows
from webapp.labeling.order import place_of
from webapp.labeling.review import marks_of
from webapp.projects.access import get_project

router = Router()


class AnnotationIn(Schema):
    id: uuid.UUID
    label_id: int
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    status: Literal["active", "suggested", "rejected"] = "active"
    source: Literal["human", "import", "model", "copied"] = "human"
    score: float | None = None
    difficult: bool = False
    truncated: bool = False
    crowd: bool = False


class EditIn(Schema):
    base_revision: int
    op_id: uuid.UUID
    upserts: list[AnnotationIn] = Field(default_factory=list, max_length=20_000)
    deletes: list[uuid.UUID] = Field(default_factory=list, max_length=20_000)
    state: Literal["new", "in_progress", "done"] | None = None
    restores: int | None = None


class LabelIn(Schema):
    name: str


@router.get("images/{int:image_id}")
def read_image(request: HttpRequest, image_id: int) -> dict[str, Any]:
    image = get_image(request, image_id)
    place = place_of(image)
    return {
        "id": image.pk,
        "name": image.name,
        "width": image.width,
        "height": image.height,
        "preview_url": image_url("preview", image.project_id, image.pk, image.sha256),
        "original_url": image_url("original", image.project_id, image.pk, image.sha256),
        "thumbnail_url": image_url("thumbnail", image.project_id, image.pk, image.sha256),
        "state": image.state,
        "split": image.split,
        "revision": image.revision,
        "annotations": shown_annotations(image),
        **marks_of(image),
        "previous_id": place.previous_id,
        "next_id": place.next_id,
        "position": place.position,
        "count": place.count,
        "done": place.done,
    }


@router.patch("images/{int:image_id}/annotations")
def edit_annotations(request: HttpRequest, image_id: int, edit: EditIn) -> Any:
    other = _logged_in_as_another(request)
    if other is not None:
        return other
    check_image(request, image_id, "annotator")
    try:
        image = apply_edit(image_id, Edit(**edit.dict()), request.user)
    except Image.DoesNotExist:
        # Deleted for good a moment ago.
        raise Http404 from None
    except StaleEdit as stale:
        body = {
            "revision": stale.image.revision,
            "state": stale.image.state,
            "annotations": shown_annotations(stale.image),
        }
        return Response(body, status=409)
    except RefusedEdit as refused:
        errors = [
            {"annotation": None if pk is None else str(pk), "message": words}
            for pk, words in refused.errors
        ]
        return Response({"errors": errors}, status=422)
    return {"revision": image.revision, "state": image.state}


def _logged_in_as_another(request: HttpRequest) -> Response | None:
    """401 where the page was opened by one person and the browser now speaks for another.

    Otherwise edits that were kept over a log-in would be saved under a wrong name.
    """
    drawn_by = request.headers.get("X-Boxloop-User", "")
    if drawn_by in {"", str(request.user.pk)}:
        return None
    words = f"This browser is logged in as {request.user.get_username()} now."
    return Response({"message": words, "login": reverse("accounts:login")}, status=401)


@router.get("projects/{int:project_id}/labels")
def read_labels(request: HttpRequest, project_id: int) -> list[dict[str, Any]]:
    return label_rows(get_project(request, project_id))


@router.post("projects/{int:project_id}/labels")
def add_label(request: HttpRequest, project_id: int, label: LabelIn) -> Any:
    project = get_project(request, project_id, "annotator")
    try:
        made = project.add_label(label.name)
    except ValidationError as error:
        return Response({"message": " ".join(error.messages)}, status=422)
    row = next(row for row in label_rows(project) if row["id"] == made.pk)
    return Response(row, status=201)
