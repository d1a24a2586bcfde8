"""How a run tells what it does: events for a program, or lines for a person."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Protocol, TextIO


class Reporter(Protocol):
    """Takes the events of docs/command-line.md, "What a run tells"."""

    def tell(self, event: str, **facts: Any) -> None: ...


class EventLines:
    """One JSON object a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def tell(self, event: str, **facts: Any) -> None:
        self._stream.write(json.dumps({"event": event, **facts}) + "\n")
        self._stream.flush()


class Console:
    """A line an epoch, and on a terminal a line that moves in between."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._moving = False

    def tell(self, event: str, **facts: Any) -> None:
        line = getattr(self, f"_{event}", lambda facts: None)(facts)
        if line is None:
            return
        if self._moving:
            self._stream.write("\r\x1b[K")
        self._moving = event == "progress"
        self._stream.write(line if self._moving else line + "\n")
        self._stream.flush()

    def _started(self, facts: dict[str, Any]) -> str:
        images = facts["images"]
        resumed = facts["resumed_from_epoch"]
        words = f"{images['train']} images to learn from, {images['val']} to be judged by"
        words += f"; {len(facts['labels'])} labels, {facts['epochs']} epochs"
        return words + (f"; goes on after epoch {resumed}" if resumed else "")

    def _forecast(self, facts: dict[str, Any]) -> str:
        minutes, memory = facts["seconds"] / 60, facts["memory_bytes"] / 1e9
        return f"It will take about {minutes:.1f} minutes and {memory:.1f} GB"

    def _progress(self, facts: dict[str, Any]) -> str | None:
        if not self._stream.isatty():
            return None
        return (
            f"epoch {facts['epoch']}/{facts['epochs']}  step {facts['step']}/{facts['steps']}  "
            f"loss {facts['loss']:.3f}  {facts['images_per_second']:.1f} images/s  "
            f"{facts['seconds_left']:.0f} s left"
        )

    def _epoch(self, facts: dict[str, Any]) -> str:
        words = f"epoch {facts['epoch']:>3}  loss {facts['loss']:.3f}"
        if facts.get("map_50") is not None:
            words += f"  AP50 {facts['map_50']:.3f}  AP {facts['map_50_95']:.3f}"
            words += "  best" if facts["best"] else ""
        return words + f"  ({facts['seconds']:.0f} s)"

    def _log(self, facts: dict[str, Any]) -> str:
        return str(facts["message"])

    def _failed(self, facts: dict[str, Any]) -> str:
        return f"train: {facts['reason']}"

    def _stopped(self, facts: dict[str, Any]) -> str:
        return "Stopped before the first epoch was done: nothing to keep."

    def _finished(self, facts: dict[str, Any]) -> str:
        if facts.get("map_50") is None:
            return "Finished. Without validation images there is no score."
        return f"Finished: AP50 {facts['map_50']:.3f}, AP {facts['map_50_95']:.3f}"


class Pulse:
    """True about once a second: for progress that must not flood."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds, self._last = seconds, 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
