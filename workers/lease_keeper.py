"""Keep a row's lease alive from a thread, while the work itself takes as long as it takes."""

import logging
import threading
from types import TracebackType
from typing import Self

from django.db import OperationalError, close_old_connections, connection

from webapp.leases import RENEW_EVERY, LeasedRow, LeaseLost, Status

logger = logging.getLogger(__name__)


class LeaseKeeper:
    """Renew `row`'s lease twice a second until the block is left.

    `check()` raises LeaseLost once the row was cancelled or taken by another worker: call it
    between pieces of work.
    """

    def __init__(self, row: LeasedRow) -> None:
        self._row = row
        self._lost = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lease-{row.pk}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join(timeout=5)

    def check(self) -> None:
        if self._lost.is_set():
            raise LeaseLost

    def _run(self) -> None:
        try:
            while not self._done.wait(RENEW_EVERY.total_seconds()):
                close_old_connections()
                try:
                    held = self._row.renew()
                except OperationalError as error:
                    # A database that is busy or away for a moment: the lease lasts for several.
                    logger.warning("%s: the lease was not renewed (%s).", self._thread.name, error)
                    continue
                if not held:
                    self._lost.set()
                    return
        finally:
            connection.close()


def end_cancelled(row: LeasedRow) -> None:
    """After LeaseLost: where the reason was a cancel that this worker still holds, end the row."""
    if row.held().filter(cancel_requested=True).exists():
        row.end(Status.CANCELLED)
