"""One photo of a request: its pictures, and the way into a project."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST
from PIL import Image as Picture

from detection.drawing import draw_detections
from detection.images import ImageRefused, encode_jpeg, make_preview, open_upright
from detection.types import Detection
from webapp.inference.correcting import (
    LEAVE_OUT,
    MAKE,
    answer_labels,
    match_labels,
    take_photo,
    wanted_detections,
)
from webapp.inference.detectors import detector_title
from webapp.inference.models import DetectionPhoto, DetectionRequest
from webapp.inference.results import address
from webapp.inference.thresholds import thresholds_asked
from webapp.inference.views.access import get_photo, get_request
from webapp.leases import Status
from webapp.projects.access import get_project
from webapp.projects.models import Project, Role
from webapp.streaming import stored_file
from webapp.training.labels_shown import shown_labels

THUMBNAIL_SIDE = 320


@require_GET
def preview(
    request: HttpRequest, request_id: int, photo_id: int, project_id: int | None = None
) -> HttpResponseBase:
    photo = get_photo(get_request(request, project_id, request_id), photo_id)
    return stored_file(request, photo.preview_path, "image/jpeg", etag=f"{photo.pk}-preview")


@require_GET
def thumbnail(
    request: HttpRequest, request_id: int, photo_id: int, project_id: int | None = None
) -> HttpResponseBase:
    """Made of the preview when asked for; the browser keeps it."""
    photo = get_photo(get_request(request, project_id, request_id), photo_id)
    picture = _picture(photo.preview_path, THUMBNAIL_SIDE)
    return _jpeg(
        encode_jpeg(make_preview(picture, THUMBNAIL_SIDE), 80),
        "private, max-age=31536000, immutable",
    )


@require_GET
def drawn(
    request: HttpRequest, request_id: int, photo_id: int, project_id: int | None = None
) -> HttpResponseBase:
    """The photo with its boxes and names drawn in, as a download.

    Each label from its own threshold on, or all from ?threshold=.
    """
    row = get_request(request, project_id, request_id)
    photo = get_photo(row, photo_id)
    if not photo.done or photo.error:
        raise Http404("There is no picture of this photo.")
    thresholds = thresholds_asked(request.GET.get("threshold", ""), row)
    found = wanted_detections(photo, thresholds, _hidden(request.GET.get("hidden", "")))
    shown = shown_labels(row.model.labels, row.project) if row.model else {}
    boxes = [
        Detection(
            label=shown[one.label].shown if one.label in shown else one.label,
            class_id=one.class_id,
            score=one.score,
            xmin=one.xmin,
            ymin=one.ymin,
            xmax=one.xmax,
            ymax=one.ymax,
        )
        for one in found
    ]
    picture = draw_detections(_picture(photo.original_path), boxes)
    response = _jpeg(encode_jpeg(picture, 92), "private, no-cache")
    response["Content-Disposition"] = f'attachment; filename="boxloop-{row.pk}-{photo.pk}.jpg"'
    return response


def _picture(path: str, min_side: int | None = None) -> Picture.Image:
    try:
        with default_storage.open(path, "rb") as file:
            return open_upright(file.read(), min_side=min_side)
    except (FileNotFoundError, ImageRefused) as error:
        raise Http404("There is no picture of this photo.") from error


def _jpeg(data: bytes, keep: str) -> HttpResponse:
    response = HttpResponse(data, content_type="image/jpeg")
    response["Cache-Control"] = keep
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _hidden(text: str) -> list[int]:
    """Class ids of the labels that are switched off: "3,17"."""
    return [
        int(part)
        for part in text.split(",")
        if part.isascii() and part.isdecimal() and len(part) < 10
    ]


@require_POST
def correct(
    request: HttpRequest, request_id: int, photo_id: int, project_id: int | None = None
) -> HttpResponse:
    """Take the photo into the project and open the editor; with `all_right`, as it is and done."""
    row = get_request(request, project_id, request_id, Role.ANNOTATOR)
    project = row.project or _chosen_project(request)
    photo = get_photo(row, photo_id)
    if not photo.done or photo.error:
        raise Http404("This photo could not be read, so there is nothing to correct.")
    thresholds = thresholds_asked(request.POST.get("threshold", ""), row)
    found = wanted_detections(photo, thresholds, _hidden(request.POST.get("hidden", "")))
    matched = match_labels(project, photo, found)
    answers = {
        unknown.class_id: request.POST.get(f"label-{unknown.class_id}", "")
        for unknown in matched.unknown
    }
    try:
        unanswered = answer_labels(project, matched, answers)
    except ValidationError as error:
        return _ask(request, row, photo, project, matched.unknown, " ".join(error.messages))
    if unanswered:
        return _ask(request, row, photo, project, unanswered)
    all_right = request.POST.get("all_right") == "1"
    try:
        image = take_photo(photo, project, request.user, found, matched.labels, all_right=all_right)
    except ImageRefused as error:
        messages.error(request, f"{photo.name}: {error}")
        return redirect(address("request", row))
    if all_right:
        boxes = f"{len(found)} box{'' if len(found) == 1 else 'es'}"
        words = f"{photo.name} is in {project} with {boxes}, done."
        messages.success(request, words)
        return redirect(f"{address('request', row)}?photo={photo.pk}")
    editor = reverse("labeling:editor", args=[project.pk, image.pk])
    own = row.model if row.model and row.model.project_id == project.pk else None
    again = own.run if own else project.runs.filter(status=Status.FINISHED).first()
    return redirect(f"{editor}?again={again.pk}" if again else editor)


def _chosen_project(request: HttpRequest) -> Project:
    text = request.POST.get("project", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise Http404("Say which project the photo is to go to.")
    return get_project(request, int(text), Role.ANNOTATOR)


def _ask(
    request: HttpRequest,
    row: DetectionRequest,
    photo: DetectionPhoto,
    project: Project,
    unknown: list,
    refusal: str = "",
) -> HttpResponse:
    """Which of the project's labels is meant? Nothing is made without an answer."""
    context = {
        "room": "detect",
        "row": row,
        "photo": photo,
        "target": project,
        "title": detector_title(row.model, row.base),
        "unknown": unknown,
        "refusal": refusal,
        "labels": project.active_labels(),
        "leave_out": LEAVE_OUT,
        "make": MAKE,
        "kept": [
            (name, value)
            for name, value in request.POST.items()
            if name in {"threshold", "hidden", "all_right", "project"} or _answered(name, unknown)
        ],
        "back": address("request", row),
        "action": address("correct", row, photo.pk),
        "thumbnail": address("thumbnail", row, photo.pk),
    }
    return render(request, "inference/which_labels.html", context, status=422 if refusal else 200)


def _answered(name: str, unknown: list) -> bool:
    """An answer given before, which the next form carries on."""
    open_names = {f"label-{one.class_id}" for one in unknown}
    return name.startswith("label-") and name not in open_names
