"""An image as a request may reach it: through its project's membership."""

from django.http import Http404, HttpRequest
from django.urls import reverse

from webapp.datasets.models import Image
from webapp.plain_sql import LARGEST_ID, select
from webapp.projects.access import get_project, require
from webapp.projects.models import Membership

ROLE_AT_IMAGE = """
SELECT member.role
FROM projects_membership AS member JOIN datasets_image AS image USING (project_id)
WHERE member.user_id = %s AND image.id = %s AND image.trashed_at IS NULL
"""


def get_image(request: HttpRequest, image_id: int, role: str = "viewer") -> Image:
    """The image, where the user is in its project with `role`; else Http404 or PermissionDenied."""
    image = Image.objects.kept().select_related("project").filter(pk=image_id).first()
    if image is None:
        raise Http404
    get_project(request, image.project_id, role)
    return image


def check_image(request: HttpRequest, image_id: int, role: str) -> None:
    """As `get_image`, for a caller that reads the image itself: one query instead of two."""
    found = image_id <= LARGEST_ID and select(ROLE_AT_IMAGE, [request.user.pk, image_id])
    if not found:
        raise Http404
    require(Membership(role=found[0][0]), role)


def image_url(kind: str, project_id: int, image_id: int, sha256: str) -> str:
    # The hash makes the address new should the same id ever show other bytes.
    return f"{reverse(f'datasets:{kind}', args=[project_id, image_id])}?v={sha256[:8]}"
