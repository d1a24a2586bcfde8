"""Uploads and the imports that they become: history, report, and what the upload card talks to."""

from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Count, Max, Q, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from webapp.datasets import resumable, uploads
from webapp.datasets.forms import ImportForm
from webapp.datasets.models import ImageImport, ImportProblem
from webapp.datasets.places import roots
from webapp.leases import Status
from webapp.projects.access import project_view
from webapp.projects.models import Project
from workers import tasks
from workers.wake import wake

PROBLEMS_ON_CARD = 20
PROBLEMS_ON_PAGE = 100
IMPORTS_ON_PAGE = 50


def upload_config(request: HttpRequest, project: Project) -> dict[str, Any]:
    """What static/js/import_upload.js needs: addresses, limits, the import that runs."""
    running = (
        project.imports.filter(created_by=request.user, status__in=[Status.QUEUED, Status.RUNNING])
        .values_list("pk", flat=True)
        .first()
    )
    return {
        "create": reverse("datasets:import_create", args=[project.pk]),
        "file": _address("datasets:import_file", project),
        "resumable": _address("datasets:resumable_create", project),
        "start": _address("datasets:import_start", project),
        "cancel": _address("datasets:import_cancel", project),
        "progress": _address("datasets:import_progress", project),
        "history": reverse("datasets:imports", args=[project.pk]),
        "max_bytes": settings.MAX_UPLOAD_BYTES,
        "max_files": settings.MAX_ENTRIES,
        "can_upload": request.membership.allows("annotator"),
        "server_import": reverse("datasets:server_import", args=[project.pk])
        if roots() and request.membership.allows("owner")
        else None,
        "running": running,
        "broken_off": uploads.broken_off(project, request.user),
    }


def _address(name: str, project: Project) -> str:
    return reverse(name, args=[project.pk, 0]).replace("/0/", "/{id}/")


@require_GET
@ensure_csrf_cookie
@project_view()
def imports(request: HttpRequest, project: Project) -> HttpResponse:
    rows = (
        project.imports.select_related("created_by")
        .annotate(
            num_files=Count("files", filter=Q(files__bytes__gt=0), distinct=True),
            last_file=Max("files__received_at"),
            num_problems=Count("problems", distinct=True),
        )
        .order_by("-created_at")
    )
    page = Paginator(rows, IMPORTS_ON_PAGE).get_page(request.GET.get("page"))
    for row in page:
        row.stalled = is_stalled(row, row.last_file)
    context = {
        "room": "images",
        "page": page,
        "upload_config": upload_config(request, project),
        "any_active": any(row.is_active and not row.stalled for row in page),
    }
    partial = request.htmx and not request.htmx.boosted
    template = "datasets/_imports.html" if partial else "datasets/imports.html"
    return render(request, template, context)


def is_stalled(row: ImageImport, last_file: Any) -> bool:
    """A draft whose browser has gone away."""
    return (
        row.status == Status.DRAFT
        and not row.needs_answer
        and timezone.now() - (last_file or row.created_at) > uploads.STALLED
    )


@require_GET
@ensure_csrf_cookie
@project_view()
def import_report(request: HttpRequest, project: Project, import_id: int) -> HttpResponse:
    row = get_object_or_404(project.imports.select_related("created_by"), pk=import_id)
    counts = dict(
        row.problems.order_by()
        .values_list("severity")
        .annotate(count=Count("pk"))
        .values_list("severity", "count")
    )
    groups = [
        {"severity": severity, "word": word, "count": counts.get(severity, 0)}
        for severity, word in (("refused", "Left out"), ("mended", "Mended"), ("note", "Notes"))
    ]
    shown = request.GET.get("show", "")
    if not counts.get(shown):
        shown = next((str(group["severity"]) for group in groups if group["count"]), "")
    problems = row.problems.filter(severity=shown)
    row.stalled = is_stalled(row, row.files.aggregate(last=Max("received_at"))["last"])
    files = row.files.filter(bytes__gt=0).aggregate(count=Count("pk"), bytes=Sum("bytes"))
    context = {
        "room": "images",
        "row": row,
        "groups": groups,
        "shown": shown,
        "problems": Paginator(problems, PROBLEMS_ON_PAGE).get_page(request.GET.get("page")),
        "num_problems": sum(counts.values()),
        "files": files,
        "stalled": row.stalled,
        "seconds": seconds_taken(row),
        "upload_config": upload_config(request, project),
    }
    partial = request.htmx and not request.htmx.boosted
    template = "datasets/_report.html" if partial else "datasets/report.html"
    return render(request, template, context)


def seconds_taken(row: ImageImport) -> float | None:
    if row.started_at is None:
        return None
    return ((row.finished_at or timezone.now()) - row.started_at).total_seconds()


@require_POST
@project_view("annotator")
def import_create(request: HttpRequest, project: Project) -> JsonResponse:
    form = ImportForm(request.POST)
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        return refusal(f"{field}: {errors[0]}", 400)
    asked = form.cleaned_data
    try:
        row = uploads.open_import(
            project,
            request.user,
            name=asked["name"],
            num_files=asked["files"],
            num_bytes=asked["bytes"],
            split=asked["split"],
            fingerprint=asked["fingerprint"],
        )
    except uploads.UploadRefused as error:
        return refusal(str(error), error.status)
    return JsonResponse(
        {"id": row.pk, "name": row.name, "arrived": uploads.arrived(row)}, status=201
    )


def refusal(words: str, status: int) -> JsonResponse:
    return JsonResponse({"error": words}, status=status)


@require_POST
@project_view("annotator")
def import_file(request: HttpRequest, project: Project, import_id: int) -> JsonResponse:
    row = get_object_or_404(project.imports, pk=import_id)
    file = request.FILES.get("file")
    if file is None:
        return refusal("The request holds no file. Send it as the field “file”.", 400)
    name = request.POST.get("name") or file.name or ""
    try:
        uploads.receive_file(row, name, file)
    except uploads.UploadRefused as error:
        return refusal(str(error), error.status)
    return JsonResponse({"stored": True, "bytes": file.size}, status=201)


@require_POST
@project_view("annotator")
def import_start(request: HttpRequest, project: Project, import_id: int) -> HttpResponse:
    row = get_object_or_404(project.imports, pk=import_id)
    try:
        if row.status == Status.DRAFT:
            resumable.complete(row)
            uploads.choose_split(row, request.POST.get("split"))
        queued = uploads.submit(row)
    except uploads.UploadRefused as error:
        return refusal(str(error), error.status)
    row.refresh_from_db()
    if queued:
        wake(tasks.import_images, row)
    elif row.status == Status.CANCELLED:
        return refusal(f"{row.name}: this import was cancelled. Start a new one.", 409)
    if wants_page(request):
        return to_report(row)
    return JsonResponse(progress_of(row))


@require_POST
@project_view("annotator")
def import_cancel(request: HttpRequest, project: Project, import_id: int) -> HttpResponse:
    row = get_object_or_404(project.imports, pk=import_id)
    if row.is_active:
        uploads.cancel(row)
    if wants_page(request):
        return to_report(row)
    return JsonResponse(progress_of(row))


def wants_page(request: HttpRequest) -> bool:
    """A form was sent by a browser, not by a script."""
    return "application/json" not in request.headers.get("Accept", "")


def to_report(row: ImageImport) -> HttpResponseRedirect:
    return redirect("datasets:import_report", row.project_id, row.pk)


@require_GET
@project_view()
def import_progress(request: HttpRequest, project: Project, import_id: int) -> JsonResponse:
    return JsonResponse(progress_of(get_object_or_404(project.imports, pk=import_id)))


def progress_of(row: ImageImport) -> dict[str, Any]:
    """How far the import is, with the first problems of its report, gravest first."""
    done = not row.is_active
    problems: list[dict[str, Any]] = []
    num_problems = 0
    if done:
        gravest = row.problems.exclude(severity=ImportProblem.Severity.NOTE)
        num_problems = gravest.count()
        for problem in gravest.order_by("-severity", "pk")[:PROBLEMS_ON_CARD]:
            problems.append(
                {
                    "file": problem.file,
                    "message": problem.message,
                    "severity": problem.severity,
                    "url": reverse("labeling:editor", args=[row.project_id, problem.image_id])
                    if problem.image_id
                    else None,
                }
            )
    return {
        "id": row.pk,
        "name": row.name,
        "status": row.status,
        "active": not done,
        "cancelling": row.cancel_requested and not done,
        "review_url": reverse("datasets:import_preview", args=[row.project_id, row.pk])
        if row.needs_answer
        else None,
        "reason": row.reason,
        "format": row.format,
        "found": row.num_found,
        "done": row.num_done,
        "taken": row.num_taken,
        "known": row.num_known,
        "refused": row.num_refused,
        "boxes": row.num_boxes,
        "seconds": seconds_taken(row),
        "problems": problems,
        "num_problems": num_problems,
        "report_url": reverse("datasets:import_report", args=[row.project_id, row.pk]),
        "images_url": reverse("datasets:images", args=[row.project_id]) + f"?import={row.pk}",
    }
