"""How far a worker is with a change of many images, and stopping it."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRefresh

from webapp.datasets.job_models import DatasetWork
from webapp.datasets.works import active_work, queue_work
from webapp.leases import Status
from webapp.projects.access import project_view
from webapp.projects.models import Project
from workers import tasks
from workers.wake import wake

# How long its outcome stays on the pages.
TOLD_FOR = timedelta(minutes=10)


def start_work(
    request: HttpRequest, project: Project, kind: str, arguments: dict[str, Any], words: str
) -> HttpResponse:
    """Have a worker do it, and show how far it is."""
    row = queue_work(project, request.user, kind, arguments, words)
    if row is None:
        messages.warning(request, "Another change is being made. Wait for it, or stop it.")
    else:
        wake(tasks.change_dataset, row)
    return redirect("datasets:splits" if kind == "deal" else "datasets:health", project.pk)


def latest_work(project: Project) -> DatasetWork | None:
    """The change that is being made, or the newest where it failed or ended just now."""
    row = project.works.first()
    if row is None or row.is_active or row.status == Status.FAILED:
        return row
    just_now = row.finished_at and timezone.now() - row.finished_at < TOLD_FOR
    return row if row.status == Status.FINISHED and just_now else None


@require_GET
@project_view()
def work(request: HttpRequest, project: Project) -> HttpResponse:
    """The card on the page, once a second; when the work is over, the page is loaded again."""
    row = active_work(project)
    if row is not None:
        return render(request, "datasets/_work.html", {"project": project, "work": row})
    if not request.htmx:
        return redirect(reverse("datasets:health", args=[project.pk]))
    return HttpResponseClientRefresh()


@require_POST
@project_view("annotator")
def work_cancel(request: HttpRequest, project: Project) -> HttpResponse:
    row = active_work(project)
    if row is not None:
        row.request_cancel()
    return redirect("datasets:health", project.pk)
