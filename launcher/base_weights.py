"""Fetches the default base's weights once, checked by checksum."""

import os
from pathlib import Path

from launcher.node import path_with_node
from launcher.places import ROOT, bases_dir, log_dir
from launcher.progress import Steps
from launcher.subprocesses import run_logged, tail

DEFAULT_BASE = "ssdlite_mobilenet_v2_coco"

WITHOUT_BASE = (
    "Boxloop starts without it. Until it is there, training and detecting before the first "
    "training do not work; labelling does. Fetch it later with: "
    f"./boxloop bases --fetch {DEFAULT_BASE}"
)


def is_fetched() -> bool:
    """The bundle's model.json is written last, so it stands for the whole."""
    return (bases_dir() / DEFAULT_BASE / "model" / "model.json").exists()


def fetch(steps: Steps, python: Path) -> str | None:
    """Make the default base ready. One step. Returns what to tell the user where it failed."""
    with steps.step("Base weights") as step:
        if is_fetched():
            step.outcome = "ready"
            return None
        path = path_with_node(step)
        if path is None:
            step.outcome = "not there"
            return (
                f"The weights of {DEFAULT_BASE} need npm to be fetched, this machine has none, "
                f"and a copy could not be installed (see {log_dir() / 'setup.log'}). Install "
                f"Node.js 20 or newer with npm. {WITHOUT_BASE}"
            )
        step.note(f"{DEFAULT_BASE} (about 20 MB)")
        log = log_dir() / "setup.log"
        command = [str(python), "-m", "detection", "bases", "--fetch", DEFAULT_BASE]
        env = detection_env() | {"PATH": path, "TF_CPP_MIN_LOG_LEVEL": "2"}
        if run_logged(command, log, env=env, cwd=ROOT):
            step.outcome = "not there"
            return (
                f"{tail(log, 5)}\nThe weights of {DEFAULT_BASE} could not be fetched; the lines "
                f"above are the end of {log}. {WITHOUT_BASE}"
            )
        step.outcome = DEFAULT_BASE
    return None


def detection_env() -> dict[str, str]:
    """The environment in which `python -m detection` is found from any folder."""
    others = os.environ.get("PYTHONPATH")
    path = f"{ROOT}{os.pathsep}{others}" if others else str(ROOT)
    return os.environ | {"PYTHONPATH": path, "BOXLOOP_BASES": str(bases_dir())}
