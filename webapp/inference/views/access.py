"""Whose requests and photos are whose: a project's belong to its people, others to their maker."""

from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from webapp.inference.models import DetectionPhoto, DetectionRequest
from webapp.projects.access import get_project
from webapp.projects.models import Project, Role


def project_of(
    request: HttpRequest, project_id: int | None, role: str = Role.VIEWER
) -> Project | None:
    """The project of the address (404 and 403 as everywhere); None for one without a project."""
    return None if project_id is None else get_project(request, project_id, role)


def get_request(
    request: HttpRequest, project_id: int | None, request_id: int, role: str = Role.VIEWER
) -> DetectionRequest:
    project = project_of(request, project_id, role)
    owner: dict[str, Any] = (
        {"project": project} if project else {"project": None, "created_by": request.user}
    )
    rows = DetectionRequest.objects.select_related("model", "project")
    return get_object_or_404(rows, pk=request_id, **owner)


def get_photo(row: DetectionRequest, photo_id: int) -> DetectionPhoto:
    photo = get_object_or_404(row.photos.select_related("image"), pk=photo_id)
    photo.request = row
    return photo
