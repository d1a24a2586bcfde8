"""What a run is asked to do, and what it comes to. Needs no TensorFlow."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detection.bases import DEFAULT_BASE

# Enough samples that a small set is learnt, few enough that two CPU cores see the end in minutes.
SAMPLES_LEAST, SAMPLES_MOST, PASSES = 4000, 12_000, 30
EPOCHS_LEAST, EPOCHS_MOST = 6, 300
INPUT_SIZES = range(96, 1025)
# A longer run is not evaluated after every epoch, but about this many times.
MOST_EVALUATIONS = 40
PRECISIONS = ("auto", "float32", "mixed")


class TrainingError(Exception):
    """A run that cannot begin or go on; the message says why and the way out."""


class Stopped(Exception):
    """The run was asked to stop before its first checkpoint: there is nothing to keep."""


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of a run.

    Attributes:
        epochs, minutes: with neither, `automatic_epochs` decides.
        input_size: pixels a side; None: chosen by the boxes' sizes (`choose_input_size`).
        flip, vertical_flip, crop, colour, mosaic: the random changes that pictures go through.
        prune: leave out channels that the training pictures do not need (see
            `detection.models.ssd.pruning`).
        patience: end after so many evaluations without a better AP; None: `automatic_patience`;
            0: never.
        precision: "auto", "float32" or "mixed" (bfloat16 where it is safe).
    """

    base: str = DEFAULT_BASE
    epochs: int | None = None
    minutes: float | None = None
    input_size: int | None = None
    batch_size: int = 8
    seed: int = 0
    flip: bool = True
    vertical_flip: bool = False
    crop: bool = True
    colour: bool = True
    mosaic: bool = False
    prune: bool = True
    patience: int | None = None
    precision: str = "auto"
    learning_rate: float = 1e-3
    revision: str | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise TrainingError(f"{self.epochs} epochs were asked for. Ask for 1 or more.")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise TrainingError(f"{self.minutes} minutes were asked for. Ask for more than 0.")
        if self.input_size is not None and self.input_size not in INPUT_SIZES:
            raise TrainingError(
                f"The input size is {self.input_size}. Choose {INPUT_SIZES.start} to "
                f"{INPUT_SIZES.stop - 1} pixels; 300 is the base's own."
            )
        if self.batch_size < 1:
            raise TrainingError(f"The batch size is {self.batch_size}. Choose 1 or more.")
        if self.patience is not None and self.patience < 0:
            raise TrainingError(f"The patience is {self.patience}. Choose 0 (never) or more.")
        if self.precision not in PRECISIONS:
            raise TrainingError(
                f"The precision is {self.precision!r}. Choose one of {', '.join(PRECISIONS)}."
            )
        if not 0 < self.learning_rate < math.inf:
            raise TrainingError(f"The learning rate is {self.learning_rate}. Choose more than 0.")

    def save(self, path: Path, **more: Any) -> None:
        beside = path.with_name(f"{path.name}.writing")
        beside.write_text(json.dumps({**asdict(self), **more}, indent=1), encoding="utf-8")
        beside.replace(path)


def automatic_epochs(num_images: int, enlarged: float = 1.0) -> int:
    """Epochs for ``num_images`` training images where none were asked for.

    30 passes, but at least 4,000 and at most 12,000 samples: 4 to 12 minutes at 17 images a second.
    Fewer of ``enlarged`` pictures (their side against that which the base was made for): each takes
    longer by the square of it, and shows more. Never under 6 passes nor over 300.
    """
    samples = min(max(PASSES * num_images, SAMPLES_LEAST), SAMPLES_MOST) / enlarged
    return min(max(round(samples / max(num_images, 1)), EPOCHS_LEAST), EPOCHS_MOST)


def automatic_patience(evaluations: int) -> int:
    """Evaluations without a better AP after which a run of so many ends: 40 %, at least 8.

    The cosine brings the best epochs towards the end, so that less patience would throw them away.
    """
    return max(8, math.ceil(0.4 * evaluations))


def is_out_of_patience(epochs: Sequence[dict[str, Any]], patience: int) -> bool:
    """Whether the last ``patience`` evaluations all brought no better AP (epoch events' facts).

    A ``patience`` of 0 never ends, nor does a run that has found nothing yet: it is on its way to
    the first box.
    """
    scores = [facts["map_50_95"] for facts in epochs if facts["map_50_95"] is not None]
    if not patience or len(scores) <= patience:
        return False
    best_before = max(scores[:-patience])
    return best_before > 0 and max(scores[-patience:]) <= best_before


def epochs_in(seconds: float, an_epoch: float, overhead: float, an_evaluation: float = 0.0) -> int:
    """Epochs that fit into ``seconds``, of which ``overhead`` go to starting and exporting.

    ``an_epoch`` and ``an_evaluation`` are in seconds.
    """
    left = seconds - overhead
    each = max(an_epoch + an_evaluation, 1e-6)
    if left > MOST_EVALUATIONS * each:
        return int((left - MOST_EVALUATIONS * an_evaluation) / max(an_epoch, 1e-6))
    return max(1, int(left / each))
