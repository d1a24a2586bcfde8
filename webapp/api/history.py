"""An image's history and the trash of its boxes, for the editor's side panel."""

from typing import Any

from django.http import HttpRequest
from ninja import Router
from ninja.responses import Response

from webapp.api.images import get_image
from webapp.labeling.history import (
    NoSuchRevision,
    annotations_at,
    authors_of,
    entries_of,
    trash_of,
)

router = Router()


@router.get("images/{int:image_id}/history")
def read_history(request: HttpRequest, image_id: int, before: int | None = None) -> Any:
    return entries_of(get_image(request, image_id), request.user, before)


@router.get("images/{int:image_id}/history/{int:revision}")
def read_revision(request: HttpRequest, image_id: int, revision: int) -> Any:
    image = get_image(request, image_id)
    try:
        return {"revision": revision, "annotations": annotations_at(image, revision)}
    except NoSuchRevision as error:
        return Response({"message": str(error)}, status=404)


@router.get("images/{int:image_id}/deleted")
def read_trash(request: HttpRequest, image_id: int) -> list[dict[str, Any]]:
    return trash_of(get_image(request, image_id), request.user)


@router.get("images/{int:image_id}/authors")
def read_authors(request: HttpRequest, image_id: int) -> dict[str, Any]:
    return authors_of(get_image(request, image_id), request.user)
