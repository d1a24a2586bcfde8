"""Take a photo into a project: checked, upright preview and thumbnail made, stored once."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from detection.images import encode_jpeg, make_preview, open_with_facts, sha256_of
from webapp.datasets.models import Image, ImageImport
from webapp.projects.models import Project

PREVIEW_SIDE = 2048
THUMBNAIL_SIDE = 480
MAX_NAME = 1024


@dataclass(frozen=True)
class PreparedImage:
    """A photo that was decoded and found good. Making one touches neither database nor storage."""

    data: bytes
    num_bytes: int
    sha256: str
    format: str
    width: int
    height: int
    orientation: int
    preview: bytes
    thumbnail: bytes


def prepare_image(data: bytes) -> PreparedImage:
    """Decode `data` within the limits. Raises detection.images.ImageRefused."""
    facts, picture = open_with_facts(data, settings.MAX_PIXELS, min_side=PREVIEW_SIDE)
    preview = make_preview(picture, PREVIEW_SIDE)
    return PreparedImage(
        data=data,
        num_bytes=len(data),
        sha256=sha256_of(data),
        format=facts.format,
        width=facts.width,
        height=facts.height,
        orientation=facts.orientation,
        preview=encode_jpeg(preview, 85),
        thumbnail=encode_jpeg(make_preview(preview, THUMBNAIL_SIDE), 80),
    )


def save_files(project: Project, prepared: PreparedImage) -> None:
    """Store original, preview and thumbnail. Before the row: what is shown is there.

    Touches no database, and the same photo again writes the same bytes to the same place.
    """
    image = Image(project=project, sha256=prepared.sha256)
    default_storage.save(image.original_path, ContentFile(prepared.data))
    default_storage.save(image.preview_path, ContentFile(prepared.preview))
    default_storage.save(image.thumbnail_path, ContentFile(prepared.thumbnail))


def save_row(
    project: Project,
    name: str,
    prepared: PreparedImage,
    user: Any,
    *,
    image_import: ImageImport | None = None,
    split: str = "",
) -> tuple[Image, bool]:
    """The photo's row, after `save_files`; (image, whether it is new).

    The same bytes are one image of a project. A photo that lies in the trash comes back.
    """
    image, new = Image.objects.get_or_create(
        project=project,
        sha256=prepared.sha256,
        defaults={
            "name": name[-MAX_NAME:] or "photo",
            "format": prepared.format,
            "bytes": prepared.num_bytes,
            "width": prepared.width,
            "height": prepared.height,
            "image_import": image_import,
            "split": split,
            "created_by": user,
        },
    )
    if image.trashed_at is not None:
        image.trashed_at = None
        image.save(update_fields=["trashed_at"])
    return image, new


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
    prepared = prepare_image(data)
    save_files(project, prepared)
    return save_row(project, name, prepared, user, image_import=image_import, split=split)
