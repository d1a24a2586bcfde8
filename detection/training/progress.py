"""How far a run has come: what its checkpoint remembers beside the weights. Needs no TensorFlow."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from detection.training.settings import TrainingError, TrainingSettings

_WORDS = {
    "base": "base",
    "epochs": "--epochs",
    "minutes": "--minutes",
    "input_size": "--input-size",
    "batch_size": "--batch-size",
    "seed": "--seed",
    "flip": "mirroring",
    "vertical_flip": "turning upside down",
    "crop": "cropping",
    "colour": "colour changes",
    "mosaic": "mosaics",
    "prune": "pruning",
    "patience": "--patience",
    "precision": "--precision",
    "learning_rate": "--learning-rate",
    "revision": "dataset revision",
}


@dataclass
class Progress:
    """The epochs done and the best of them; and which run it is the progress of.

    Attributes:
        epoch: whole epochs done; ``num_epochs`` are to be done.
        best: AP of the epoch that is kept, ``best_epoch``; None without validation images.
        seconds: time spent on training so far, over all attempts.
        epochs: the facts of each epoch event, in order.
        batch_size: what steps really learn from, where memory asked for less than the settings.
        settings: the settings that the run was begun with, as JSON.
        data: the fingerprint of its images and boxes (`RunData.fingerprint`).
    """

    epoch: int = 0
    num_epochs: int | None = None
    best_epoch: int | None = None
    best: float | None = None
    seconds: float = 0.0
    epochs: list[dict[str, Any]] = field(default_factory=list)
    batch_size: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    data: str = ""

    def refuse_other_run(self, settings: TrainingSettings, data: str, folder: Path) -> None:
        """Raises TrainingError where this is the progress of other settings or other data."""
        for name, now in asdict(settings).items():
            begun = self.settings.get(name, now)
            if begun != now:
                raise TrainingError(
                    f"{folder}: the run there was begun with {_WORDS.get(name, name)} "
                    f"{_shown(begun)}, and now it is {_shown(now)}. Give what it was begun with to "
                    "go on, or another --out to begin anew."
                )
        if self.data and self.data != data:
            raise TrainingError(
                f"{folder}: the run there was begun with other images or boxes. "
                "Give another --out to begin anew."
            )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "left open" if value is None else str(value)
