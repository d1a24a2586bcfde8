"""How a request's body comes in: held against its limit before it is taken, or streamed.

Django reads every body to its end, onto the disk, before it looks at the request. For most requests
that is right, as long as the body is small; so a limit stands before it, by address. A resumable
upload is the exception: its view gets the body as it arrives (`streamed_body`), so that what has
come is kept when the connection breaks, in flat memory and without a second copy.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.template.defaultfilters import filesizeformat

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

FILES = re.compile(
    r"^(?:/projects/\d+)?/(?:imports/\d+/files|bases|detect/(?:\d+/photos/)?|detect)/?$"
)
RESUMABLE = re.compile(r"^/projects/\d+/imports/\d+/resumable/\d+/$")
IN_SCOPE = "boxloop.body"


class BodyCut(Exception):
    """The connection ended before the body did."""


class StreamedBody:
    """A body that its view, in a thread of its own, takes piece by piece."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()
        self._ended = False

    def read(self) -> bytes:
        """The next piece, empty at the end. Raises BodyCut. Call it outside the event loop."""
        while not self._ended:
            message = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            if message["type"] == "http.disconnect":
                raise BodyCut
            self._ended = not message.get("more_body", False)
            if message.get("body"):
                return bytes(message["body"])
        return b""

    def cut(self) -> None:
        """From any thread: whoever reads meets the end of the connection."""
        self._loop.call_soon_threadsafe(self._gone.set)

    async def _next(self) -> Message:
        receiving = asyncio.ensure_future(self._receive())
        leaving = asyncio.ensure_future(self._gone.wait())
        await asyncio.wait({receiving, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if receiving.done():
            return receiving.result()
        receiving.cancel()
        return {"type": "http.disconnect"}

    async def instead(self) -> Message:
        """What Django's handler receives: a body that is empty, then nothing."""
        if not hasattr(self, "_told"):
            self._told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()  # until the handler has answered, and cancels this
        raise AssertionError("unreachable")


def streamed_body(request: Any) -> StreamedBody | None:
    """The body of a request that came through `StreamedUploads`."""
    found: StreamedBody | None = getattr(request, "scope", {}).get(IN_SCOPE)
    return found


class StreamedUploads:
    """ASGI middleware: a resumable upload's body is left to its view."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and scope["method"] == "PATCH"
            and RESUMABLE.match(scope["path"])
        ):
            body = StreamedBody(receive)
            scope = {**scope, IN_SCOPE: body}
            receive = body.instead
        await self.app(scope, receive, send)


class BodyLimits:
    """ASGI middleware: a body over its address's limit is refused, before it is taken.

    With a Content-Length that is before the first byte; without, it is cut off at the limit.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = limit_of(scope["path"], scope["method"])
        length = _content_length(scope)
        if length is not None and length > limit:
            await _refuse(send, length, limit)
            return
        if length is not None:
            await self.app(scope, receive, send)
            return
        await self._counted(scope, receive, send, limit)

    async def _counted(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        taken, refused, answered = 0, False, False

        async def counting() -> Message:
            nonlocal taken, refused
            message = await receive()
            taken += len(message.get("body", b"") or b"")
            if taken <= limit:
                return message
            if not refused and not answered:
                refused = True
                await _refuse(send, None, limit)
            return {"type": "http.disconnect"}

        async def sending(message: Message) -> None:
            nonlocal answered
            if not refused:
                answered = True
                await send(message)

        await self.app(scope, counting, sending)


def limit_of(path: str, method: str) -> int:
    """How long a body may be that is sent to `path`, in bytes."""
    if method == "PATCH" and RESUMABLE.match(path):
        return int(settings.MAX_UPLOAD_BYTES)
    if FILES.match(path):
        return int(settings.MAX_REQUEST_BYTES)
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
    return None


async def _refuse(send: Send, length: int | None, limit: int) -> None:
    said = f"has {filesizeformat(length)}" if length is not None else "is too long"
    words = f"The request {said}; the limit here is {filesizeformat(limit)}."
    if limit < settings.MAX_UPLOAD_BYTES:
        words += " Larger files go by a resumable upload, as the browser does it (docs/using.md)."
    body = json.dumps({"error": words, "message": words}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
