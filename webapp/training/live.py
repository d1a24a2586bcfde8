"""A run as its page shows it: once when it is opened, then each second as JSON."""

import zlib
from datetime import timedelta
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone

from webapp.leases import Status
from webapp.training.errors_shown import shown_errors
from webapp.training.forms import AUTO, SWITCHES
from webapp.training.labels_shown import palette_index
from webapp.training.models import TrainedModel, TrainingRun
from webapp.training.queue import wait_of

LOG_LINES = 200
WORST_SHOWN = 8


def run_state(
    run: TrainingRun, *, after_epoch: int = 0, after_log: int = 0, worst: str = ""
) -> dict[str, Any]:
    """What has changed since the page's last look.

    `after_epoch` and `after_log` are the last epoch and log line that the page has; `worst` is
    the key of its gallery. `parts` maps places of the page to their new HTML.
    """
    epochs = list(
        run.epoch_metrics.filter(epoch__gt=after_epoch).values(
            "epoch", "loss", "val_loss", "map_50", "map_50_95", "best"
        )
    )
    lines = list(
        run.log_lines.filter(pk__gt=after_log)
        .order_by("-pk")
        .values("pk", "at", "text")[:LOG_LINES]
    )
    head = head_of(run)
    parts = {
        "state": render_to_string("training/_run_state.html", head),
        "progress": render_to_string("training/_run_progress.html", head),
    }
    if epochs or not after_epoch:
        parts["labels"] = render_to_string("training/_run_labels.html", labels_of(run))
    key = worst_key(run)
    if key != worst:
        parts["worst"] = render_to_string("training/_run_worst.html", worst_of(run))
    return {
        "status": run.status,
        "ended": not run.is_active,
        "stopping": run.cancel_requested,
        "title": _title(run),
        "epochs_total": run.epochs or run.epochs_asked,
        "epochs": epochs,
        "log": [
            {"id": line["pk"], "at": line["at"].isoformat(), "text": line["text"]}
            for line in reversed(lines)
        ],
        "worst": key,
        "parts": parts,
    }


def head_of(run: TrainingRun) -> dict[str, Any]:
    """State, progress and figures of the run."""
    left = run.seconds_left if run.status == Status.RUNNING else None
    end = run.finished_at or timezone.now()
    return {
        "run": run,
        "project": run.project,
        "model": TrainedModel.objects.filter(run=run).first(),
        "wait": wait_of(run, run.project_id) if run.status == Status.QUEUED else None,
        "now": _now(run),
        "elapsed": (end - run.started_at).total_seconds() if run.started_at else None,
        "done_at": timezone.now() + timedelta(seconds=left) if left is not None else None,
        "again": settings_of(run),
    }


def _now(run: TrainingRun) -> str:
    """What the run does at this moment, in a few words."""
    if run.cancel_requested:
        return "Stopping, keeping the best"
    if run.phase == TrainingRun.Phase.TRAINING and run.epochs:
        under_way = run.epoch + 1 if run.step else run.epoch
        return f"Epoch {min(max(under_way, 1), run.epochs)} of {run.epochs}"
    words = {
        TrainingRun.Phase.PREPARING: "Preparing the photos and the base",
        TrainingRun.Phase.EVALUATING: f"Judging epoch {run.epoch} on the validation images",
        TrainingRun.Phase.EXPORTING: "Exporting the best model",
        TrainingRun.Phase.TRAINING: "Training",
    }
    return words.get(TrainingRun.Phase(run.phase), "Starting")


def _title(run: TrainingRun) -> str:
    if run.status == Status.RUNNING:
        return f"{round(100 * run.fraction)} % · {run}"
    return (
        f"{run.get_status_display()} · {run}" if run.status != Status.FINISHED else f"Done · {run}"
    )


def settings_of(run: TrainingRun) -> dict[str, Any]:
    """The form fields that start the same run again."""
    length = "minutes" if run.minutes_asked else "epochs" if run.epochs_asked else "auto"
    return {
        "revision": run.revision_id,
        "base": run.base,
        "length": length,
        "minutes": run.minutes_asked or "",
        "epochs": run.epochs_asked or "",
        "input_size": run.input_size_asked or AUTO,
        "batch_size": run.batch_size,
        "seed": run.seed,
        **{name: "on" for name in SWITCHES if getattr(run, name)},
    }


def labels_of(run: TrainingRun) -> dict[str, Any]:
    """AP50 of each label at the newest evaluated epoch, in the order of class ids.

    A label without a box among the validation images has None.
    """
    newest = run.epoch_metrics.exclude(map_50=None).order_by("-epoch").first()
    if newest is None:
        return {"epoch": None, "rows": []}
    shown = {label.class_id: str(label) for label in run.project.labels.all()}
    rows = [
        {
            "shown": shown.get(item["id"], item["name"]),
            "palette": palette_index(item["id"]),
            "ap": newest.per_label.get(item["name"]),
        }
        for item in run.revision.counts.get("labels", [])
    ]
    return {"epoch": newest.epoch, "rows": rows}


def worst_key(run: TrainingRun) -> str:
    return f"{zlib.crc32(repr(run.worst).encode()):08x}" if run.worst else ""


def worst_of(run: TrainingRun) -> dict[str, Any]:
    errors = shown_errors(run.worst, run.project, run.revision.counts.get("labels", []), run.pk)
    return {"errors": errors[:WORST_SHOWN], "num_errors": len(errors), "run": run}
