"""The files of an image: thumbnail, preview and the original as it was uploaded."""

from pathlib import PurePosixPath

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from webapp.datasets.models import Image
from webapp.projects.access import project_view
from webapp.projects.models import Project
from webapp.streaming import PICTURES, stored_file


@require_safe
@project_view()
def thumbnail(request: HttpRequest, project: Project, image_id: int) -> HttpResponseBase:
    image = get_object_or_404(project.images, pk=image_id)
    return stored_file(
        request, image.thumbnail_path, "image/jpeg", etag=f"{image.sha256}-thumbnail"
    )


@require_safe
@project_view()
def preview(request: HttpRequest, project: Project, image_id: int) -> HttpResponseBase:
    image = get_object_or_404(project.images, pk=image_id)
    return stored_file(request, image.preview_path, "image/jpeg", etag=f"{image.sha256}-preview")


@require_safe
@project_view()
def original(request: HttpRequest, project: Project, image_id: int) -> HttpResponseBase:
    """The uploaded bytes: shown where browsers know the type, else offered for saving.

    `?download=1` always saves it, under the user's own name for it.
    """
    image = get_object_or_404(project.images, pk=image_id)
    content_type = PICTURES.get(image.format)
    saves = content_type is None or request.GET.get("download") == "1"
    response = stored_file(
        request,
        image.original_path,
        content_type or "application/octet-stream",
        etag=f"{image.sha256}-original",
    )
    header = content_disposition_header(saves, file_name(image))
    if header:
        response["Content-Disposition"] = header
    return response


def file_name(image: Image) -> str:
    """The last part of the user's name for the photo, as a name for saving."""
    name = PurePosixPath(image.name.replace("\\", "/")).name
    return "".join(c for c in name if c.isprintable()) or f"image-{image.pk}"
