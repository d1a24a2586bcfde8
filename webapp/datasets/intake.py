"""Take photos into a project: checked, upright preview and thumbnail made, stored once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from detection.decoder import DecodedPicture, Size, decode_picture
from detection.images import sha256_of
from webapp.datasets.models import Image, ImageImport
from webapp.file_batch import FileBatch
from webapp.projects.models import Project

PREVIEW = Size(2048, quality=85)
THUMBNAIL = Size(480, quality=80, min_side=320)
SIZES = (PREVIEW, THUMBNAIL)
MAX_NAME = 1024


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """A photo whose files are stored; what its row will say. Sizes are upright."""

    name: str
    split: str
    sha256: str
    num_bytes: int
    format: str
    width: int
    height: int
    orientation: int


def save_photo(
    project: Project, name: str, split: str, data: bytes, decoded: DecodedPicture, batch: FileBatch
) -> StoredPhoto:
    """Store original, preview and thumbnail; durable once `batch` has settled. No database.

    The same photo again writes the same bytes to the same place.
    """
    sha256 = sha256_of(data)
    image = Image(project=project, sha256=sha256)
    preview, thumbnail = decoded.pictures
    batch.save(image.original_path, data)
    if preview is data:
        batch.save_same(image.preview_path, image.original_path, data)
    else:
        batch.save(image.preview_path, preview)
    batch.save(image.thumbnail_path, thumbnail)
    return StoredPhoto(
        name, split, sha256, len(data),
        decoded.format, decoded.width, decoded.height, decoded.orientation,
    )  # fmt: skip


def save_rows(
    project: Project,
    photos: Sequence[StoredPhoto],
    user: Any,
    image_import: ImageImport | None = None,
) -> list[tuple[Image, bool]]:
    """The photos' rows, after their files have settled: (image, whether it is new) for each.

    The same bytes are one image of a project, also within `photos`. A photo that lies in the
    trash comes back. Call it inside a transaction.
    """
    hashes = {photo.sha256 for photo in photos}
    known = Image.objects.filter(project=project, sha256__in=hashes)
    before = set(known.values_list("sha256", flat=True))
    fresh = {photo.sha256: photo for photo in reversed(photos) if photo.sha256 not in before}
    Image.objects.bulk_create(
        [
            Image(
                project=project,
                sha256=photo.sha256,
                name=photo.name[-MAX_NAME:] or "photo",
                format=photo.format,
                bytes=photo.num_bytes,
                width=photo.width,
                height=photo.height,
                image_import=image_import,
                split=photo.split,
                created_by=user,
            )
            for photo in photos
            if fresh.get(photo.sha256) is photo
        ],
        # Another import may store the same photo in this moment.
        ignore_conflicts=True,
    )
    known.filter(trashed_at__isnull=False).update(trashed_at=None)
    images = {image.sha256: image for image in known}
    own = image_import.pk if image_import is not None else None
    return [
        (
            images[photo.sha256],
            fresh.get(photo.sha256) is photo and images[photo.sha256].image_import_id == own,
        )
        for photo in photos
    ]


def take_image(
    project: Project,
    name: str,
    data: bytes,
    user: Any,
    *,
    image_import: ImageImport | None = None,
    split: str = "",
) -> tuple[Image, bool]:
    """Check, store and register a photo in one go. Raises detection.images.ImageRefused."""
    decoded = decode_picture(data, SIZES, settings.MAX_PIXELS)
    with FileBatch() as batch:
        photo = save_photo(project, name, split, data, decoded, batch)
        batch.settle()
    return save_rows(project, [photo], user, image_import)[0]
