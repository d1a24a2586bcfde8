"""The training run, from its records to its exported model. Reads top to bottom.

What lies in the run's folder is written beside and renamed, so a run that is killed at any moment
goes on from its last whole epoch when `train` is called on the same folder again.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from detection.bases import find_base
from detection.evaluation import quick_scores, worst_images
from detection.export import ExportError
from detection.input_pipeline import repeat_factors, sample_order
from detection.models.architecture import architecture_named
from detection.training.data import RunData, remarks
from detection.training.devices import make_strategy
from detection.training.finish import finish
from detection.training.memory import with_half_a_batch_at_need
from detection.training.pace import (
    MEASURED_STEPS,
    UNCOUNTED_STEPS,
    forecast_memory,
    make_pace,
    peak_memory,
    seconds_a_step,
)
from detection.training.reporting import Pulse, Reporter
from detection.training.run_folder import RunFolder
from detection.training.schedule import learning_rate
from detection.training.settings import (
    MOST_EVALUATIONS,
    Stopped,
    TrainingError,
    TrainingSettings,
    automatic_patience,
    is_out_of_patience,
)

# Epochs of a few steps are not all worth writing 70 MB.
SAVE_SECONDS = 10.0
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

    Setting ``stop`` ends it early with the best checkpoint so far. Where a batch does not fit into
    memory, half of it is tried, once. Returns the finished event's facts. Raises TrainingError in
    words, Stopped where nothing is there to keep.
    """
    out.mkdir(parents=True, exist_ok=True)
    reporter.tell("phase", phase="preparing")
    folder = RunFolder(out)
    has_kept = folder.has_best

    def check() -> None:
        if stop.is_set() and not has_kept:
            raise Stopped

    try:
        architecture = architecture_named(find_base(settings.base).architecture)
        input_size = settings.input_size
        if input_size is None:
            input_size, reason = architecture.choose_input_size(records, settings)
            reporter.tell("log", message=f"Input size {input_size}, {reason}.")
        data = architecture.load_data(records, label_map, out / "cache", input_size, check)
        near = data.near_duplicates()
        for remark in remarks(data, near):
            reporter.tell("log", message=remark)

        def start(batch_size: int | None) -> _Run:
            keras.utils.set_random_seed(settings.seed % 2**32)
            run = _Run(folder, data, settings, input_size, batch_size, reporter, stop)
            check()
            run.train()
            return run

        run = with_half_a_batch_at_need(start, settings, input_size, reporter)
        return run.finish(near)
    except ExportError as error:
        raise TrainingError(str(error)) from error
    finally:
        shutil.rmtree(out / "cache", ignore_errors=True)


class _Run:
    """One run in progress."""

    def __init__(
        self,
        folder: RunFolder,
        data: RunData,
        settings: TrainingSettings,
        input_size: int,
        batch_size: int | None,
        reporter: Reporter,
        stop: threading.Event,
    ) -> None:
        self.began = self.started = time.monotonic()
        self.folder, self.data = folder, data
        self.settings, self.input_size = settings, input_size
        self.reporter, self.stop = reporter, stop
        self.architecture = architecture_named(find_base(settings.base).architecture)
        self.progress, last = folder.take_up(settings, data.fingerprint())
        # A batch may be larger than the set: it then shows pictures twice, each time otherwise.
        self.batch_size = batch_size or self.progress.batch_size or settings.batch_size
        self.progress.batch_size = self.batch_size
        self.steps = max(1, round(data.train.num_images / self.batch_size))
        strategy = make_strategy()
        replicas = strategy.num_replicas_in_sync
        if self.batch_size < replicas:
            raise TrainingError(
                f"A batch of {self.batch_size} cannot be shared by {replicas} GPUs. Give "
                f"--batch-size {replicas} or more."
            )
        with strategy.scope():
            self.model = self.architecture.start_model(
                len(data.label_map),
                settings,
                input_size,
                self.batch_size // replicas,
                data=data,
                state=last,
            )
        if words := self.architecture.about_start(self.model):
            reporter.tell("log", message=words)
        self.step = self.architecture.make_step(self.model, settings, input_size, strategy)
        self.validator = self.architecture.make_judge(
            self.model, data.label_map, settings, input_size
        )
        self._take_up(last)
        self.truth = data.val_truth()
        self.saved = -math.inf
        self.pulse = Pulse()
        self.repeats = repeat_factors(data.train, len(data.label_map))

    # -- the run ---------------------------------------------------------------------------

    def train(self) -> None:
        self.epochs = self._measure()
        self.progress.num_epochs = self.epochs
        self.folder.write_settings(
            self.settings,
            epochs_chosen=self.epochs,
            input_size_chosen=self.input_size,
            batch_size_used=self.batch_size,
        )
        self.folder.write_metrics(self.progress.epochs)
        self.reporter.tell(
            "started",
            images={"train": self.data.train.num_images, "val": len(self.truth)},
            labels=list(self.data.label_map.names),
            epochs=self.epochs,
            steps_per_epoch=self.steps,
            resumed_from_epoch=self.progress.epoch,
            input_size=self.input_size,
            batch_size=self.batch_size,
        )
        self.reporter.tell("phase", phase="training")
        batches = self._batches(self._order(self.epochs * self.steps), self.progress.epoch)
        while not self._is_over():
            loss = self._train_one_epoch(batches, self.progress.epoch)
            if loss is None:
                break
            self._end_epoch(loss)
        if self.progress.best_epoch is None:
            raise Stopped

    def _is_over(self) -> bool:
        if self.progress.epoch >= self.epochs or self.stop.is_set():
            return True
        patience = self.settings.patience
        if patience is None:
            patience = automatic_patience(min(self.epochs, MOST_EVALUATIONS))
        if not is_out_of_patience(self.progress.epochs, patience):
            return False
        self.reporter.tell(
            "log",
            message=(
                f"Ended after epoch {self.progress.epoch} of {self.epochs}: the AP has not become "
                f"better in {patience} evaluations."
            ),
        )
        return True

    def _take_up(self, arrays: dict[str, np.ndarray] | None) -> None:
        if arrays is not None:
            try:
                self.step.restore(arrays)
            except (KeyError, ValueError, TypeError) as error:
                raise self.folder.other_run(error) from error

    def _order(self, steps: int) -> np.ndarray:
        return sample_order(
            self.data.train.num_images, steps * self.batch_size, self.settings.seed, self.repeats
        )

    def _batches(self, order: np.ndarray, first_epoch: int) -> Iterator[Any]:
        return self.step.ahead(
            self.architecture.batches(
                self.data.train,
                order,
                self.settings,
                input_size=self.input_size,
                batch_size=self.batch_size,
                first_sample=first_epoch * self.steps * self.batch_size,
            )
        )

    def _train_one_epoch(self, batches: Iterator[Any], epoch: int) -> float | None:
        """Mean loss of the epoch; None where it was stopped in its midst."""
        total = self.epochs * self.steps
        losses, began, waited = [], time.monotonic(), 0.0
        for number in range(self.steps):
            if self.stop.is_set():
                return None
            asked = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - asked
            rate = learning_rate(epoch * self.steps + number, total, self.settings.learning_rate)
            loss = self.step(batch, rate)
            if not math.isfinite(loss):
                self._refuse_loss(loss, epoch, number, batch)
            losses.append(loss)
            seconds = time.monotonic() - began
            self._tell_progress(epoch, number + 1, float(np.mean(losses)), rate, seconds, waited)
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
            self.folder.save(progress, self.step.state(), averaged if facts["best"] else None)
            self.saved = time.monotonic()
        self.folder.write_metrics(progress.epochs)
        self.reporter.tell("epoch", **facts)
        if is_saved:
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
        return epoch % every == 0 or epoch in (1, self.epochs)

    def finish(self, near: list[tuple[str, str]]) -> dict[str, Any]:
        """Judge the best checkpoint thoroughly and export it; ``near``: `near_duplicates`."""
        facts = finish(
            self.architecture,
            self.folder,
            self.data,
            self.validator,
            self.settings,
            self.input_size,
            self.progress,
            near,
            self.reporter,
        )
        facts["stopped"] = self.stop.is_set() and self.progress.epoch < self.epochs
        self.reporter.tell("finished", **facts)
        return facts

    # -- how long --------------------------------------------------------------------------

    def _measure(self) -> int:
        """Time a few steps, forecast the run, and choose the epochs where they were not given.

        The measured steps are undone: a run does not depend on having been measured.
        """
        epochs = self.progress.num_epochs
        if epochs is not None and self.progress.epoch >= epochs:
            return epochs  # cut off while it exported: there is no step left to forecast
        before = self.step.state()
        a_step = seconds_a_step(
            self._batches(self._order(MEASURED_STEPS + UNCOUNTED_STEPS), 0),
            lambda batch: self.step(batch, 0.0),
            self.stop.is_set,
        )
        self.step.restore(before)
        self.pace = make_pace(
            a_step,
            steps=self.steps,
            batch_size=self.batch_size,
            num_val=len(self.truth),
            finish=self.architecture.seconds_to_finish(
                a_step / self.batch_size, self.input_size, self.data
            ),
            spent=time.monotonic() - self.began,
        )
        if epochs is None:
            enlarged = self.input_size / find_base(self.settings.base).input_size
            epochs = self.pace.epochs(self.settings, self.data.train.num_images, enlarged)
        self.reporter.tell(
            "forecast",
            seconds=self.pace.seconds(max(0, epochs - self.progress.epoch)),
            memory_bytes=forecast_memory(),
            images_per_second=self.batch_size / a_step,
            epochs=epochs,
        )
        return epochs

    def _tell_progress(
        self, epoch: int, step: int, loss: float, rate: float, seconds: float, waited: float
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
            waiting=waited / seconds,
            seconds_left=(total - done) * pace + self.pace.finish,
            memory_bytes=peak_memory(),
            fraction=done / total,
        )

    def _refuse_loss(self, loss: float, epoch: int, number: int, batch: Any) -> None:
        names = [self.data.train.names[int(row)] for row in batch["picture"].numpy()]
        raise TrainingError(
            f"The loss became {loss} in epoch {epoch + 1}, step {number + 1}, on "
            f"{', '.join(names)}. Look at these images' boxes; if they are right, train with a "
            f"smaller --learning-rate than {self.settings.learning_rate:g}."
        )
