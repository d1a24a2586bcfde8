"""How long a run will take, before it starts: an estimate, and what it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detection.bases import BASES, DEFAULT_BASE
from detection.training.input_size import OFFERED_SIZES
from detection.training.machine import guessed_images_per_second
from detection.training.settings import MOST_EVALUATIONS, automatic_epochs
from webapp.leases import Status
from webapp.training.models import TrainingRun

# Before the first run a machine is judged by a matrix product. Starting, judging at the end and
# exporting take as long as learning from so many images, at PACE_SIZE and PACE_BATCH.
START_IMAGES = 1100
PACE_SIZE, PACE_BATCH = 300, 8
MEMORY = 1_800_000_000
# Pruned models learn in so much of the time of whole ones (docs/detector.md).
PRUNED_SHARE = 0.8
# Where nobody knows how fast the training is.
START_SECONDS = 100.0
# The part of the memory that does not grow with the images and the batch.
FIXED_MEMORY = 0.5


@dataclass(frozen=True)
class Pace:
    """Images a second at PACE_SIZE; seconds for the rest; memory; and whence.

    `judging`: seconds that a val image takes each time that an epoch is judged, at PACE_SIZE; 0
    where it is in the images a second.
    """

    images_per_second: float | None
    judging: float
    overhead: float
    memory: float
    words: str
    measured: bool
    pruned: bool


def machine_pace(base: str = DEFAULT_BASE) -> Pace:
    """From the newest finished run of `base` here, else from how fast the machine computes.

    Images a second are None where there are none: of bases that are no SSD.
    """
    run = (
        TrainingRun.objects.filter(status=Status.FINISHED, images_per_second__gt=0, base=base)
        .select_related("revision")
        .order_by("-finished_at")
        .first()
    )
    if run is None or run.images_per_second is None:
        if not _is_ssd(base):
            words = "not known before the first run of this base here"
            return Pace(None, 0.0, START_SECONDS, MEMORY, words, measured=False, pruned=False)
        words = "from the speed of this machine's cores; a GPU is many times quicker"
        pace = guessed_images_per_second()
        return Pace(pace, 0.0, START_IMAGES / pace, MEMORY, words, measured=False, pruned=True)
    pace, judging, overhead = _measured(run)
    memory = (
        run.memory_bytes / memory_factor(run.input_size, run.batch_size)
        if (run.memory_bytes)
        else MEMORY
    )
    return Pace(
        pace * (run.input_size / PACE_SIZE) ** 2,
        judging / (run.input_size / PACE_SIZE) ** 2,
        overhead,
        memory,
        "from the last run on this machine",
        measured=True,
        pruned=run.prune,
    )


def _measured(run: TrainingRun) -> tuple[float, float, float]:
    """Of a finished run: images a second, seconds to judge a val image, and all other seconds.

    From the first epoch's end to the last one's there is nothing but learning and judging; what
    the steps' own pace does not explain of it was judging.
    """
    measured = run.epoch_metrics.exclude(seconds=None).order_by("epoch")
    epochs = list(measured.values_list("epoch", "seconds", "map_50_95", named=True))
    splits = run.revision.counts.get("splits", {})
    images, val = (splits.get(name, {}).get("images", 0) for name in ("train", "val"))
    if not epochs or not images or not run.started_at or not run.finished_at:
        return run.images_per_second or guessed_images_per_second(), 0.0, START_SECONDS
    took = (run.finished_at - run.started_at).total_seconds()
    first, last = epochs[0], epochs[-1]
    learnt, seconds = (last.epoch - first.epoch) * images, last.seconds - first.seconds
    if not learnt or seconds <= 0:
        pace = run.images_per_second or guessed_images_per_second()
        return pace, 0.0, max(took - last.epoch * images / pace, 1.0)
    judged = val * sum(epoch.map_50_95 is not None for epoch in epochs[1:])
    pace = learnt / seconds
    if judged and run.images_per_second:
        pace = max(pace, run.images_per_second)
    judging = (seconds - learnt / pace) / judged if judged else 0.0
    spent = last.epoch * images / pace
    if first.map_50_95 is not None:
        judged += val
    return pace, judging, max(took - spent - judged * judging, 1.0)


def memory_factor(input_size: int, batch_size: int) -> float:
    """Memory, against that at PACE_SIZE and PACE_BATCH."""
    pixels = (input_size / PACE_SIZE) ** 2 * batch_size / PACE_BATCH
    return FIXED_MEMORY + (1 - FIXED_MEMORY) * pixels


def forecast_facts(
    num_train: int, num_val: int, auto_size: int, waits: float | None, bases: Sequence[str] = ()
) -> dict[str, Any]:
    """What the page's script needs to forecast any choice (static/js/train.js).

    `bases` has by name what is another base's own; the rest is the default base's.
    """
    return {
        **_of_base(DEFAULT_BASE, num_train, auto_size),
        "pace_size": PACE_SIZE,
        "pruned_share": PRUNED_SHARE,
        "images": num_train,
        "val": num_val,
        "most_evaluations": MOST_EVALUATIONS,
        "waits": waits,
        "bases": {name: _of_base(name, num_train, auto_size) for name in bases},
    }


def with_revisions(facts: dict[str, Any], numbers: Sequence[int]) -> dict[str, Any]:
    """`facts` with the automatic epochs of other numbers of training images, by size, too."""

    def of_base(name: str, own: dict[str, Any]) -> dict[str, Any]:
        by_images = {number: _epochs_by_size(name, number, own["auto_size"]) for number in numbers}
        return {**own, "epochs_by_images": by_images}

    bases = {name: of_base(name, own) for name, own in facts["bases"].items()}
    return {**of_base(DEFAULT_BASE, facts), "bases": bases}


def _epochs_by_size(name: str, num_train: int, auto_size: int) -> dict[int, int]:
    """The automatic epochs at each input size that may be chosen."""
    if not num_train:
        return {}
    made_for = BASES[name].input_size if name in BASES else PACE_SIZE
    sizes = {*OFFERED_SIZES, auto_size}
    return {size: automatic_epochs(num_train, size / made_for) for size in sorted(sizes)}


def _of_base(name: str, num_train: int, auto_size: int) -> dict[str, Any]:
    pace = machine_pace(name)
    size = auto_size if _is_ssd(name) else BASES[name].input_size
    epochs = _epochs_by_size(name, num_train, size)
    return {
        "automatic_epochs": epochs.get(size, 0),
        "epochs_by_size": epochs,
        "images_per_second": pace.images_per_second,
        "judging": pace.judging,
        "pruned": pace.pruned,
        "auto_size": size,
        "auto_words": f"{size} px"
        + (" for these boxes" if _is_ssd(name) else ", the base's own, for the shorter side"),
        "changes": sorted(BASES[name].changes) if name in BASES else None,
        "memory": pace.memory if pace.images_per_second else None,
        "start_seconds": pace.overhead,
        "words": pace.words,
        "measured": pace.measured,
    }


def _is_ssd(name: str) -> bool:
    return name not in BASES or BASES[name].architecture == "ssd"


def forecast_seconds(facts: dict[str, Any], epochs: int, input_size: int) -> float | None:
    """Seconds of training `epochs` at `input_size`: the same sum as in train.js.

    None where nobody knows how fast it is.
    """
    if not facts["images_per_second"]:
        return None
    larger: float = (input_size / PACE_SIZE) ** 2
    learning: float = facts["images"] * epochs / facts["images_per_second"] * larger
    evaluations = min(epochs, facts["most_evaluations"])
    judging: float = facts["val"] * evaluations * facts["judging"] * larger
    return float(facts["start_seconds"]) + learning + judging
