"""The detect page, new requests, more photos, progress, and results as JSON."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.inference.detectors import detector_named, detector_title, detectors_of
from webapp.inference.models import DetectionRequest
from webapp.inference.requests import (
    MAX_PHOTO_BYTES,
    MAX_PHOTOS,
    TooManyPhotos,
    add_photos,
    make_request,
    repeat,
    submit,
)
from webapp.inference.results import address, detections_json, request_state
from webapp.inference.thresholds import thresholds_asked
from webapp.inference.views.access import get_request, project_of
from webapp.leases import Status
from webapp.projects.models import Project

RECENT = 12


@require_http_methods(["GET", "POST"])
@ensure_csrf_cookie
def detect(request: HttpRequest, project_id: int | None = None) -> HttpResponse:
    """The page to drop photos on; a POST of photos makes a request."""
    project = project_of(request, project_id)
    if request.method == "POST":
        return _create(request, project)
    return _page(request, project, None)


def _page(
    request: HttpRequest, project: Project | None, row: DetectionRequest | None
) -> HttpResponse:
    detectors = detectors_of(project)
    chosen = detector_named(project, request.GET.get("detector", "")) or (detectors or [None])[0]
    mine: dict[str, Any] = (
        {"project": project} if project else {"project": None, "created_by": request.user}
    )
    recent = DetectionRequest.objects.filter(**mine).exclude(status=Status.DRAFT)
    memberships = request.user.memberships.exclude(role="viewer").select_related("project")  # type: ignore[union-attr]
    context: dict[str, Any] = {
        "room": "detect",
        "detectors": detectors,
        "chosen": chosen,
        "row": row,
        "recent": [
            {
                "row": one,
                "url": address("request", one),
                "detector": detector_title(one.model, one.base),
                "photos": one.photos.count(),
                "first": one.photos.filter(done=True, error="").first(),
            }
            for one in recent.select_related("model", "project")[:RECENT]
        ],
        "own_projects": [membership.project for membership in memberships] if not project else [],
        "keep_days": settings.KEEP_DETECTIONS_DAYS,
        "page_facts": {"max_photos": MAX_PHOTOS, "max_bytes": MAX_PHOTO_BYTES},
    }
    for item in context["recent"]:
        if item["first"]:
            item["thumbnail"] = address("thumbnail", item["row"], item["first"].pk)
    if row is not None:
        context |= {
            "title": detector_title(row.model, row.base),
            "state": request_state(row),
            "urls": {
                name: address(name, row)
                for name in ("progress", "photos", "json", "again", "request")
            },
        }
    return render(request, "inference/detect.html", context)


def _create(request: HttpRequest, project: Project | None) -> HttpResponse:
    detector = detector_named(project, request.POST.get("detector", ""))
    if detector is None:
        return _refuse(request, "That detector is not there any more. Choose another.")
    files = request.FILES.getlist("photos")
    if not files:
        return _refuse(request, "No photo came with it. Choose at least one.")
    row = make_request(request.user, project, detector)
    try:
        add_photos(row, files)
    except TooManyPhotos as error:
        row.delete()
        return _refuse(request, str(error))
    submit(row)
    return _answer(request, row, 201)


def _answer(request: HttpRequest, row: DetectionRequest, status: int = 200) -> HttpResponse:
    """JSON for the page's script, a redirect for a plain form."""
    if "application/json" in request.headers.get("Accept", ""):
        facts = {"id": row.pk, "url": address("request", row), "photos_url": address("photos", row)}
        return JsonResponse(facts, status=status)
    return redirect(address("request", row))


def _refuse(request: HttpRequest, words: str) -> HttpResponse:
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"message": words}, status=422)
    messages.error(request, words)
    return redirect(request.path)


@require_GET
@ensure_csrf_cookie
def show(request: HttpRequest, request_id: int, project_id: int | None = None) -> HttpResponse:
    row = get_request(request, project_id, request_id)
    return _page(request, row.project, row)


@require_POST
def photos(request: HttpRequest, request_id: int, project_id: int | None = None) -> HttpResponse:
    """Add photos; without any, take up again what waits."""
    row = get_request(request, project_id, request_id)
    try:
        add_photos(row, request.FILES.getlist("photos"))
    except TooManyPhotos as error:
        return JsonResponse({"message": str(error)}, status=422)
    submit(row)
    return _answer(request, row)


@require_POST
def again(request: HttpRequest, request_id: int, project_id: int | None = None) -> HttpResponse:
    """The same photos with another detector."""
    row = get_request(request, project_id, request_id)
    detector = detector_named(row.project, request.POST.get("detector", ""))
    if detector is None:
        raise Http404("That detector is not there any more.")
    return redirect(address("request", repeat(row, request.user, detector)))


@require_GET
def progress(request: HttpRequest, request_id: int, project_id: int | None = None) -> HttpResponse:
    """How far it is, and the photos after ?after= (the last id of those that the page has done)."""
    row = get_request(request, project_id, request_id)
    text = request.GET.get("after", "0")
    after = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
    return JsonResponse(request_state(row, after), headers={"Cache-Control": "no-store"})


@require_GET
def as_json(request: HttpRequest, request_id: int, project_id: int | None = None) -> HttpResponse:
    """All photos' detections, as a download: by each label's own threshold, or ?threshold=."""
    row = get_request(request, project_id, request_id)
    thresholds = thresholds_asked(request.GET.get("threshold", ""), row)
    response = JsonResponse(
        detections_json(row, thresholds),
        safe=False,
        json_dumps_params={"indent": 1, "ensure_ascii": False},
    )
    response["Content-Disposition"] = f'attachment; filename="boxloop-detections-{row.pk}.json"'
    return response
