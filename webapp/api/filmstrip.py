"""The film below the editor's picture: a window of a project's images with their boxes."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from webapp.api.images import image_url
from webapp.labeling.order import kept_images
from webapp.labeling.thumbnails import shown_boxes
from webapp.projects.access import get_project

router = Router()
MOST = 200
# What the film shows of an image (static/js/annotate/filmstrip.js).
MOST_BOXES = 100
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
    boxes = shown_boxes([row["id"] for row in rows], MOST_BOXES)
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
                "boxes": [
                    [*(round(corner, 1) for corner in corners), label_id, suggested]
                    for label_id, suggested, *corners in boxes[row["id"]]
                ],
            }
            for row in rows
        ],
    }
