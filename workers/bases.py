"""Take in a base in a child process: `python -m detection bases`, which holds TensorFlow.

The child reads the checkpoint as data, checks every variable, and puts the base in its place in
one rename: a kill of either leaves nothing half there.
"""

import logging
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage

from launcher.tether import tethered
from webapp.bases.models import BaseArrival
from webapp.leases import RENEW_EVERY, LeaseLost, Status
from workers.lease_keeper import LeaseKeeper, end_cancelled

logger = logging.getLogger(__name__)
REFUSED = "bases: "
UPLOADED = "checkpoint.tar.gz"


def run_arrival(arrival_id: int, worker: str) -> None:
    """Claim the base and take it in; returns at once where there is nothing to claim."""
    arrival = BaseArrival.claim(arrival_id, worker)
    if arrival is None:
        return
    settings.WORK_DIR.mkdir(parents=True, exist_ok=True)
    try:
        with (
            LeaseKeeper(arrival) as keeper,
            tempfile.TemporaryDirectory(dir=settings.WORK_DIR, prefix="base-") as folder,
        ):
            work = Path(folder)
            reason = _in_their_words(arrival, _follow(arrival, _command(arrival, work), keeper))
        arrival.end(Status.FAILED if reason else Status.FINISHED, reason)
    except LeaseLost:
        end_cancelled(arrival)
    except Exception as error:
        logger.exception("Base %s was not taken in", arrival.name)
        arrival.end(Status.FAILED, f"The worker met an error: {error}. Its log tells more.")
    arrival.refresh_from_db()
    if not arrival.is_active:
        for path in (arrival.checkpoint_path, arrival.config_path):
            default_storage.delete(path)


def _command(arrival: BaseArrival, work: Path) -> list[str]:
    command = [sys.executable, "-m", "detection", "bases"]
    if arrival.built_in:
        return [*command, "--fetch", arrival.name]
    command += ["--add", arrival.name, "--title", arrival.title, "--licence", arrival.licence]
    if arrival.uploaded:
        command += ["--from", str(_local(arrival.checkpoint_path, work / UPLOADED))]
        command += [f"--origin={arrival.file_name}"]
    else:
        command += ["--url", arrival.url]
    if arrival.sha256:
        command += ["--sha256", arrival.sha256]
    if arrival.has_config:
        command += ["--config", str(_local(arrival.config_path, work / "pipeline.config"))]
    if arrival.coco_ap is not None:
        command += ["--coco-ap", str(arrival.coco_ap)]
    return command


def _local(stored: str, place: Path) -> Path:
    with default_storage.open(stored, "rb") as source, place.open("wb") as sink:
        while chunk := source.read(1024**2):
            sink.write(chunk)
    return place


def _follow(arrival: BaseArrival, command: list[str], keeper: LeaseKeeper) -> str:
    """Run the child to its end; returns why it failed, or nothing. Raises LeaseLost."""
    child = subprocess.Popen(
        tethered(command),
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(child, lines), daemon=True)
    reader.start()
    last: deque[str] = deque(maxlen=5)
    try:
        while child.poll() is None or not lines.empty():
            keeper.check()
            try:
                line = lines.get(timeout=RENEW_EVERY.total_seconds())
            except queue.Empty:
                continue
            last.append(line)
            if line.startswith(("Fetching", "Checking", "Preparing")):
                arrival.write(said=line[:300])
        reader.join(timeout=10)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
    while not lines.empty():
        last.append(lines.get())
    if child.returncode == 0:
        return ""
    words = [line.removeprefix(REFUSED) for line in last if line.startswith(REFUSED)]
    return words[-1] if words else "The command ended: " + " ".join(last)[-500:]


def _in_their_words(arrival: BaseArrival, reason: str) -> str:
    """``reason`` by the name of the file that was given, and with the way out of this page."""
    reason = re.sub(r"^/.*?/(?=[^/:]*: )", "", reason)
    way_out = "upload the file"
    if arrival.built_in:
        way_out = f"give the file on the server: ./boxloop bases --fetch {arrival.name} --from FILE"
    reason = re.sub(r"give the (file|tarball): --from FILE", way_out, reason)
    return reason.replace(UPLOADED, arrival.file_name) if arrival.file_name else reason


def _read(child: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> None:
    assert child.stderr is not None
    for line in child.stderr:
        if line.strip():
            lines.put(line.strip())
