"""Numbered steps on the terminal: what happens, for how long, and what is being waited for."""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

REDRAW_SECONDS = 0.5
# Without a terminal a long step says now and then that it is alive.
REPORT_SECONDS = 20.0


def duration(seconds: float) -> str:
    """`0.4 s`, `14 s`, `2 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


class Step:
    """One step under way. `note` says what it is at; `outcome` is what stays on the screen."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self.title = title
        self.outcome = ""
        self._note = ""
        self._stream = stream
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def note(self, text: str) -> None:
        self._note = text

    def _tick(self) -> None:
        every = REDRAW_SECONDS if self._stream.isatty() else REPORT_SECONDS
        while not self._ended.wait(every):
            line = f"{self.title}  {self._note}".rstrip()
            line = f"{line}  {duration(time.monotonic() - self._began)}"
            if self._stream.isatty():
                width = shutil.get_terminal_size().columns - 1
                self._stream.write(f"\r\x1b[K{line[:width]}")
            else:
                self._stream.write(f"{line}\n")
            self._stream.flush()

    def begin(self) -> None:
        self._thread.start()

    def end(self, failed: bool) -> None:
        self._ended.set()
        self._thread.join()
        seconds = duration(time.monotonic() - self._began)
        outcome = "failed" if failed else self.outcome
        clear = "\r\x1b[K" if self._stream.isatty() else ""
        self._stream.write(f"{clear}{self.title}  {outcome:<34}  {seconds}\n")
        self._stream.flush()


class Steps:
    """Steps `first`..`total`; the count goes on across the hand-over to `manage.py up`."""

    def __init__(self, total: int, first: int = 1, stream: TextIO | None = None) -> None:
        self.total = total
        self.number = first
        self._stream = stream or sys.stdout

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Time the block and print one line for it, also when it fails."""
        step = Step(f"{self.number}/{self.total}  {title:<20}", self._stream)
        self.number += 1
        step.begin()
        try:
            yield step
        except BaseException:
            step.end(failed=True)
            raise
        step.end(failed=False)
