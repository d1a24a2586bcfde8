"""Checkpoints that a kill cannot break: arrays and facts in one file, written beside, renamed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
_FACTS = "__facts__"


def save_checkpoint(path: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    """Write ``arrays`` and JSON ``facts`` to ``path`` (.npz); replaced as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.writing")
    encoded = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    with beside.open("wb") as file:
        np.savez(file, **{_FACTS: encoded}, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def load_checkpoint(path: Path) -> tuple[Arrays, dict[str, Any]] | None:
    """What ``save_checkpoint`` wrote, or None where there is nothing. Never unpickles."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    facts = json.loads(arrays.pop(_FACTS).tobytes())
    return arrays, facts
