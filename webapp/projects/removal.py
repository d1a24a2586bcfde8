"""What is deleted for good: rows first, then their files in the storage."""

from collections.abc import Iterable

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q

from webapp.datasets.models import Image, ImageImport
from webapp.inference.models import DetectionRequest
from webapp.leases import Status
from webapp.projects.models import Project
from webapp.storage import delete_folder
from webapp.training.models import TrainingRun

CHUNK = 500
# A removal interrupted between its two steps leaves files that no row names: they cost space
# and do no harm. The other order would leave rows without their files.


class StillWorking(Exception):
    """Something of the project is being worked on; the text says what, and the way out."""


def delete_images(project: Project, image_ids: Iterable[int]) -> int:
    """Delete these images of the project's trash, with boxes and files; how many there were."""
    wanted, deleted = list(image_ids), 0
    for start in range(0, len(wanted), CHUNK):
        deleted += _delete_chunk(project, wanted[start : start + CHUNK])
    return deleted


def _delete_chunk(project: Project, image_ids: list[int]) -> int:
    with transaction.atomic():
        images = list(project.images.filter(pk__in=image_ids).exclude(trashed_at=None))
        paths = [
            path
            for image in images
            for path in (image.original_path, image.preview_path, image.thumbnail_path)
        ]
        Image.objects.filter(pk__in=[image.pk for image in images]).delete()
        transaction.on_commit(lambda: _delete_files(paths))
    return len(images)


def _delete_files(paths: list[str]) -> None:
    for path in paths:
        default_storage.delete(path)


def delete_project(project: Project) -> None:
    """Delete the project with all that it owns. Raises StillWorking, changing nothing."""
    with transaction.atomic():
        _refuse_while_working(project)
        requests = DetectionRequest.objects.filter(Q(project=project) | Q(model__project=project))
        prefixes = [f"projects/{project.pk}", *(request.prefix for request in requests)]
        # In the order of what protects what: models hold runs, runs revisions, boxes labels.
        requests.delete()
        project.models.all().delete()
        project.runs.all().delete()
        project.revisions.all().delete()
        project.images.all().delete()
        project.delete()
        transaction.on_commit(lambda: _delete_folders(prefixes))


def _delete_folders(prefixes: list[str]) -> None:
    for prefix in prefixes:
        delete_folder(prefix)


def _refuse_while_working(project: Project) -> None:
    run = TrainingRun.objects.filter(project=project, status=Status.RUNNING).first()
    if run is not None:
        raise StillWorking(
            f"{run} is training now. Cancel it on its page, then delete the project."
        )
    image_import = ImageImport.objects.filter(project=project, status=Status.RUNNING).first()
    if image_import is not None:
        raise StillWorking(
            f"The import of {image_import} is running now. Wait for it or cancel it, "
            "then delete the project."
        )
    if DetectionRequest.objects.filter(project=project, status=Status.RUNNING).exists():
        raise StillWorking(
            "Detection is running now. Wait until it is done, then delete the project."
        )
