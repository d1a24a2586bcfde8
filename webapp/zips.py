"""Zips as responses: made while they are sent, never whole in memory or on the disk."""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.http import Http404, StreamingHttpResponse
from django.utils.http import content_disposition_header
from zipstream import ZipStream

from webapp.streaming import CHUNK


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file of a zip: `content` as bytes, or the stored file named `stored`."""

    name: str
    stored: str = ""
    content: bytes | None = None


def zip_response(entries: Iterable[ZipEntry], download_as: str) -> StreamingHttpResponse:
    """Answer with a zip of `entries` under the name `download_as`.

    Entries are kept as they are (photos and weights do not shrink), so the length is known
    beforehand and the browser shows how far the download is. Http404 where a stored file is
    not there.
    """
    stream = ZipStream(sized=True)
    for entry in entries:
        if entry.content is not None:
            stream.add(entry.content, entry.name)
            continue
        try:
            length = default_storage.size(entry.stored)
        except FileNotFoundError as error:
            raise Http404("The file is not in the storage.") from error
        stream.add(_read(entry.stored), entry.name, size=length)
    length = len(stream)
    response = StreamingHttpResponse(_send(stream), content_type="application/zip")
    response["Content-Length"] = str(length)
    response["Content-Disposition"] = content_disposition_header(True, download_as) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-cache"
    return response


def _read(stored: str) -> Iterator[bytes]:
    with default_storage.open(stored, "rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


async def _send(stream: ZipStream) -> AsyncIterator[bytes]:
    """The zip's pieces, gathered to CHUNK and read off the event loop."""
    pieces = iter(stream)
    while chunk := await sync_to_async(_gather, thread_sensitive=False)(pieces):
        yield chunk


def _gather(pieces: Iterator[bytes]) -> bytes:
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= CHUNK:
            break
    return bytes(gathered)
