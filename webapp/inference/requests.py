"""Make a detection request of a user's photos, add to it, queue it, repeat it."""

import hashlib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.template.defaultfilters import filesizeformat

from webapp.inference.detectors import Detector
from webapp.inference.models import DetectionPhoto, DetectionRequest
from webapp.leases import Status
from webapp.projects.models import Project
from workers import tasks
from workers.wake import wake

MAX_PHOTOS = 500
MAX_PHOTO_BYTES = 64 * 1024**2
MAX_NAME = 1024


class TooManyPhotos(Exception):
    """The request would hold more photos than one may; the text says how many."""


def make_request(user: Any, project: Project | None, detector: Detector) -> DetectionRequest:
    """A request without photos yet; nothing takes it up before `submit`."""
    return DetectionRequest.objects.create(
        project=project,
        created_by=user,
        model=detector.model,
        base=detector.base,
        score_threshold=detector.model.score_threshold if detector.model else 0.5,
        status=Status.DRAFT,
    )


def add_photos(request: DetectionRequest, files: Iterable[UploadedFile]) -> None:
    """Store each photo and make its row. What cannot be taken gets a row that says why.

    Raises TooManyPhotos, and then nothing was added.
    """
    files = list(files)
    if request.photos.count() + len(files) > MAX_PHOTOS:
        raise TooManyPhotos(
            f"A request holds at most {MAX_PHOTOS} photos. Send the others as another one."
        )
    for file in files:
        _add_photo(request, file)


def _add_photo(request: DetectionRequest, file: UploadedFile) -> DetectionPhoto:
    name = PurePosixPath((file.name or "photo").replace("\\", "/")).name[-MAX_NAME:]
    photo = DetectionPhoto(request=request, name=name, bytes=file.size or 0)
    if not file.size:
        photo.done, photo.error = True, "The file is empty."
    elif file.size > MAX_PHOTO_BYTES:
        photo.done = True
        photo.error = (
            f"The file has {filesizeformat(file.size)}; a photo may have "
            f"{filesizeformat(MAX_PHOTO_BYTES)}. Save it smaller and add it again."
        )
    else:
        photo.sha256 = _sha256(file)
    # The row is seen by a worker only with its file: both are there when this commits.
    with transaction.atomic():
        photo.save()
        if not photo.done:
            default_storage.save(photo.original_path, file)
    return photo


def _sha256(file: UploadedFile) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def submit(request: DetectionRequest) -> bool:
    """Queue the request where photos wait and no worker has it. Harmless when repeated."""
    if not request.photos.filter(done=False).exists():
        # Nothing to detect on: every photo was refused at the door.
        return bool(
            DetectionRequest.objects.filter(pk=request.pk, status=Status.DRAFT).update(
                status=Status.FINISHED, seconds=0
            )
        )
    ended = [Status.DRAFT, Status.FINISHED, Status.FAILED, Status.CANCELLED]
    with transaction.atomic():
        queued = DetectionRequest.objects.filter(pk=request.pk, status__in=ended).update(
            status=Status.QUEUED,
            attempt=0,
            reason="",
            cancel_requested=False,
            finished_at=None,
            sent_at=None,
        )
        if queued:
            request.refresh_from_db()
            wake(tasks.detect, request)
    return bool(queued)


def repeat(request: DetectionRequest, user: Any, detector: Detector) -> DetectionRequest:
    """The same photos with another detector, as a request of its own."""
    again = make_request(user, request.project, detector)
    for photo in request.photos.exclude(sha256=""):
        with transaction.atomic(), default_storage.open(photo.original_path, "rb") as stream:
            copy = DetectionPhoto.objects.create(
                request=again,
                name=photo.name,
                bytes=photo.bytes,
                sha256=photo.sha256,
                image=photo.image,
            )
            default_storage.save(copy.original_path, File(stream, name=copy.original_path))
    submit(again)
    return again
