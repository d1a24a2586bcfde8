"""What a run leaves in its folder, each file written beside its place and renamed.

`checkpoints/last.npz` and `best.npz`, `metrics.jsonl` (a line an epoch), `run.json` (the settings).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from detection.training.checkpoints import Arrays, load_checkpoint, save_checkpoint
from detection.training.progress import Progress
from detection.training.settings import TrainingError, TrainingSettings


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last, self._best = (
            path / "checkpoints" / "last.npz",
            path / "checkpoints" / "best.npz",
        )

    @property
    def has_best(self) -> bool:
        return self._best.exists()

    def take_up(self, settings: TrainingSettings, data: str) -> tuple[Progress, Arrays | None]:
        """How far the run has come, and its last checkpoint's arrays; None where it is new.

        ``data`` is the fingerprint of its images and boxes. Raises TrainingError where the folder
        is of other settings or other data.
        """
        arrays, facts = load_checkpoint(self._last) or (None, {})
        try:
            progress = Progress(**facts)
        except TypeError as error:
            raise self.other_run(error) from error
        if arrays is not None:
            progress.refuse_other_run(settings, data, self.path)
        progress.settings, progress.data = asdict(settings), data
        return progress, arrays

    def other_run(self, error: Exception) -> TrainingError:
        """What to say where a checkpoint does not fit the model."""
        return TrainingError(
            f"{self.path}: the checkpoint there is of another run ({error}). Choose another folder."
        )

    def save(self, progress: Progress, state: Arrays, best: Arrays | None) -> None:
        """Write the last checkpoint; before it the best, where this epoch is that."""
        if best is not None:
            save_checkpoint(self._best, best, {"epoch": progress.epoch})
        save_checkpoint(self._last, state, dict(vars(progress)))

    def best_weights(self) -> Arrays:
        """The averaged weights of the best epoch, which must be there."""
        found = load_checkpoint(self._best)
        assert found is not None
        return found[0]

    def write_settings(self, settings: TrainingSettings, **chosen: Any) -> None:
        """``run.json``: the settings, what was ``chosen``, and the libraries' versions."""
        versions = {
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        }
        settings.save(self.path / "run.json", **chosen, versions=versions)

    def write_metrics(self, epochs: list[dict[str, Any]]) -> None:
        path = self.path / "metrics.jsonl"
        beside = path.with_name("metrics.jsonl.writing")
        beside.write_text("".join(json.dumps(row) + "\n" for row in epochs))
        beside.replace(path)
