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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from detection.bases import weights_dir
from detection.evaluation import evaluate, quick_scores, worst_images
from detection.export import ExportError, export_bundle
from detection.input_pipeline import Augmentation, sample_order, training_batches
from detection.models.ssd.detector import build_detector, freeze_early_layers, freeze_norms
from detection.models.ssd.postprocessing import DEFAULT_IOU_THRESHOLD
from detection.models.ssd.weights import load_published, read_graph_model
from detection.training.checkpoints import load_checkpoint, save_checkpoint
from detection.training.data import RunData, load_data, remarks
from detection.training.progress import Progress
from detection.training.reporting import Pulse, Reporter
from detection.training.schedule import learning_rate
from detection.training.settings import (
    MOST_EVALUATIONS,
    Stopped,
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
# Epochs of a few steps are not all worth writing 70 MB.
SAVE_SECONDS = 10.0
# Batch norms of fewer pictures learn noise; on the last feature map each picture is one value.
LEAST_NORM_BATCH = 4
WORST_SCORE = 0.3


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
    has_kept = (out / "checkpoints" / "best.npz").exists()

    def check() -> None:
        if stop.is_set() and not has_kept:
            raise Stopped

    try:
        data = load_data(records, label_map, out / "cache", settings.input_size, check)
        for remark in remarks(data):
            reporter.tell("log", message=remark)
        run = _Run(out, data, settings, reporter, stop)
        check()
        run.train()
        return run.finish()
    except tf.errors.ResourceExhaustedError as error:
        raise TrainingError(
            "There is not enough memory on the device. Train with a smaller --batch-size than "
            f"{settings.batch_size}, or a smaller --input-size than {settings.input_size}."
        ) from error
    except ExportError as error:
        raise TrainingError(str(error)) from error
    finally:
        shutil.rmtree(out / "cache", ignore_errors=True)


def start_model(num_classes: int, settings: TrainingSettings) -> keras.Model:
    """The base with new class predictors, ready to be fine-tuned."""
    model = build_detector(num_classes, settings.input_size)
    load_published(model, read_graph_model(weights_dir(settings.base)), None)
    freeze_early_layers(model)
    if settings.batch_size < LEAST_NORM_BATCH:
        freeze_norms(model)
    return model


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
        # A batch may be larger than the set: it then shows pictures twice, each time otherwise.
        self.batch_size = settings.batch_size
        self.steps = max(1, round(data.train.num_images / self.batch_size))
        self.model = start_model(len(data.label_map), settings)
        self.step = TrainingStep(self.model, settings.input_size)
        self.validator = Validator(self.model, data.label_map, settings.input_size)
        self.truth = data.val_truth()
        self.progress = Progress()
        self.started = time.monotonic()
        self.saved = -math.inf
        self.pulse = Pulse()

    # -- the run ---------------------------------------------------------------------------

    def train(self) -> None:
        self._take_up()
        self.epochs = self._measure()
        self.progress.num_epochs = self.epochs
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

    def _take_up(self) -> None:
        """Go on from the last checkpoint, where there is one. Raises TrainingError."""
        fingerprint = self.data.fingerprint()
        last = load_checkpoint(self.out / "checkpoints" / "last.npz")
        if last is not None:
            arrays, facts = last
            try:
                self.progress = Progress(**facts)
                self.progress.refuse_other_run(self.settings, fingerprint, self.out)
                self.step.restore(arrays)
            except (KeyError, ValueError, TypeError) as error:
                raise TrainingError(
                    f"{self.out}: the checkpoint there is of another run ({error}). "
                    "Choose another folder."
                ) from error
        self.progress.settings, self.progress.data = asdict(self.settings), fingerprint

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
        is_saved = self._is_due(progress.epoch) or time.monotonic() - self.saved > SAVE_SECONDS
        if is_saved:
            self._save(averaged if facts["best"] else None)
        self._write_metrics_lines()
        self.reporter.tell("epoch", **facts)
        if is_saved:
            self.reporter.tell("checkpoint", epoch=progress.epoch)

    def _save(self, best: dict[str, np.ndarray] | None) -> None:
        """Write the last checkpoint, and the best one where this epoch is the best."""
        folder = self.out / "checkpoints"
        if best is not None:
            save_checkpoint(folder / "best.npz", best, {"epoch": self.progress.epoch})
        save_checkpoint(folder / "last.npz", self.step.state(), dict(vars(self.progress)))
        self.saved = time.monotonic()

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

    def _measure(self) -> int:
        """Time a few steps, forecast the run, and choose the epochs where they were not given.

        The measured steps are undone: a run does not depend on having been measured.
        """
        pace = self._pace()
        an_epoch = pace * self.steps
        # Evaluating a picture takes about half as long as learning from it.
        an_evaluation = len(self.truth) * pace / self.batch_size / 2
        overhead = EXPORT_SECONDS + (time.monotonic() - self.started)
        if self.progress.num_epochs is not None:
            epochs = self.progress.num_epochs
        elif self.settings.epochs is not None:
            epochs = self.settings.epochs
        elif self.settings.minutes is not None:
            epochs = epochs_in(self.settings.minutes * 60, an_epoch, overhead, an_evaluation)
        else:
            epochs = automatic_epochs(self.data.train.num_images)
        left = max(0, epochs - self.progress.epoch)
        seconds = left * an_epoch + min(left, MOST_EVALUATIONS) * an_evaluation + overhead
        self.reporter.tell("forecast", seconds=seconds, memory_bytes=_memory_bytes())
        return epochs

    def _pace(self) -> float:
        """Seconds a step."""
        before = self.step.state()
        self.order = sample_order(
            self.data.train.num_images, (MEASURED_STEPS + 2) * self.batch_size, self.settings.seed
        )
        times: list[float] = []
        for batch in self._batches(0):
            if self.stop.is_set() and times:
                break
            began = time.monotonic()
            self.step(batch, 0.0)
            times.append(time.monotonic() - began)
        self.step.restore(before)
        return float(np.median(times[1:])) if len(times) > 1 else times[0]

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
