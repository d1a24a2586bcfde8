"""The trash of a project's images: bring back, or delete for good."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from webapp.projects.access import get_project, project_view
from webapp.projects.models import Project, Role
from webapp.projects.removal import delete_images

PAGE = 60


@require_http_methods(["GET", "HEAD", "POST"])
@project_view("annotator")
def trash(request: HttpRequest, project: Project) -> HttpResponse:
    """Annotators restore, owners also delete: `ids`, or with `all` and no ids everything."""
    images = project.images.exclude(trashed_at=None).order_by("-trashed_at", "-pk")
    if request.method == "POST":
        ids = [int(pk) for pk in request.POST.getlist("ids") if pk.isdecimal()]
        chosen = images.filter(pk__in=ids) if ids or "all" not in request.POST else images
        if request.POST.get("do") == "delete":
            get_project(request, project.pk, Role.OWNER)
            count = delete_images(project, list(chosen.values_list("pk", flat=True)))
            words = "deleted for good"
        elif request.POST.get("do") == "restore":
            count = chosen.order_by().update(trashed_at=None)
            words = "back among the images"
        else:
            count, words = 0, ""
        if count:
            verb = "image is" if count == 1 else "images are"
            messages.success(request, f"{count:,} {verb} {words}.")
        else:
            messages.error(request, "No image was chosen. Tick some, then restore or delete them.")
        return redirect("projects:trash", project.pk)
    page = Paginator(images, PAGE).get_page(request.GET.get("page"))
    return render(request, "projects/trash.html", {"room": "settings", "page": page})
