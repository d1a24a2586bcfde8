"""The annotation editor's page. What it reads and writes goes through webapp/api/labeling.py."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from webapp.datasets.grid import whole_number
from webapp.datasets.models import Image
from webapp.labeling.labels import label_rows
from webapp.labeling.numbers import numbers_of
from webapp.labeling.order import kept_images, next_to_label, next_to_review
from webapp.labeling.review import set_rule
from webapp.projects.access import project_view
from webapp.projects.models import Project


@require_GET
@project_view()
def next_image(request: HttpRequest, project: Project) -> HttpResponse:
    """Go to the next image that is not done, or with ?to=review not reviewed (after ?after=ID)."""
    after = request.GET.get("after", "")
    known = int(after) if after.isascii() and after.isdecimal() and len(after) < 19 else 0
    if request.GET.get("to") == "review":
        return _next_to_review(request, project, known)
    image_id = next_to_label(project, known)
    if image_id is None:
        messages.info(request, "There is no image to label yet. Add some first.")
        return redirect("datasets:images", project.pk)
    return redirect("labeling:editor", project.pk, image_id)


def _next_to_review(request: HttpRequest, project: Project, after: int) -> HttpResponse:
    image_id = next_to_review(project, after)
    if image_id is None:
        messages.info(request, "Nothing waits for a review.")
        return redirect("datasets:images", project.pk)
    return redirect(f"{reverse('labeling:editor', args=[project.pk, image_id])}?review=1")


@require_GET
@project_view()
def week(request: HttpRequest, project: Project) -> HttpResponse:
    """What the reader made in the last seven days, as one small link; nothing where it is none."""
    mine = numbers_of(project, request.user)
    return render(request, "labeling/_week.html", {"mine": mine})


@require_GET
@project_view()
def numbers(request: HttpRequest, project: Project) -> HttpResponse:
    """The reader's own numbers; an owner also sees all people's together, never one by one."""
    images = kept_images(project)
    left = images.exclude(state=Image.State.DONE).count()
    mine = numbers_of(project, request.user)
    context: dict[str, Any] = {
        "room": "images",
        "mine": mine,
        "mine_left": mine.seconds_for(left),
        "left": left,
        "count": images.count(),
    }
    if request.membership.allows("owner"):  # type: ignore[attr-defined]
        team = numbers_of(project)
        if team.people > 1 or not mine.people:
            context |= {"team": team, "team_left": team.seconds_for(left)}
    return render(request, "labeling/numbers.html", context)


@require_POST
@project_view("owner")
def review_rule(request: HttpRequest, project: Project) -> HttpResponse:
    """Who reviews: owners, or annotators, too."""
    annotators = request.POST.get("reviewers") == "annotators"
    set_rule(project, annotators=annotators)
    who = "Owners and annotators review." if annotators else "Owners review."
    messages.success(request, who)
    return redirect("projects:settings", project.pk)


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
    again = project.runs.filter(pk=whole_number(request.GET.get("again", "")) or 0).first()
    context = {"image": image, "editor_config": config, "again": again}
    return render(request, "labeling/editor.html", context)
