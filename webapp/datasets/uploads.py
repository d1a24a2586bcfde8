"""Receiving an import's files: what is acknowledged is in the storage."""

import unicodedata
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.template.defaultfilters import pluralize
from django.utils import timezone

from webapp.datasets.models import ImageImport, ImportFile, Split
from webapp.disk import DiskFull, check_room, free_bytes
from webapp.leases import Status
from webapp.projects.models import Project
from webapp.storage import delete_folder
from webapp.templatetags.boxloop import size

MAX_NAME = 1024
# A browser that uploads sends something every few seconds; one that is gone is gone.
STALLED = timedelta(minutes=2)
ABANDONED = timedelta(days=1)
# What was found waits for its user over a holiday.
UNANSWERED = timedelta(days=14)


class UploadRefused(Exception):
    """Nothing was stored; the sentence says why and what to do. `status` is the HTTP status."""

    def __init__(self, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.status = status


def clean_file_name(name: str) -> str:
    """A relative name as text: forward slashes, no empty parts, nothing that cannot be shown.

    It is only ever shown and compared, never opened. Raises UploadRefused where nothing is left
    or it is too long.
    """
    shown = "".join(
        c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c) not in {"Cc", "Cs"}
    )
    parts = [part for part in shown.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    cleaned = "/".join(parts)
    if not cleaned:
        raise UploadRefused("The file has no name. Give it one and send it again.")
    if len(cleaned) > MAX_NAME:
        raise UploadRefused(
            f"{cleaned[:40]}…: the name has {len(cleaned)} characters. Shorten it to {MAX_NAME}."
        )
    return cleaned


def open_import(
    project: Project,
    user: Any,
    *,
    name: str,
    num_files: int,
    num_bytes: int,
    split: str = "",
    fingerprint: str = "",
) -> ImageImport:
    """A draft that files can be sent to. Raises UploadRefused where they would not fit.

    The same `fingerprint` again is the same upload, which broke off: it goes on.
    """
    if num_files < 1:
        raise UploadRefused("There are no files in this. Choose photos, a folder or a zip.")
    if num_files > settings.MAX_ENTRIES:
        raise UploadRefused(
            f"These are {num_files:,} files; one import takes {settings.MAX_ENTRIES:,}. "
            "Upload them in parts, or as a zip.",
            413,
        )
    free = free_bytes()
    if free is not None and num_bytes * 2 > free:
        raise UploadRefused(
            f"The files are {size(num_bytes)} and the server has {size(free)} free; with the "
            "previews it takes about twice the files' size. Free some space or upload fewer.",
            507,
        )
    broken_off = broken_off_uploads(project, user).filter(fingerprint=fingerprint)
    if fingerprint and (draft := broken_off.first()):
        return draft
    return ImageImport.objects.create(
        project=project,
        created_by=user,
        name=clean_file_name(name)[:255],
        split=split,
        fingerprint=fingerprint,
        status=Status.DRAFT,
    )


def broken_off_uploads(project: Project, user: Any) -> QuerySet[ImageImport]:
    """The user's uploads that have not all arrived, newest first."""
    return ImageImport.objects.filter(
        project=project, created_by=user, status=Status.DRAFT, preview__isnull=True
    )


def broken_off(project: Project, user: Any) -> dict[str, Any] | None:
    """The newest upload of the user that broke off, for the page; one under way looks like it."""
    draft = broken_off_uploads(project, user).filter(files__isnull=False).first()
    if draft is None:
        return None
    come = draft.files.aggregate(bytes=Sum("bytes"), files=Count("pk"), last=Max("received_at"))
    return {
        "id": draft.pk,
        "name": draft.name,
        "bytes": come["bytes"],
        "files": come["files"],
        "seconds_ago": (timezone.now() - come["last"]).total_seconds(),
    }


def arrived(image_import: ImageImport) -> dict[str, int]:
    """Names and lengths of the files that are here whole and need not be sent again."""
    whole = image_import.files.filter(Q(declared_bytes=None) | Q(declared_bytes=F("bytes")))
    return dict(whole.filter(bytes__gt=0).values_list("name", "bytes"))


def choose_split(image_import: ImageImport, split: str | None) -> None:
    """Where the photos go, which may be said until the last file has come; "" is automatic."""
    if split in ("", *Split.values) and split != image_import.split:
        image_import.split = split
        image_import.save(update_fields=["split"])


def receive_file(image_import: ImageImport, name: str, file: Any) -> ImportFile:
    """Store one file of a draft; the row counts as received only once its bytes are stored.

    The name is the file's key within its import, so that a file that is sent again (its first
    answer was lost) replaces itself. Raises UploadRefused.
    """
    name = clean_file_name(name)
    if file.size > settings.MAX_UPLOAD_BYTES:
        raise UploadRefused(too_large(name, file.size), 413)
    if image_import.status != Status.DRAFT:
        raise UploadRefused(not_open(image_import), 409)
    try:
        check_room(file.size)
    except DiskFull as error:
        raise UploadRefused(str(error), 507) from error
    # bytes=0 means: on its way, or empty. See `submit`, which drops rows that never arrived.
    row = image_import.files.filter(name=name).first() or image_import.files.create(
        name=name, bytes=0
    )
    row.image_import = image_import
    default_storage.save(row.path, file)
    received = ImportFile.objects.filter(pk=row.pk, image_import__status=Status.DRAFT).update(
        bytes=file.size, received_at=timezone.now()
    )
    if not received:
        default_storage.delete(row.path)
        image_import.refresh_from_db()
        raise UploadRefused(not_open(image_import), 409)
    row.bytes = file.size
    return row


def too_large(name: str, num_bytes: int) -> str:
    return (
        f"{name}: {size(num_bytes)} is over the limit of {size(settings.MAX_UPLOAD_BYTES)} a file. "
        "Split the zip, or have the limit raised (BOXLOOP_MAX_UPLOAD_MB)."
    )


def not_open(image_import: ImageImport) -> str:
    """Why files can be sent to the import no more."""
    if image_import.status == Status.CANCELLED:
        return f"{image_import.name}: this import was cancelled. Start a new one."
    return f"{image_import.name}: this import has already begun. Start a new one for more files."


def submit(image_import: ImageImport) -> bool:
    """Queue the draft with the files that arrived. False where it is no draft any more.

    Raises UploadRefused where nothing arrived at all.
    """
    if image_import.status != Status.DRAFT:
        return False
    for row in image_import.files.filter(bytes=0):
        if not default_storage.exists(row.path):
            row.delete()
    if not image_import.files.exists():
        raise UploadRefused("No file has arrived. Choose the files again.")
    return image_import.submit()


def cancel(image_import: ImageImport) -> None:
    """Stop the import. What is in the project stays; what waits in staging is deleted."""
    image_import.request_cancel()
    if image_import.status == Status.CANCELLED and image_import.lease_token is None:
        delete_folder(image_import.staging_prefix)


def abandoned_drafts() -> QuerySet[ImageImport]:
    """Drafts that nobody has sent a file to for a day, or answered for weeks."""
    now = timezone.now()
    sending, waiting = Q(preview__isnull=True), Q(preview__isnull=False)
    return (
        ImageImport.objects.filter(status=Status.DRAFT)
        .annotate(last_sign=Coalesce(Max("files__received_at"), F("created_at")))
        .filter(
            (sending & Q(last_sign__lt=now - ABANDONED))
            | (waiting & Q(last_sign__lt=now - UNANSWERED))
        )
    )


def cancel_abandoned_drafts() -> int:
    """Cancel what `abandoned_drafts` finds; how many. For the sweeper."""
    drafts = list(abandoned_drafts())
    for draft in drafts:
        cancel(draft)
        ImageImport.objects.filter(pk=draft.pk).update(
            reason="Nobody looked at what was found for two weeks, so the upload was ended."
            if draft.preview is not None
            else "No file came for a day, so the upload was ended. Start a new one."
        )
    return len(drafts)


def plural(count: int, noun: str, many: str = "s") -> str:
    """ "1 image", "1,204 images"; plural(2, "box", "es") is "2 boxes"."""
    return f"{count:,} {noun}{pluralize(count, many)}"
