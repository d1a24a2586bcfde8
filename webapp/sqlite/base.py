"""Django's SQLite backend for a process with many threads.

Each request runs in a thread of its own, and Django would open a database connection for each:
most of what a small request costs. Here a connection that is closed waits for the next thread. And
writers of one process take turns before they ask SQLite for its lock, which lets those who wait
sleep for up to a tenth of a second, and serves whoever comes by at the right moment.
"""

import os
import threading
from typing import Any

from django.db.backends.sqlite3 import base

# More than these at once are opened and closed.
MOST_IDLE = 8


class _Process:
    """What the threads of a process share: its idle connections, and whose turn it is to write."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self._lock = threading.Lock()
        self._idle: list[tuple[Any, Any]] = []

    def take(self, key: Any) -> Any:
        """An idle connection that was kept under `key`, or None."""
        with self._lock:
            for place, (kept, connection) in enumerate(self._idle):
                if kept == key:
                    del self._idle[place]
                    return connection
        return None

    def keep(self, key: Any, connection: Any) -> bool:
        with self._lock:
            if len(self._idle) >= MOST_IDLE:
                return False
            self._idle.append((key, connection))
        return True


_process = _Process()
_abandoned: list[_Process] = []


def _after_fork() -> None:
    """A child must neither use nor close the SQLite connections of its parent."""
    global _process
    _abandoned.append(_process)
    _process = _Process()


os.register_at_fork(after_in_child=_after_fork)


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite with idle connections kept, and one writer of this process at a time."""

    _key: Any = None
    _turn: Any = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._key = _key_of(conn_params)
        kept = _process.take(self._key) if self._key else None
        if kept is not None:
            return kept
        connection = super().get_new_connection(conn_params)
        # It may have made the file.
        self._key = _key_of(conn_params)
        return connection

    def _close(self) -> None:
        connection = self.connection
        self._end_turn()
        if connection is None:
            return
        is_clean = not self.in_atomic_block and not connection.in_transaction
        if not (self._key and is_clean and _process.keep(self._key, connection)):
            super()._close()

    def _start_transaction_under_autocommit(self) -> None:
        turn = _process.turn
        # Who waits too long takes their chance among the other processes.
        if turn.acquire(timeout=self.settings_dict["OPTIONS"].get("timeout", 20)):
            self._turn = turn
        try:
            super()._start_transaction_under_autocommit()
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> None:
        super()._commit()
        self._end_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._end_turn()

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()


def _key_of(conn_params: dict[str, Any]) -> Any:
    """What a connection is kept under: its file as it is there now, and its options. None for a
    database in memory."""
    try:
        file = os.stat(conn_params["database"])
    except (OSError, TypeError, ValueError):
        return None
    return file.st_dev, file.st_ino, os.getpid(), repr(sorted(conn_params.items(), key=str))
