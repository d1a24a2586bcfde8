"""The annotation editor's page. What it reads and writes goes through webapp/api/labeling.py."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from webapp.labeling.labels import label_rows
from webapp.labeling.order import kept_images, next_to_label
from webapp.projects.access import project_view
from webapp.projects.models import Project


@require_GET
@project_view()
def next_image(request: HttpRequest, project: Project) -> HttpResponse:
    """Go to the next image that is not done (after ?after=ID)."""
    after = request.GET.get("after", "")
    image_id = next_to_label(project, int(after) if after.isdecimal() and len(after) < 19 else 0)
    if image_id is None:
        messages.info(request, "There is no image to label yet. Add some first.")
        return redirect("datasets:images", project.pk)
    return redirect("labeling:editor", project.pk, image_id)


@require_GET
@ensure_csrf_cookie
@project_view()
def editor(request: HttpRequest, project: Project, image_id: int) -> HttpResponse:
    image = get_object_or_404(kept_images(project), pk=image_id)
    membership = request.membership  # type: ignore[attr-defined]
    template = reverse("labeling:editor", args=[project.pk, 0]).replace("/0/", "/{id}/")
    config = {
        "project_id": project.pk,
        "project_name": project.name,
        "image_id": image.pk,
        "user_id": request.user.pk,
        "role": membership.role,
        "can_edit": membership.allows("annotator"),
        "reviewing": request.GET.get("review") == "1",
        "api": "/api/",
        "urls": {
            "images": reverse("datasets:images", args=[project.pk]),
            "editor": template,
            "next": reverse("labeling:next", args=[project.pk]),
            "login": reverse("accounts:login"),
        },
        "labels": label_rows(project),
    }
    return render(request, "labeling/editor.html", {"image": image, "editor_config": config})
