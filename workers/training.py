"""Train a run in a child process, and carry its events into the database.

The child (`python -m detection train ... --events`) knows no Django and holds TensorFlow; this
process holds the lease. A kill of either loses at most the epoch under way: the child asks to
die with its parent, and the next attempt goes on from the run's last checkpoint.
"""

import json
import logging
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from celery.signals import worker_shutting_down
from django.conf import settings

from webapp.datasets.records import write_records
from webapp.leases import RENEW_EVERY, LeaseLost, Status
from webapp.storage import fetch_folder, local_path, store_folder
from webapp.training.models import TrainingRun
from webapp.training.progress import take_event
from webapp.training.publishing import publish_model
from workers.lease_keeper import LeaseKeeper, end_cancelled

logger = logging.getLogger(__name__)
WIND_DOWN_SECONDS = 900
stopping = threading.Event()


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    stopping.set()


def run_training(run_id: int, worker: str) -> None:
    """Claim the run and train it to its end; returns at once where there is nothing to claim."""
    run = TrainingRun.claim(run_id, worker)
    if run is None:
        return
    folder = settings.WORK_DIR / "runs" / str(run.pk)
    try:
        with LeaseKeeper(run) as keeper:
            _prepare(run, folder)
            keeper.check()
        TrainerProcess(run, folder).follow()
    except LeaseLost:
        end_cancelled(run)
    except Exception as error:
        logger.exception("Run %s failed", run.pk)
        run.end(Status.FAILED, f"The worker met an error: {error}. Its log tells more.")


def _prepare(run: TrainingRun, folder: Path) -> None:
    """The revision's records in the run's folder; a checkpoint from another machine, if any."""
    run.write(phase=TrainingRun.Phase.PREPARING)
    if local_path(checkpoint_prefix(run)) is None and not (folder / "checkpoints").exists():
        fetch_folder(checkpoint_prefix(run), folder / "checkpoints")
    if (folder / "records").exists():
        return
    beside = folder / "records.writing"
    shutil.rmtree(beside, ignore_errors=True)
    write_records(run.revision, beside)
    shutil.copy(beside / "label_map.pbtxt", folder / "label_map.pbtxt")
    beside.rename(folder / "records")


def checkpoint_prefix(run: TrainingRun) -> str:
    return f"projects/{run.project_id}/runs/{run.pk}/checkpoints"


def trainer_command(run: TrainingRun, folder: Path) -> list[str]:
    command = [
        sys.executable, "-m", "detection", "train",
        "--records", str(folder / "records"),
        "--label-map", str(folder / "label_map.pbtxt"),
        "--out", str(folder),
        "--base", run.base,
        "--seed", str(run.seed),
        "--input-size", str(run.input_size_asked or "auto"),
        "--batch-size", str(run.batch_size),
        "--revision", run.revision.sha256,
        "--events",
    ]  # fmt: skip
    if run.epochs_asked:
        command += ["--epochs", str(run.epochs_asked)]
    elif run.minutes_asked:
        command += ["--minutes", str(run.minutes_asked)]
    for name in ("flip", "crop", "colour", "prune"):
        if not getattr(run, name):
            command.append(f"--no-{name}")
    for name in ("vertical_flip", "mosaic"):
        if getattr(run, name):
            command.append(f"--{name.replace('_', '-')}")
    if not run.early_stop:
        command += ["--patience", "0"]
    return command


class TrainerProcess:
    """The child that trains, its events, and the lease that lets it go on."""

    def __init__(self, run: TrainingRun, folder: Path) -> None:
        self.run, self.folder = run, folder
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.outcome: dict[str, Any] = {}
        self.cancelled_at: float | None = None
        self.log_path = folder / "trainer.log"

    def follow(self) -> None:
        with self.log_path.open("ab") as log:
            self.child = subprocess.Popen(
                trainer_command(self.run, self.folder),
                cwd=settings.BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        reader = threading.Thread(target=self._read, daemon=True)
        reader.start()
        try:
            while self.child.poll() is None:
                self._take_events(RENEW_EVERY.total_seconds())
                self._keep_lease()
                if stopping.is_set():
                    # The worker is being stopped: the run goes on with the next one.
                    self._kill()
                    self.run.give_back()
                    return
            reader.join(timeout=10)
            self._take_events(0)
            self._end()
        finally:
            self._kill()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            try:
                self.events.put(json.loads(line))
            except ValueError:
                logger.warning("The trainer printed no event: %r", line[:200])

    def _take_events(self, wait: float) -> None:
        """Wait for an event, then take all that are there; of progress only the newest."""
        deadline = time.monotonic() + wait
        progress = None
        while True:
            try:
                left = max(0.0, deadline - time.monotonic())
                event = self.events.get(timeout=left) if left else self.events.get_nowait()
            except queue.Empty:
                break
            if event.get("event") == "progress":
                progress = event
                continue
            if event.get("event") in {"finished", "failed", "stopped"}:
                self.outcome = event
            prefix = checkpoint_prefix(self.run)
            if event.get("event") == "checkpoint" and local_path(prefix) is None:
                store_folder(self.folder / "checkpoints", prefix)
            take_event(self.run, event)
        if progress is not None:
            take_event(self.run, progress)

    def _keep_lease(self) -> None:
        if self.cancelled_at is not None:
            if time.monotonic() - self.cancelled_at > WIND_DOWN_SECONDS or not self.run.extend():
                self._kill()
                raise LeaseLost
        elif not self.run.renew():
            if not self.run.extend():
                self._kill()
                raise LeaseLost
            # Cancelled: the trainer keeps its best checkpoint, exports it and ends.
            self.cancelled_at = time.monotonic()
            self.child.send_signal(signal.SIGTERM)

    def _kill(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def _end(self) -> None:
        code = self.child.returncode
        status = Status.CANCELLED if self.cancelled_at is not None else Status.FINISHED
        if code == 0 and (self.folder / "model" / "model.json").exists():
            with LeaseKeeper(self.run):
                publish_model(self.run, self.folder / "model")
            self.run.end(status)
        elif self.cancelled_at is not None:
            self.run.end(Status.CANCELLED)
        elif self.outcome.get("event") == "failed":
            self.run.end(Status.FAILED, str(self.outcome.get("reason", "")))
        elif code < 0 and self.run.attempt < TrainingRun.MAX_ATTEMPTS:
            # Killed from outside; the lease runs out and the sweeper queues it again.
            logger.warning("Run %s: the trainer was killed by signal %d.", self.run.pk, -code)
            self.run.held().update(
                status=Status.QUEUED, lease_token=None, lease_until=None, sent_at=None
            )
        else:
            self.run.end(Status.FAILED, self._last_words(code))

    def _last_words(self, code: int) -> str:
        if code == -signal.SIGKILL:
            return (
                "The training was killed from outside, most likely for want of memory. "
                "Train again with a smaller batch or input size."
            )
        tail = self.log_path.read_text(errors="replace").strip().splitlines()[-1:]
        return f"The training ended with status {code}. Its last words: {' '.join(tail) or 'none'}"
