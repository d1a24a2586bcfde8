"""One Boxloop per state folder: a lock that the system drops when its process ends, however."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from launcher.stopping import Stop


def _path(var: Path) -> Path:
    folder = var / "run"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "boxloop.lock"


def _take(var: Path) -> IO[str]:
    file = _path(var).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        about = _read(file)
        file.close()
        where = f", {about['address']}" if about.get("address") else ""
        raise Stop(
            f"Boxloop already runs with {var} (process {about.get('pid', 'unknown')}{where}). "
            "Use that one or stop it; for a second one set BOXLOOP_VAR to another folder and "
            "choose another --port."
        ) from error
    return file


def _read(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    try:
        about = json.loads(file.read())
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def check_free(var: Path) -> None:
    """Raise `Stop` when another Boxloop runs on `var`."""
    _take(var).close()


@contextlib.contextmanager
def hold(var: Path, address: str) -> Iterator[None]:
    """Hold `var` for this process; children do not inherit the lock."""
    with _take(var) as file:
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "address": address}))
        file.flush()
        yield
        file.truncate(0)


def running_address(var: Path) -> str | None:
    """The address of the Boxloop that runs on `var`, if one does."""
    with _path(var).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return str(_read(file).get("address", "")) or None
    return None
