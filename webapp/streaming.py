"""Stored files as responses: streamed, never whole in memory, never run by a browser."""

from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotModified,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

CHUNK = 256 * 1024
# Types that a browser shows as a picture and never runs.
PICTURES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "avif": "image/avif",
}


async def read_chunks(name: str) -> AsyncIterator[bytes]:
    file = await sync_to_async(default_storage.open, thread_sensitive=False)(name, "rb")
    try:
        while chunk := await sync_to_async(file.read, thread_sensitive=False)(CHUNK):
            yield chunk
    finally:
        file.close()


def stored_file(
    request: HttpRequest,
    name: str,
    content_type: str,
    *,
    etag: str | None = None,
    download_as: str | None = None,
) -> HttpResponseBase:
    """Answer with the stored file `name`; Http404 where it is not there.

    With `etag` (for content that never changes under its address) the browser keeps it.
    With `download_as` it is an attachment of that name.
    """
    if etag is not None and request.headers.get("If-None-Match") == f'"{etag}"':
        return HttpResponseNotModified()
    try:
        length = default_storage.size(name)
    except FileNotFoundError as error:
        raise Http404("The file is not in the storage.") from error
    if length <= CHUNK:
        with default_storage.open(name, "rb") as file:
            response: HttpResponseBase = HttpResponse(file.read(), content_type=content_type)
    else:
        response = StreamingHttpResponse(read_chunks(name), content_type=content_type)
    response["Content-Length"] = str(length)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-cache"
    if etag is not None:
        response["ETag"] = f'"{etag}"'
        response["Cache-Control"] = "private, max-age=31536000, immutable"
    header = content_disposition_header(download_as is not None, download_as or "")
    if download_as is not None and header:
        response["Content-Disposition"] = header
    return response
