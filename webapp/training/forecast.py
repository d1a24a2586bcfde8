"""How long a run will take, before it starts: an estimate, and what it rests on."""

from dataclasses import dataclass
from typing import Any

from detection.training.settings import automatic_epochs
from webapp.leases import Status
from webapp.training.models import TrainingRun

# Measured at 300 px, batch 8, on two CPU cores.
PACE = 24.0
PACE_SIZE = 300
MEMORY = 1_500_000_000
# Starting, evaluating and exporting, beside the training steps themselves.
OVERHEAD = 1.12
START_SECONDS = 15.0


@dataclass(frozen=True)
class Pace:
    """Images a second at PACE_SIZE, the memory that it took, and where the figures come from."""

    images_per_second: float
    memory: int
    words: str
    measured: bool


def machine_pace() -> Pace:
    """From the newest finished run of this installation, else the documented figure."""
    run = (
        TrainingRun.objects.filter(status=Status.FINISHED, images_per_second__gt=0)
        .order_by("-finished_at")
        .first()
    )
    if run is None or run.images_per_second is None:
        return Pace(PACE, MEMORY, "from two CPU cores; a GPU is many times quicker", measured=False)
    scale = (run.input_size / PACE_SIZE) ** 2
    return Pace(
        run.images_per_second * scale,
        run.memory_bytes or MEMORY,
        "from the speed of the last run on this machine",
        measured=True,
    )


def forecast_facts(num_train: int, waits: float | None) -> dict[str, Any]:
    """What the page's script needs to forecast any choice (static/js/train.js)."""
    pace = machine_pace()
    return {
        "images_per_second": pace.images_per_second,
        "pace_size": PACE_SIZE,
        "memory": pace.memory,
        "overhead": OVERHEAD,
        "start_seconds": START_SECONDS,
        "images": num_train,
        "automatic_epochs": automatic_epochs(num_train) if num_train else 0,
        "waits": waits,
        "words": pace.words,
        "measured": pace.measured,
    }


def forecast_seconds(facts: dict[str, Any], epochs: int, input_size: int) -> float:
    """Seconds of training `epochs` at `input_size`: the same sum as in train.js."""
    pace = facts["images_per_second"] * (PACE_SIZE / input_size) ** 2
    return START_SECONDS + OVERHEAD * facts["images"] * epochs / pace
