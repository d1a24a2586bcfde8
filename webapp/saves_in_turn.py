"""Saves go one after another in one thread, and those that wait are stored together.

Under ASGI Django passes a request from the event loop to a thread and back for nearly every
middleware. With many people saving at once each pass waits for Python's one lock, and a save takes
many times as long as its work. Saves wait for one another in the database anyway, so that they run
as under WSGI, in a single thread, in the order in which they came: measured, two threads get less
done than one.

What costs most after that is the commit, which waits for the disk. All saves that have come
meanwhile share one; each is answered after it, so that what was acknowledged is stored.
"""

import asyncio
import io
import re
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core import signals
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.db import DatabaseError, connection, transaction
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
# Saves that share a commit; whoever else writes waits for all of them.
MOST_TOGETHER = 16


@dataclass(frozen=True)
class Save:
    """A request that waits for its turn, and where its answer goes."""

    scope: Scope
    body: bytes
    answer: "asyncio.Future[Answer]"


class _NotTogether(Exception):
    """One of several saves has failed; each is to be tried by itself."""


class Handler(BaseHandler):
    """Django's own handling of a request, without ASGI's way through threads."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware(is_async=False)

    def answer_all(self, requests: list[tuple[Scope, bytes]]) -> list[Answer]:
        """The answers to some saves, all of them stored by one commit.

        Where one fails, or the commit does, nothing is stored and each runs by itself.
        """
        # Where rows are locked, writers work side by side; they would wait longer so.
        if len(requests) > 1 and not connection.features.has_select_for_update:
            try:
                with self._connected(requests[0][0]):
                    return self._answer_together(requests)
            except (_NotTogether, DatabaseError):
                pass
        answers = []
        for scope, body in requests:
            with self._connected(scope):
                answers.append(self._answer(scope, body))
        return answers

    @contextmanager
    def _connected(self, scope: Scope) -> Iterator[None]:
        """Django's signals of a request's start and end: at them it looks after its connection,
        which must not be in the middle of a transaction."""
        signals.request_started.send(sender=type(self), scope=scope)
        try:
            yield
        finally:
            signals.request_finished.send(sender=type(self))

    def _answer_together(self, requests: list[tuple[Scope, bytes]]) -> list[Answer]:
        answers = []
        with transaction.atomic():
            for scope, body in requests:
                answers.append(self._answer(scope, body))
                # After some errors SQLite has taken the whole transaction back.
                if answers[-1][0] >= 500 or transaction.get_rollback():
                    raise _NotTogether
        return answers

    def _answer(self, scope: Scope, body: bytes) -> Answer:
        """Status, headers and content of the answer to one request."""
        set_script_prefix(get_script_prefix(scope))
        request = ASGIRequest(scope, io.BytesIO(body))
        response = self.get_response(request)
        request.close()
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


class SavesInTurn:
    """ASGI middleware: saves run in a thread of their own, all else as Django runs it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._handler = Handler()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="saves")
        self._waiting: deque[Save] = deque()
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
        save = Save(scope, body, asyncio.get_running_loop().create_future())
        self._waiting.append(save)
        self._thread.submit(self._save_those_waiting)
        # An edit that has arrived is saved, be its sender gone by then or not.
        status, headers, content = await asyncio.shield(save.answer)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _save_those_waiting(self) -> None:
        """Asked once for each save; whoever comes first takes along what waits by then."""
        saves = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))]
        if not saves:
            return
        loop = saves[0].answer.get_loop()
        try:
            answers = self._handler.answer_all([(save.scope, save.body) for save in saves])
        except BaseException as error:
            loop.call_soon_threadsafe(_fail, saves, error)
        else:
            loop.call_soon_threadsafe(_hand_out, saves, answers)


def _hand_out(saves: list[Save], answers: list[Answer]) -> None:
    for save, answer in zip(saves, answers, strict=True):
        save.answer.set_result(answer)


def _fail(saves: list[Save], error: BaseException) -> None:
    for save in saves:
        save.answer.set_exception(error)


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
