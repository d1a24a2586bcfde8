"""Resumable uploads by the tus protocol 1.0: core, creation, checksum, termination, expiration.

https://tus.io/protocols/resumable-upload. An upload is a file of an import's draft. Requests carry
the session and, where they change something, the CSRF token as all others do.
"""

import base64
import binascii
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import http_date
from django.views.decorators.http import require_http_methods

from webapp.datasets import resumable, uploads
from webapp.datasets.models import ImportFile
from webapp.projects.access import project_view
from webapp.projects.models import Project
from webapp.request_bodies import BodyCut, streamed_body

VERSION = "1.0.0"
PIECE = 256 * 1024
CHECKSUM_MISMATCH = 460
PART_TYPE = "application/offset+octet-stream"


@require_http_methods(["OPTIONS", "POST"])
@project_view("annotator")
def create(request: HttpRequest, project: Project, import_id: int) -> HttpResponse:
    """POST announces a file by `Upload-Length` and its `filename` in `Upload-Metadata`."""
    draft = get_object_or_404(project.imports, pk=import_id)
    if request.method == "OPTIONS":
        return _abilities()
    if wrong := _wrong_version(request):
        return wrong
    length = _whole(request.headers.get("Upload-Length"))
    if length is None:
        return _refusal("Upload-Length must say how many bytes the file has.", 400)
    try:
        name = _metadata(request.headers.get("Upload-Metadata", "")).get("filename", "")
        row = resumable.announce(draft, name, length)
    except ValueError:
        return _refusal("Upload-Metadata must hold the file's name, in base64.", 400)
    except uploads.UploadRefused as error:
        return _refusal(str(error), error.status)
    response = _answer(row, 201)
    response["Location"] = reverse("datasets:resumable", args=[project.pk, draft.pk, row.pk])
    return response


@require_http_methods(["OPTIONS", "HEAD", "PATCH", "DELETE"])
@project_view("annotator")
def resume(request: HttpRequest, project: Project, import_id: int, file_id: int) -> HttpResponse:
    """HEAD tells where the file ends, PATCH appends to it, DELETE drops it."""
    if request.method == "OPTIONS":
        return _abilities()
    if wrong := _wrong_version(request):
        return wrong
    row = get_object_or_404(
        ImportFile.objects.select_related("image_import").exclude(declared_bytes=None),
        pk=file_id,
        image_import_id=import_id,
        image_import__project=project,
    )
    try:
        if request.method == "PATCH":
            return _append(request, row)
        resumable.settle_others(row)
        if request.method == "DELETE":
            resumable.discard(row)
            return _plain(204)
    except uploads.UploadRefused as error:
        return _refusal(str(error), error.status)
    response = _answer(row, 200)
    response["Upload-Length"] = str(row.declared_bytes)
    response["Cache-Control"] = "no-store"
    return response


def _append(request: HttpRequest, row: ImportFile) -> HttpResponse:
    if request.content_type != PART_TYPE:
        return _refusal(f"A part's Content-Type is {PART_TYPE}.", 415)
    offset = _whole(request.headers.get("Upload-Offset"))
    if offset is None:
        return _refusal("Upload-Offset must say where the part begins.", 400)
    body = streamed_body(request)
    read: Callable[[], bytes] = body.read if body else partial(request.read, PIECE)
    try:
        checksum = _checksum(request.headers.get("Upload-Checksum"))
        resumable.receive_part(row, offset, read, body, checksum)
    except ValueError as error:
        return _refusal(str(error), 400)
    except resumable.WrongOffset as error:
        response = _refusal(f"{row.name}: {error}", 409)
        response["Upload-Offset"] = str(error.offset)
        return response
    except resumable.ChecksumMismatch:
        return _refusal(f"{row.name}: a part arrived changed. Send it again.", CHECKSUM_MISMATCH)
    except BodyCut:
        return _plain(400)  # nobody is there to read it
    return _answer(row, 204)


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 17 else None


def _metadata(header: str) -> dict[str, str]:
    """`filename aG9s,filetype aW1h` as a mapping. Raises ValueError."""
    found = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = pair.partition(" ")
        found[key] = base64.b64decode(value, validate=True).decode("utf-8")
    return found


def _checksum(header: str | None) -> tuple[str, bytes] | None:
    """`sha1 BASE64` as the algorithm and the digest. Raises ValueError, in words."""
    if header is None:
        return None
    algorithm, _, value = header.partition(" ")
    if algorithm not in resumable.CHECKSUMS:
        known = ", ".join(resumable.CHECKSUMS)
        raise ValueError(f"The checksum {algorithm[:20]!r} is not known. Known are {known}.")
    try:
        return algorithm, base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError("Upload-Checksum is not in base64.") from None


def _wrong_version(request: HttpRequest) -> HttpResponse | None:
    if request.headers.get("Tus-Resumable") == VERSION:
        return None
    response = _refusal(f"This speaks tus {VERSION}; send Tus-Resumable: {VERSION}.", 412)
    response["Tus-Version"] = VERSION
    return response


def _abilities() -> HttpResponse:
    response = _plain(204)
    response["Tus-Version"] = VERSION
    response["Tus-Extension"] = "creation,checksum,termination,expiration"
    response["Tus-Checksum-Algorithm"] = ",".join(resumable.CHECKSUMS)
    response["Tus-Max-Size"] = str(settings.MAX_UPLOAD_BYTES)
    return response


def _answer(row: ImportFile, status: int) -> HttpResponse:
    response = _plain(status)
    response["Upload-Offset"] = str(row.bytes)
    expires = row.received_at + uploads.ABANDONED
    response["Upload-Expires"] = http_date(expires.timestamp())
    return response


def _plain(status: int) -> HttpResponse:
    return HttpResponse(status=status, headers={"Tus-Resumable": VERSION})


def _refusal(words: str, status: int) -> JsonResponse:
    content: dict[str, Any] = {"error": words}
    return JsonResponse(content, status=status, headers={"Tus-Resumable": VERSION})
