"""A run's page, its progress, its log, and the way to stop it."""

from collections.abc import Iterator

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from webapp.leases import Status
from webapp.projects.access import project_view
from webapp.projects.models import Project, Role
from webapp.training.bases import base_title
from webapp.training.live import head_of, labels_of, run_state, worst_of
from webapp.training.models import TrainingRun


def run_of(project: Project, run_id: int) -> TrainingRun:
    runs = TrainingRun.objects.select_related("project", "revision", "created_by")
    return get_object_or_404(runs, project=project, pk=run_id)


@require_GET
@project_view()
def run(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    row = run_of(project, run_id)
    context = {
        "room": "train",
        **head_of(row),
        "base_title": base_title(row.base),
        "labels": labels_of(row),
        "worst": worst_of(row),
        "state": run_state(row),
    }
    return render(request, "training/run.html", context)


@require_GET
@project_view()
def progress(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """What has changed since ?epoch=, ?log= and ?worst=; see webapp.training.live.run_state."""
    state = run_state(
        run_of(project, run_id),
        after_epoch=_number(request, "epoch"),
        after_log=_number(request, "log"),
        worst=request.GET.get("worst", ""),
    )
    return JsonResponse(state, headers={"Cache-Control": "no-store"})


def _number(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


@require_GET
@project_view()
def log(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """The whole log as text, times in UTC."""
    row = run_of(project, run_id)

    def lines() -> Iterator[str]:
        for at, text in row.log_lines.values_list("at", "text").iterator():
            yield f"{at:%Y-%m-%d %H:%M:%S} {text}\n"
        if row.reason:
            yield f"{row.get_status_display()}: {row.reason}\n"

    return HttpResponse("".join(lines()), content_type="text/plain; charset=utf-8")


@require_POST
@project_view(Role.ANNOTATOR)
def cancel(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """Stop the run; the best so far is kept and exported. Harmless when it has ended."""
    run_of(project, run_id).request_cancel()
    return redirect("training:run", project.pk, run_id)


@require_GET
@project_view()
def job(request: HttpRequest, project: Project) -> HttpResponse:
    """The top bar's pill: the run that is under way or next, or nothing."""
    active = (
        project.runs.filter(status__in=[Status.QUEUED, Status.RUNNING]).order_by("number").first()
    )
    if not request.headers.get("HX-Request"):
        raise Http404("This is a part of a page.")
    return render(request, "training/_job_pill.html", {"active_run": active})
