"""The training run, from its records to its exported model. Reads top to bottom.

What lies in the run's folder is written beside and renamed, so a run that is killed at any moment
goes on from its last whole epoch when `train` is called on the same folder again.
"""

from __future__ import annotations

import json
import math
import resource
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from detection.bases import weights_dir
from detection.evaluation import evaluate, quick_scores, worst_images
from detection.export import export_bundle
from detection.input_pipeline import Augmentation, sample_order, training_batches
from detection.models.ssd.detector import build_detector, freeze_early_layers
from detection.models.ssd.postprocessing import DEFAULT_IOU_THRESHOLD
from detection.models.ssd.weights import load_published, read_graph_model
from detection.training.checkpoints import load_checkpoint, save_checkpoint
from detection.training.data import RunData, load_data, remarks
from detection.training.reporting import Pulse, Reporter
from detection.training.schedule import learning_rate
from detection.training.settings import (
    TrainingError,
    TrainingSettings,
    automatic_epochs,
    epochs_in,
)
from detection.training.step import TrainingStep
from detection.training.validator import Validator

MEASURED_STEPS = 5
# Converting, checking and starting, beside the steps themselves.
EXPORT_SECONDS = 60.0
MOST_EVALUATIONS = 40
WORST_SCORE = 0.3


class Stopped(Exception):
    """The run was asked to stop before its first checkpoint: there is nothing to keep."""


@dataclass
class Progress:
    """What a checkpoint remembers beside the weights."""

    epoch: int = 0
    best_epoch: int | None = None
    best: float | None = None
    seconds: float = 0.0
    epochs: list[dict[str, Any]] = field(default_factory=list)


def train(
    out: Path,
    records: Path,
    label_map: Path,
    settings: TrainingSettings,
    reporter: Reporter,
    stop: threading.Event,
) -> dict[str, Any]:
    """Train, evaluate and export into ``out``; go on where an earlier call was cut off.

    Setting ``stop`` ends it early with the best checkpoint so far. Returns the finished event's
    facts. Raises TrainingError in words, Stopped where nothing is there to keep.
    """
    out.mkdir(parents=True, exist_ok=True)
    reporter.tell("phase", phase="preparing")
    keras.utils.set_random_seed(settings.seed % 2**32)
    data = load_data(records, label_map, out / "cache", settings.input_size)
    for remark in remarks(data):
        reporter.tell("log", message=remark)
    run = _Run(out, data, settings, reporter, stop)
    run.train()
    facts = run.finish()
    shutil.rmtree(out / "cache", ignore_errors=True)
    return facts


class _Run:
    """One run in progress."""

    def __init__(
        self,
        out: Path,
        data: RunData,
        settings: TrainingSettings,
        reporter: Reporter,
        stop: threading.Event,
    ) -> None:
        self.out, self.data, self.settings = out, data, settings
        self.reporter, self.stop = reporter, stop
        self.batch_size = min(settings.batch_size, data.train.num_images)
        self.steps = max(1, data.train.num_images // self.batch_size)
        self.model = build_detector(len(data.label_map), settings.input_size)
        load_published(self.model, read_graph_model(weights_dir(settings.base)), None)
        freeze_early_layers(self.model)
        self.step = TrainingStep(self.model, settings.input_size)
        self.validator = Validator(self.model, data.label_map, settings.input_size)
        self.truth = data.val_truth()
        self.progress = Progress()
        self.started = time.monotonic()
        self.pulse = Pulse()
        self.pace = 0.0

    # -- the run ---------------------------------------------------------------------------

    def train(self) -> None:
        last = load_checkpoint(self.out / "checkpoints" / "last.npz")
        self.epochs = self._measure(self._kept_epochs())
        if last is not None:
            arrays, facts = last
            try:
                self.step.restore(arrays)
            except (KeyError, ValueError) as error:
                raise TrainingError(
                    f"{self.out}: the checkpoint there is of another run ({error}). "
                    "Choose another folder."
                ) from error
            self.progress = Progress(**facts)
        self.settings.save(self.out / "run.json", epochs_chosen=self.epochs, versions=_versions())
        self._write_metrics_lines()
        self.reporter.tell(
            "started",
            images={"train": self.data.train.num_images, "val": len(self.truth)},
            labels=list(self.data.label_map.names),
            epochs=self.epochs,
            steps_per_epoch=self.steps,
            resumed_from_epoch=self.progress.epoch,
        )
        self.reporter.tell("phase", phase="training")
        self.order = sample_order(
            self.data.train.num_images,
            self.epochs * self.steps * self.batch_size,
            self.settings.seed,
        )
        batches = iter(self._batches(self.progress.epoch * self.steps))
        while self.progress.epoch < self.epochs and not self.stop.is_set():
            loss = self._train_one_epoch(batches, self.progress.epoch)
            if loss is None:
                break
            self._end_epoch(loss)
        if self.progress.best_epoch is None:
            raise Stopped

    def _batches(self, first_step: int) -> Any:
        return training_batches(
            self.data.train,
            self.order,
            batch_size=self.batch_size,
            input_size=self.settings.input_size,
            seed=self.settings.seed,
            augmentation=Augmentation(flip=self.settings.flip),
            first_sample=first_step * self.batch_size,
        )

    def _train_one_epoch(self, batches: Any, epoch: int) -> float | None:
        """Mean loss of the epoch; None where it was stopped in its midst."""
        total = self.epochs * self.steps
        losses, began = [], time.monotonic()
        for number in range(self.steps):
            if self.stop.is_set():
                return None
            batch = next(batches)
            rate = learning_rate(epoch * self.steps + number, total, self.settings.learning_rate)
            loss = self.step(batch, rate)
            if not math.isfinite(loss):
                self._refuse_loss(loss, epoch, number, batch)
            losses.append(loss)
            seconds = time.monotonic() - began
            self._tell_progress(epoch, number + 1, float(np.mean(losses)), rate, seconds)
        self.pace = (time.monotonic() - began) / self.steps
        return float(np.mean(losses))

    def _end_epoch(self, loss: float) -> None:
        progress = self.progress
        progress.epoch += 1
        averaged = self.step.averaged_weights()
        facts: dict[str, Any] = {"epoch": progress.epoch, "loss": loss, "val_loss": None}
        facts |= {"map_50": None, "map_50_95": None, "per_label": {}, "best": False}
        if self._is_due(progress.epoch):
            self._judge(averaged, facts)
        progress.seconds += time.monotonic() - self.started
        self.started = time.monotonic()
        facts["seconds"] = progress.seconds
        progress.epochs.append(facts)
        if facts["best"]:
            save_checkpoint(
                self.out / "checkpoints" / "best.npz", averaged, {"epoch": progress.epoch}
            )
        save_checkpoint(
            self.out / "checkpoints" / "last.npz", self.step.state(), dict(vars(progress))
        )
        self._write_metrics_lines()
        self.reporter.tell("epoch", **facts)
        self.reporter.tell("checkpoint", epoch=progress.epoch)

    def _judge(self, averaged: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        """Evaluate the averaged weights; without val images the last epoch is the best."""
        if not self.truth:
            facts["best"] = True
            self.progress.best_epoch = facts["epoch"]
            return
        assert self.data.val is not None
        self.validator.take_weights(averaged)
        found = self.validator.detect(self.data.val)
        facts |= quick_scores(self.truth, found, self.data.label_map)
        score = facts["map_50_95"] or 0.0
        if self.progress.best is None or score >= self.progress.best:
            facts["best"] = True
            self.progress.best, self.progress.best_epoch = score, facts["epoch"]
            items = worst_images(self.truth, found, self.data.label_map, WORST_SCORE, 8)
            self.reporter.tell("worst", items=items)

    def _is_due(self, epoch: int) -> bool:
        """Every epoch of a short run; a long one is evaluated about 40 times, and at its end."""
        every = -(-self.epochs // MOST_EVALUATIONS)
        return epoch % every == 0 or epoch == self.epochs or epoch == 1

    def finish(self) -> dict[str, Any]:
        """Judge the best checkpoint thoroughly and export it."""
        self.reporter.tell("phase", phase="evaluating")
        best = load_checkpoint(self.out / "checkpoints" / "best.npz")
        assert best is not None
        self.validator.take_weights(best[0])
        found = self.validator.detect(self.data.val) if self.data.val is not None else []
        metrics = evaluate(self.truth, found, self.data.label_map)
        metrics["epochs"] = self.progress.epochs
        if metrics.get("worst"):
            self.reporter.tell("worst", items=metrics["worst"])
        threshold = metrics.get("score_threshold")
        threshold = 0.5 if threshold is None else float(threshold)
        self.reporter.tell("phase", phase="exporting")
        export_bundle(
            self.validator.model,
            folder=self.out / "model",
            base=self.settings.base,
            input_size=self.settings.input_size,
            label_map=self.data.label_map,
            metrics=metrics,
            score_threshold=threshold,
            iou_threshold=DEFAULT_IOU_THRESHOLD,
            revision=self.settings.revision,
            pictures=self.data.pictures(8),
        )
        facts = {
            "map_50": metrics.get("map_50"),
            "map_50_95": metrics.get("map_50_95"),
            "epoch": self.progress.best_epoch,
            "score_threshold": threshold,
            "stopped": self.progress.epoch < self.epochs,
        }
        self.reporter.tell("finished", **facts)
        return facts

    # -- how long --------------------------------------------------------------------------

    def _kept_epochs(self) -> int | None:
        """The number that an earlier call on this folder chose: a resumed run keeps to it."""
        try:
            kept = json.loads((self.out / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not (self.out / "checkpoints" / "last.npz").exists():
            return None
        return int(kept["epochs_chosen"])

    def _measure(self, kept: int | None) -> int:
        """Time a few steps, forecast the run, and choose the epochs where they were not given.

        The measured steps are undone: a run does not depend on having been measured.
        """
        before = self.step.state()
        self.order = sample_order(
            self.data.train.num_images, (MEASURED_STEPS + 2) * self.batch_size, self.settings.seed
        )
        times = []
        for batch in self._batches(0):
            began = time.monotonic()
            self.step(batch, 0.0)
            times.append(time.monotonic() - began)
        self.step.restore(before)
        pace = float(np.median(times[1:])) if len(times) > 1 else times[0]
        self.pace = pace
        evaluation = len(self.truth) * pace / self.batch_size / 2
        overhead = EXPORT_SECONDS + (time.monotonic() - self.started)
        an_epoch = pace * self.steps
        if kept is not None:
            epochs = kept
        elif self.settings.epochs is not None:
            epochs = self.settings.epochs
        elif self.settings.minutes is not None:
            left = self.settings.minutes * 60 - min(MOST_EVALUATIONS, 20) * evaluation
            epochs = epochs_in(left, an_epoch, overhead)
        else:
            epochs = automatic_epochs(self.data.train.num_images)
        seconds = epochs * an_epoch + min(epochs, MOST_EVALUATIONS) * evaluation + overhead
        self.reporter.tell("forecast", seconds=seconds, memory_bytes=_memory_bytes())
        return epochs

    def _tell_progress(
        self, epoch: int, step: int, loss: float, rate: float, seconds: float
    ) -> None:
        if not self.pulse():
            return
        done = epoch * self.steps + step
        total = self.epochs * self.steps
        pace = seconds / step
        self.reporter.tell(
            "progress",
            epoch=epoch + 1,
            epochs=self.epochs,
            step=step,
            steps=self.steps,
            loss=loss,
            learning_rate=rate,
            images_per_second=self.batch_size / pace,
            seconds_left=(total - done) * pace + EXPORT_SECONDS / 2,
            memory_bytes=_memory_bytes(),
            fraction=done / total,
        )

    # -- what is written -------------------------------------------------------------------

    def _write_metrics_lines(self) -> None:
        path = self.out / "metrics.jsonl"
        beside = path.with_name("metrics.jsonl.writing")
        beside.write_text("".join(json.dumps(row) + "\n" for row in self.progress.epochs))
        beside.replace(path)

    def _refuse_loss(self, loss: float, epoch: int, number: int, batch: Any) -> None:
        names = [self.data.train.names[int(row)] for row in batch["picture"].numpy()]
        raise TrainingError(
            f"The loss became {loss} in epoch {epoch + 1}, step {number + 1}, on "
            f"{', '.join(names)}. Look at these images' boxes; if they are right, train with a "
            f"smaller --learning-rate than {self.settings.learning_rate:g}."
        )


def _memory_bytes() -> int:
    """The process's greatest memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _versions() -> dict[str, str]:
    import tensorflow as tf

    return {"tensorflow": tf.__version__, "keras": keras.__version__, "numpy": np.__version__}
