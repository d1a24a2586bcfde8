"""The film below the editor's picture: a window of a project's images with their boxes."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from webapp.api.images import image_url
from webapp.labeling.models import Annotation
from webapp.labeling.order import kept_images
from webapp.projects.access import get_project

router = Router()
MOST = 200
COLUMNS = ("id", "name", "sha256", "state", "suggestion_count", "width", "height")


@router.get("projects/{int:project_id}/filmstrip")
def read_filmstrip(
    request: HttpRequest,
    project_id: int,
    around: int | None = None,
    before: int = 12,
    after: int = 24,
    offset: int | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """A window of the project's images: around an image, or from `offset` on."""
    images = kept_images(get_project(request, project_id))
    if offset is None:
        position = images.filter(pk__lt=around or 0).count()
        offset = max(0, position - max(0, before))
        limit = position - offset + 1 + max(0, after)
    offset, limit = max(0, offset), max(1, min(limit, MOST))
    rows = list(images.values(*COLUMNS)[offset : offset + limit])
    boxes = _boxes_of([row["id"] for row in rows])
    return {
        "offset": offset,
        "count": images.count(),
        "items": [
            {
                "id": row["id"],
                "name": row["name"],
                "thumbnail_url": image_url("thumbnail", project_id, row["id"], row["sha256"]),
                "state": row["state"],
                "suggestions": row["suggestion_count"],
                "width": row["width"],
                "height": row["height"],
                "boxes": boxes[row["id"]],
            }
            for row in rows
        ],
    }


def _boxes_of(images: list[int]) -> dict[int, list[list[Any]]]:
    """[xmin, ymin, xmax, ymax, label, whether it is a suggestion] of each shown box, by image."""
    boxes: dict[int, list[list[Any]]] = {image_id: [] for image_id in images}
    shown = (
        Annotation.objects.filter(image_id__in=images)
        .exclude(status=Annotation.Status.REJECTED)
        .values_list("image_id", "xmin", "ymin", "xmax", "ymax", "label_id", "status")
    )
    for image_id, xmin, ymin, xmax, ymax, label_id, status in shown:
        boxes[image_id].append([xmin, ymin, xmax, ymax, label_id, status == "suggested"])
    return boxes
