"""A request's results: for its page, and as the JSON that the command line prints too."""

from collections import defaultdict
from typing import Any

from django.db.models import Sum
from django.urls import reverse

from webapp.inference.detectors import detector_title
from webapp.inference.models import Detection, DetectionPhoto, DetectionRequest
from webapp.inference.thresholds import Thresholds, own_thresholds
from webapp.leases import Status
from webapp.training.labels_shown import ShownLabel, palette_index, shown_labels

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def address(name: str, request: DetectionRequest, *args: Any) -> str:
    """The URL of a request's thing; a request without a project has addresses of its own."""
    if request.project_id is None:
        name = {"request": "try_request"}.get(name, f"try_{name}")
        return reverse(f"inference:{name}", args=[request.pk, *args])
    return reverse(f"inference:{name}", args=[request.project_id, request.pk, *args])


def request_state(request: DetectionRequest, after: int = 0) -> dict[str, Any]:
    """How far the request is, and its photos from id `after` on (the page has those before)."""
    photos = list(request.photos.filter(pk__gt=after))
    found = _detections([photo.pk for photo in photos if photo.done])
    undone = request.photos.filter(done=False).count()
    ahead = 0
    if request.status == Status.QUEUED:
        ahead = DetectionRequest.objects.filter(
            status__in=[Status.QUEUED, Status.RUNNING], pk__lt=request.pk
        ).count()
    return {
        "status": request.status,
        "ended": not request.is_active,
        "undone": undone,
        "total": request.photos.count(),
        "ahead": ahead,
        "reason": request.reason,
        "seconds": request.photos.aggregate(sum=Sum("seconds"))["sum"],
        "threshold": request.score_threshold,
        "own_thresholds": own_thresholds(request).by_class,
        "detector": detector_title(request.model, request.base),
        "own_labels": request.model is not None,
        "labels": [label.as_json() for label in _labels(request, found)],
        "photos": [_photo(request, photo, found[photo.pk]) for photo in photos],
    }


def _detections(photo_ids: list[int]) -> dict[int, list[Detection]]:
    found: dict[int, list[Detection]] = defaultdict(list)
    for start in range(0, len(photo_ids), 500):
        for row in Detection.objects.filter(photo_id__in=photo_ids[start : start + 500]):
            found[row.photo_id].append(row)
    return found


def _labels(request: DetectionRequest, found: dict[int, list[Detection]]) -> list[ShownLabel]:
    """All labels of a trained model; of a base with many, those that were found."""
    if request.model:
        return list(shown_labels(request.model.labels, request.project).values())
    names = {row.class_id: row.label for rows in found.values() for row in rows}
    return [
        ShownLabel(class_id, name, name, palette_index(class_id))
        for class_id, name in sorted(names.items())
    ]


def _photo(
    request: DetectionRequest, photo: DetectionPhoto, found: list[Detection]
) -> dict[str, Any]:
    shown = photo.done and not photo.error
    image = photo.image if photo.image and photo.image.trashed_at is None else None
    return {
        "id": photo.pk,
        "name": photo.name,
        "done": photo.done,
        "error": photo.error,
        "width": photo.width,
        "height": photo.height,
        "preview": address("preview", request, photo.pk) if shown else "",
        "thumbnail": address("thumbnail", request, photo.pk) if shown else "",
        "drawn": address("drawn", request, photo.pk) if shown else "",
        "correct": address("correct", request, photo.pk) if shown else "",
        "image_url": reverse("labeling:editor", args=[image.project_id, image.pk]) if image else "",
        "detections": [
            [row.class_id, round(row.score, 4), *(round(getattr(row, side), 1) for side in CORNERS)]
            for row in found
        ],
    }


def detections_json(request: DetectionRequest, thresholds: Thresholds) -> list[dict[str, Any]]:
    """What was found from the thresholds on, in the form of `boxloop detect --json`.

    A photo that could not be opened has an `error` instead of a size.
    """
    photos = list(request.photos.filter(done=True))
    found = _detections([photo.pk for photo in photos])
    listed = []
    for photo in photos:
        entry: dict[str, Any] = {"image": photo.name, "width": photo.width, "height": photo.height}
        if photo.error:
            entry["error"] = photo.error
        entry["detections"] = [
            {
                "label": row.label,
                "score": row.score,
                **{side: getattr(row, side) for side in CORNERS},
            }
            for row in found[photo.pk]
            if thresholds.shows(row)
        ]
        listed.append(entry)
    return listed
