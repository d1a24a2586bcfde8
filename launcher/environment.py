"""The Python environment: made once from the locks, left alone while it matches them.

A marker file in the environment names the locks (by hash) that were installed to the end. An
environment without its "complete" is one that was interrupted, and is made anew.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from launcher import machine
from launcher.places import ROOT, log_dir, venv_dir
from launcher.progress import Step, Steps
from launcher.stopping import Stop
from launcher.subprocesses import run_logged, tail

LOCK_FILES = {"cpu": "requirements.txt", "gpu": "requirements-gpu.txt"}
DEV_LOCK = "requirements-dev.txt"
# Measured after an install, with what pip unpacks on the way.
BYTES_NEEDED = {"cpu": 3 * machine.GIB, "gpu": 10 * machine.GIB}


@dataclass
class Marker:
    """What the environment holds, as written by the last set-up."""

    complete: bool = False
    accelerator: str = ""
    python: str = ""
    locks: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def path(venv: Path) -> Path:
        return venv / "boxloop.json"

    @classmethod
    def read(cls, venv: Path) -> "Marker | None":
        """None where there is no marker: an environment that someone made by hand, or none."""
        try:
            return cls(**json.loads(cls.path(venv).read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, venv: Path) -> None:
        beside = self.path(venv).with_suffix(".new")
        beside.write_text(json.dumps(self.__dict__, indent=1) + "\n")
        os.replace(beside, self.path(venv))


def python_in(venv: Path) -> Path:
    return venv / "bin" / "python"


def lock_hash(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def choose_accelerator(asked: str | None, marker: Marker | None) -> str:
    """`cpu` or `gpu`: what was asked for, else what BOXLOOP_GPU says, else what is there.

    `asked` may also be "kept": whatever the environment was made for.
    """
    if asked == "kept" and marker and marker.complete:
        return marker.accelerator
    if asked in LOCK_FILES:
        return str(asked)
    setting = os.environ.get("BOXLOOP_GPU", "").strip().lower()
    if setting in {"0", "false", "no", "off"}:
        return "cpu"
    if setting in {"1", "true", "yes", "on"}:
        return "gpu"
    if setting not in {"", "auto"}:
        raise Stop(f"BOXLOOP_GPU is {setting!r}. Set it to 1, 0 or auto.")
    return "gpu" if machine.nvidia_gpus() else "cpu"


def ensure(steps: Steps, accelerator: str | None = None, dev: bool = False) -> Path:
    """Make the environment match the locks; return its Python. Two steps."""
    venv = venv_dir()
    with _one_at_a_time(venv):
        marker = Marker.read(venv)
        chosen = choose_accelerator(accelerator, marker)
        wanted = {name: lock_hash(name) for name in _lock_names(chosen, dev)}
        with steps.step("Python environment") as step:
            marker = _make_venv(venv, marker, chosen, step)
        with steps.step("Packages") as step:
            if marker.complete and wanted.items() <= marker.locks.items():
                step.outcome = "ready"
            else:
                _install(venv, marker, wanted, step)
    return python_in(venv)


def is_ready(accelerator: str | None = "kept", dev: bool = False) -> bool:
    """Whether `ensure` would find nothing to do. Cheap."""
    venv = venv_dir()
    marker = Marker.read(venv)
    if not marker or not marker.complete or not _runs_here(venv, marker):
        return False
    chosen = choose_accelerator(accelerator, marker)
    wanted = {name: lock_hash(name) for name in _lock_names(chosen, dev)}
    return chosen == marker.accelerator and wanted.items() <= marker.locks.items()


def _lock_names(accelerator: str, dev: bool) -> list[str]:
    return [LOCK_FILES[accelerator]] + ([DEV_LOCK] if dev else [])


@contextlib.contextmanager
def _one_at_a_time(venv: Path) -> Iterator[None]:
    """Two commands must not install into one environment at once: the second waits."""
    machine.check_writable(venv.parent, "BOXLOOP_VENV")
    with Path(f"{venv}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _runs_here(venv: Path, marker: Marker) -> bool:
    """The Python that the environment links to may have been upgraded away."""
    version = ".".join(marker.python.split(".")[:2])
    return os.access(python_in(venv), os.X_OK) and (venv / "lib" / f"python{version}").is_dir()


def _make_venv(venv: Path, marker: Marker | None, accelerator: str, step: Step) -> Marker:
    """The environment to install into: the one that stands, if it can be used, or a new one."""
    if marker is None and os.access(python_in(venv), os.X_OK):
        # Made by hand: used, and never wiped.
        marker = Marker(False, accelerator, platform.python_version())
        step.outcome = "yours, kept"
        return marker
    if marker and marker.complete and _runs_here(venv, marker):
        # tensorflow and tensorflow-cpu own the same folder, so one cannot replace the other.
        if marker.accelerator == accelerator:
            step.outcome = "ready"
            return marker
        step.note(f"made for {marker.accelerator}, needed for {accelerator}")
    machine.check_venv_module()
    machine.check_disk(venv, BYTES_NEEDED[accelerator], "The Python environment", "BOXLOOP_VENV")
    if venv.exists():
        shutil.rmtree(venv)
    venv.mkdir(parents=True)
    marker = Marker(False, accelerator, platform.python_version())
    marker.write(venv)
    log = log_dir() / "setup.log"
    if run_logged([sys.executable, "-m", "venv", str(venv)], log):
        raise Stop(
            f"{tail(log)}\nThe environment {venv} could not be made; the lines above are from "
            f"{log}. On Debian and Ubuntu the package python3-venv is often what is missing."
        )
    step.outcome = f"Python {marker.python}, for {accelerator.upper()}"
    return marker


class _PipProgress:
    """Reads pip's output and says how far it is."""

    def __init__(self, step: Step, total: int) -> None:
        self._step = step
        self._total = total
        self.collected = 0

    def __call__(self, line: str) -> None:
        if line.startswith(("Collecting ", "Processing ")):
            self.collected += 1
            self._step.note(f"{self.collected} of {self._total}")
        elif match := re.search(r"Downloading (\S+?)-\d\S* \((.+)\)", line):
            name, size = match.groups()
            self._step.note(f"{self.collected} of {self._total}, {name} ({size})")
        elif line.startswith("Installing collected packages"):
            self._step.note(f"all fetched, unpacking {self.collected}")


def _install(venv: Path, marker: Marker, wanted: dict[str, str], step: Step) -> None:
    log = log_dir() / "setup.log"
    pins = {
        pin
        for name in wanted
        for pin in re.findall(r"^([\w.-]+)==", (ROOT / name).read_text(), re.MULTILINE)
    }
    if Marker.path(venv).exists():
        marker.complete = False
        marker.write(venv)
    # Wheels only: nothing is compiled, so no compiler is needed.
    command = [str(python_in(venv)), "-m", "pip", "install", "--require-hashes", "--no-input"]
    command += ["--only-binary", ":all:", "--progress-bar", "off", "--disable-pip-version-check"]
    for name in wanted:
        command += ["-r", str(ROOT / name)]
    progress = _PipProgress(step, len(pins))
    # A user's own pip.conf may say "user = true", which pip refuses inside an environment.
    env = os.environ | {"PIP_USER": "0", "PYTHONUNBUFFERED": "1"}
    if run_logged(command, log, env=env, on_line=progress):
        raise Stop(
            f"{tail(log)}\nThe packages could not be installed; the lines above are the end of "
            f"{log}. Check the network connection (behind a proxy: HTTPS_PROXY) and the disk, "
            "then run the same command again: it goes on with what pip has already fetched."
        )
    marker.locks |= wanted
    marker.complete = True
    marker.write(venv)
    step.outcome = f"{progress.collected} installed"
