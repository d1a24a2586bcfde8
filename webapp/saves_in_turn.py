"""Saves go one after another, each whole in one thread.

Under ASGI Django passes a request from the event loop to a thread and back for nearly every
middleware. With many people saving at once each pass waits for Python's one lock, and a save takes
many times as long as its work. Saves wait for one another in the database anyway, so that they run
as under WSGI, in a single thread, in the order in which they came: measured, two threads get less
done than one.
"""

import asyncio
import io
import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core import signals
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.urls import set_script_prefix

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]

SAVE = re.compile(r"/api/images/\d+/annotations$")
# Seconds after which a thread lets others on: Python's 5 ms is long for work of a few.
SWITCH_INTERVAL = 0.001


class _Handler(BaseHandler):
    """Django's own handling of a request, without ASGI's way through threads."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware(is_async=False)

    def answer(self, scope: Scope, body: bytes) -> Answer:
        """Status, headers and content of the answer to one request."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request = ASGIRequest(scope, io.BytesIO(body))
        response = self.get_response(request)
        try:
            content = b"".join(response) if response.streaming else response.content
            headers = [
                (name.lower().encode("ascii"), value.encode("latin1"))
                for name, value in response.items()
            ]
            headers += [
                (b"set-cookie", cookie.OutputString().encode("ascii"))
                for cookie in response.cookies.values()
            ]
            return response.status_code, headers, content
        finally:
            # This says that the request is finished, and gives its database connection back.
            response.close()


class SavesInTurn:
    """ASGI middleware: saves run in a thread of their own, all else as Django runs it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._handler = _Handler()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="saves")
        sys.setswitchinterval(SWITCH_INTERVAL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_save = (
            scope["type"] == "http" and scope["method"] == "PATCH" and SAVE.match(scope["path"])
        )
        if not is_save:
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            return
        loop = asyncio.get_running_loop()
        # An edit that has arrived is saved, be its sender gone by then or not.
        status, headers, content = await loop.run_in_executor(
            self._thread, self._handler.answer, scope, body
        )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def _read(receive: Receive) -> bytes | None:
    """The request's body, or None where its sender left."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)
