"""Starts the parts of Boxloop, keeps them running, and ends them all.

Knows nothing of Django or Celery. Children lead sessions of their own, so that Ctrl-C reaches
this process alone and the order of stopping is ours; each is tied to this process (see
launcher.tether), so that a `kill -9` of it leaves none behind. All are started from the main
thread, which is what the tie is to.
"""

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType
from typing import TextIO

from launcher.tether import tethered

POLL_SECONDS = 0.1
FIRST_PAUSE, LONGEST_PAUSE = 0.3, 15.0
# A child that ran this long was well; its next restart is at once again.
HEALTHY_SECONDS = 30.0
# The order of stopping: everyone gets TERM; a worker that is busy gets QUIT, which is Celery's
# cold shutdown; who hangs gets KILL; the broker goes last, because the others talk to it.
QUIT_AFTER, KILL_AFTER = 1.0, 1.7
LOG_BYTES, LOG_FILES = 10 * 1024**2, 3
# What reaches the terminal: errors, and the last line of a traceback; the frames are in the log.
MATTERS = re.compile(r"\b(ERROR|CRITICAL|FATAL)\b")
EXCEPTION = re.compile(r"^[\w.]*(Error|Exception|Interrupt|Exit)\b")


class StartFailed(Exception):
    """A part ended, or did not answer, before it was ready. `log` tells why."""

    def __init__(self, sentence: str, log: Path) -> None:
        super().__init__(sentence)
        self.log = log


@dataclass(frozen=True)
class Service:
    """One child process to keep running."""

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    is_ready: Callable[[], bool] | None = None
    stops_on_quit: bool = False


class Child:
    """A service's process: the present one, and when the next is due."""

    def __init__(self, service: Service, cwd: Path, verbose: bool, terminal: TextIO) -> None:
        self.service = service
        self._cwd = cwd
        self._verbose = verbose
        self._terminal = terminal
        self._logger = _file_logger(service.log)
        self._pause = FIRST_PAUSE
        self._due = 0.0
        self._began = 0.0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._began = time.monotonic()
        self.process = subprocess.Popen(
            tethered(self.service.command),
            cwd=self._cwd,
            env=os.environ | self.service.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._follow, args=(self.process,), daemon=True).start()

    def tend(self) -> None:
        """Notice that the process has ended, and start another when its pause is over."""
        now = time.monotonic()
        if self.process is not None:
            status = self.process.poll()
            if status is None:
                return
            self.kill_group()
            self.process = None
            if now - self._began > HEALTHY_SECONDS:
                self._pause = FIRST_PAUSE
            self._due = now + self._pause
            self._say(
                f"ended ({_ending(status)}); starting it again in {self._pause:.1f} s. "
                f"Its log: {self.service.log}"
            )
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        elif now >= self._due:
            self.start()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill_group(self) -> None:
        """Kill the process and all that it started in its session."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()

    def _follow(self, process: "subprocess.Popen[str]") -> None:
        """Copy what the process prints to its log, and what matters to the terminal."""
        assert process.stdout is not None
        last = ""
        for raw in process.stdout:
            line = raw.rstrip()
            self._logger.info(line)
            # One error in a loop must not fill the screen.
            matters = (MATTERS.search(line) or EXCEPTION.match(line)) and line != last
            if self._verbose or matters:
                self._say(line)
                last = line

    def _say(self, line: str) -> None:
        try:
            self._terminal.write(f"{self.service.name:<8} {line}\n")
            self._terminal.flush()
        except (OSError, ValueError):
            # The terminal is gone; the log has it all.
            pass


class Supervisor:
    """Runs services until told to stop. One per process: it takes over the signals."""

    def __init__(self, cwd: Path, verbose: bool = False, terminal: TextIO | None = None) -> None:
        self._cwd = cwd
        self._verbose = verbose
        self._terminal = terminal or sys.stderr
        self._children: list[Child] = []
        self._stop_asked = 0
        self._wake = threading.Event()

    def take_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_asked += 1
        self._wake.set()

    @property
    def stopping(self) -> bool:
        return self._stop_asked > 0

    def start(self, services: Iterable[Service]) -> None:
        """Start services, to be tended by `wait_ready` and `run` and ended by `stop`."""
        for service in services:
            child = Child(service, self._cwd, self._verbose, self._terminal)
            self._children.append(child)
            child.start()

    def wait_ready(self, name: str, seconds: float) -> None:
        """Wait until the service `name` answers. Raises StartFailed when it ends or does not."""
        child = next(child for child in self._children if child.service.name == name)
        assert child.service.is_ready is not None
        deadline = time.monotonic() + seconds
        while not self.stopping:
            if not child.is_running():
                log = child.service.log
                raise StartFailed(f"{name} ended while it started. Its log: {log}", log)
            if child.service.is_ready():
                return
            if time.monotonic() > deadline:
                log = child.service.log
                raise StartFailed(f"{name} did not answer in {seconds:.0f} s. Its log: {log}", log)
            self._wake.wait(POLL_SECONDS)

    def run(self) -> None:
        """Keep everything running until a signal asks to stop."""
        while not self.stopping:
            for child in self._children:
                child.tend()
            self._wake.wait(POLL_SECONDS)

    def stop(self) -> None:
        """End all children; at most about two seconds, at once at a second signal."""
        first = [child for child in self._children if child.service.name != "broker"]
        last = [child for child in self._children if child.service.name == "broker"]
        self._end(first)
        self._end(last)
        self._children.clear()

    def _end(self, children: list[Child]) -> None:
        began = time.monotonic()
        asked_before = self._stop_asked
        for child in children:
            child.send(signal.SIGTERM)
        quitters = [child for child in children if child.service.stops_on_quit]
        while any(child.is_running() for child in children):
            waited = time.monotonic() - began
            if waited > QUIT_AFTER:
                while quitters:
                    quitters.pop().send(signal.SIGQUIT)
            if waited > KILL_AFTER or self._stop_asked > asked_before:
                break
            time.sleep(0.02)
        for child in children:
            child.kill_group()


def _file_logger(path: Path) -> logging.Logger:
    path.parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger(f"boxloop.logfile.{path.stem}")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    return logger


def _ending(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
