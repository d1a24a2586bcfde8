"""Carry the trainer's events into the run's row, with the lease as the condition of each write."""

from typing import Any

from django.utils import timezone

from webapp.datasets.models import Image
from webapp.training.models import EpochMetrics, LogLine, TrainingRun

PROGRESS = (
    "epoch", "epochs", "step", "steps", "fraction", "loss", "learning_rate",
    "images_per_second", "waiting", "memory_bytes", "seconds_left",
)  # fmt: skip


def take_event(run: TrainingRun, event: dict[str, Any]) -> None:
    """Write one event of `python -m detection train --events`. Raises LeaseLost.

    Events of kinds that are not known here are passed over: an older page beside a newer engine.
    """
    handle = HANDLERS.get(str(event.get("event")))
    if handle is not None:
        handle(run, event)


def _started(run: TrainingRun, event: dict[str, Any]) -> None:
    run.write(
        phase=TrainingRun.Phase.TRAINING,
        epochs=event.get("epochs"),
        steps=event.get("steps_per_epoch"),
        epoch=event.get("resumed_from_epoch") or 0,
        input_size=event.get("input_size") or run.input_size,
    )
    resumed = event.get("resumed_from_epoch")
    _say(run, f"goes on from the checkpoint of epoch {resumed}" if resumed else "training starts")


def _forecast(run: TrainingRun, event: dict[str, Any]) -> None:
    """The trainer tells what is left; the page holds the whole against what the run took."""
    seconds = event.get("seconds")
    if seconds is not None and run.started_at is not None:
        seconds += (timezone.now() - run.started_at).total_seconds()
    run.write(forecast_seconds=seconds, forecast_memory=event.get("memory_bytes"))


def _progress(run: TrainingRun, event: dict[str, Any]) -> None:
    run.write(**{name: event[name] for name in PROGRESS if event.get(name) is not None})


def _phase(run: TrainingRun, event: dict[str, Any]) -> None:
    if event.get("phase") in TrainingRun.Phase.values:
        run.write(phase=event["phase"])


def _epoch(run: TrainingRun, event: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"epoch": event["epoch"]}
    if event.get("best"):
        fields |= {
            "best_epoch": event["epoch"],
            "best_map_50": event.get("map_50"),
            "best_map_50_95": event.get("map_50_95"),
        }
    run.write(**fields)
    names = ("loss", "val_loss", "map_50", "map_50_95", "seconds")
    EpochMetrics.objects.update_or_create(
        run=run,
        epoch=event["epoch"],
        defaults={
            **{name: event.get(name) for name in names},
            "per_label": event.get("per_label") or {},
            "best": bool(event.get("best")),
        },
    )
    words = f"{event['epoch']}/{run.epochs or '?'} loss {event.get('loss') or 0:.3f}"
    if event.get("map_50") is not None:
        words += f" AP50 {100 * event['map_50']:.1f} AP {100 * event['map_50_95']:.1f}"
    _say(run, words)
    if event.get("best"):
        _say(run, f"kept: epoch {event['epoch']} is the best so far")


def _worst(run: TrainingRun, event: dict[str, Any]) -> None:
    run.write(worst=with_image_ids(run, event.get("items") or []))


def _log(run: TrainingRun, event: dict[str, Any]) -> None:
    run.write()
    _say(run, str(event.get("message", "")))


def _say(run: TrainingRun, text: str) -> None:
    LogLine.objects.create(run=run, text=text[:1000])


def with_image_ids(run: TrainingRun, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each item with the `image_id` of the project's image that its record was made of."""
    names = {str(item.get("image")) for item in items}
    images = Image.objects.kept().filter(project_id=run.project_id, name__in=names)
    ids = dict(images.order_by("-pk").values_list("name", "pk"))
    return [{**item, "image_id": ids.get(str(item.get("image")))} for item in items]


HANDLERS = {
    "started": _started,
    "forecast": _forecast,
    "progress": _progress,
    "phase": _phase,
    "epoch": _epoch,
    "worst": _worst,
    "log": _log,
}
