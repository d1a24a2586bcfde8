"""Detection requests as a worker leaves them."""

from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse

from tests.web_fixtures import jpeg_bytes
from webapp.inference.models import Detection, DetectionPhoto, DetectionRequest
from webapp.leases import Status

BASE = "ssdlite_mobilenet_v2_coco"
# (class id, label, score, xmin, ymin, xmax, ymax)
FOUND = [
    (1, "cat", 0.98, 5, 5, 30, 30),
    (2, "dog", 0.5, 30, 10, 60, 40),
    (2, "dog", 0.2, 1, 1, 9, 9),
]


def make_request(
    user: Any, project: Any = None, model: Any = None, status: str = Status.FINISHED
) -> DetectionRequest:
    return DetectionRequest.objects.create(
        project=project,
        created_by=user,
        model=model,
        base="" if model else BASE,
        score_threshold=0.46,
        status=status,
    )


def add_photo(
    request: DetectionRequest, name: str = "tom.jpg", found: Any = FOUND, **fields: Any
) -> DetectionPhoto:
    """A photo of 64 x 48 pixels that a worker is done with."""
    photo = DetectionPhoto.objects.create(
        request=request,
        name=name,
        sha256="s",
        **{"done": True, "width": 64, "height": 48, **fields},
    )
    picture = jpeg_bytes(comment=name.encode())
    default_storage.save(photo.original_path, ContentFile(picture))
    if photo.done and not photo.error:
        default_storage.save(photo.preview_path, ContentFile(picture))
        for class_id, label, score, xmin, ymin, xmax, ymax in found:
            Detection.objects.create(
                photo=photo, class_id=class_id, label=label, score=score,
                xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax,
            )  # fmt: skip
    return photo


def at(name: str, request: DetectionRequest, *args: Any) -> str:
    if request.project_id:
        return reverse(f"inference:{name}", args=[request.project_id, request.pk, *args])
    return reverse(f"inference:try_{name}", args=[request.pk, *args])
