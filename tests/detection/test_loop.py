"""The run itself on tiny data: sets smaller than a batch, gaps in ids, and what ends a run."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detection.bases import DEFAULT_BASE, find_base
from detection.training.from_folder import write_run_records
from detection.training.settings import Stopped, TrainingError, TrainingSettings
from tests.detection.synthetic import COLOURS, write_scenes

pytest.importorskip("tensorflow")

import keras

from detection.models.ssd.detector import (
    build_detector,
    freeze_early_layers,
    freeze_norms,
)
from detection.training.loop import train

SETTINGS = TrainingSettings(epochs=2, input_size=96, batch_size=4)


class Told:
    """Keeps the events; sets ``stop`` at the first of ``stop_at``."""

    def __init__(self, stop_at: str | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.stop, self._stop_at = threading.Event(), stop_at

    def tell(self, event: str, **facts: Any) -> None:
        self.events.append({"event": event, **facts})
        json.dumps(self.events[-1], allow_nan=False)
        if event == self._stop_at:
            self.stop.set()

    def all(self, event: str) -> list[dict[str, Any]]:
        return [told for told in self.events if told["event"] == event]


def run(out: Path, settings: TrainingSettings, told: Told) -> dict[str, Any]:
    records = out.parent / "records"
    return train(out, records, records / "label_map.pbtxt", settings, told, told.stop)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of three pictures to learn from and two to be judged by; label ids 3 and 7."""
    if not find_base(DEFAULT_BASE).is_present:
        pytest.skip(f"No base on this machine: ./boxloop bases --fetch {DEFAULT_BASE}")
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "train.txt").write_text("\n".join(write_scenes(folder / "data", 3)))
    (folder / "val.txt").write_text("\n".join(write_scenes(folder / "data", 2, 100)))
    first, second = COLOURS
    (folder / "map.pbtxt").write_text(
        f"item {{ id: 3 name: '{first}' }} item {{ id: 7 name: '{second}' }}"
    )
    splits = folder / "train.txt", folder / "val.txt"
    write_run_records(folder / "records", folder / "data", *splits, folder / "map.pbtxt", 0)
    return folder


@pytest.fixture(scope="module")
def finished(folder: Path) -> tuple[Path, Told]:
    told = Told()
    run(folder / "run", SETTINGS, told)
    return folder / "run", told


def test_a_set_smaller_than_a_batch_is_learnt(finished: tuple[Path, Told]):
    _, told = finished
    (started,) = told.all("started")
    assert started["steps_per_epoch"] == 1
    assert started["images"] == {"train": 3, "val": 2}
    assert len(told.all("epoch")) == 2
    assert told.events[-1]["event"] == "finished"
    assert told.events[-1]["stopped"] is False


def test_its_model_answers_with_the_label_maps_ids(finished: tuple[Path, Told]):
    out, _ = finished
    facts = json.loads((out / "model" / "model.json").read_text())
    assert [label["id"] for label in facts["labels"]] == [3, 7]


def test_decoded_pictures_are_cleared_away(finished: tuple[Path, Told]):
    assert not (finished[0] / "cache").exists()


def test_the_same_folder_is_refused_to_another_run(finished: tuple[Path, Told]):
    with pytest.raises(TrainingError, match="begun with --seed 0, and now it is 1"):
        run(finished[0], replace(SETTINGS, seed=1), Told())
    assert (finished[0] / "model" / "model.json").exists()


class Killed(BaseException):
    """Ends a run as a kill does: no one catches it."""


class Fatal(Told):
    """Kills the run at the given event of the given epoch."""

    def __init__(self, event: str, epoch: int) -> None:
        super().__init__()
        self._fatal = event, epoch

    def tell(self, event: str, **facts: Any) -> None:
        super().tell(event, **facts)
        if (event, facts.get("epoch")) == self._fatal:
            raise Killed


def test_a_killed_run_ends_with_the_metrics_of_an_uncut_one(
    folder: Path, finished: tuple[Path, Told]
):
    again = folder / "killed"
    with pytest.raises(Killed):
        run(again, SETTINGS, Fatal("checkpoint", 1))
    told = Fatal("epoch", 2)
    with pytest.raises(Killed):
        run(again, SETTINGS, told)
    (started,) = told.all("started")
    assert started["resumed_from_epoch"] == 1
    uncut, resumed = finished[1].all("epoch")[1], told.all("epoch")[0]
    for name in ("loss", "map_50", "map_50_95", "per_label", "best"):
        assert resumed[name] == pytest.approx(uncut[name], rel=1e-6), name


def test_a_loss_that_is_no_number_names_the_images(folder: Path):
    wild = replace(SETTINGS, epochs=20, learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"scene_\d.*smaller --learning-rate"):
        run(folder / "wild", wild, Told())
    assert not (folder / "wild" / "cache").exists()


def test_stopped_before_the_first_epoch_there_is_nothing(folder: Path):
    told = Told("forecast")
    with pytest.raises(Stopped):
        run(folder / "stopped", replace(SETTINGS, epochs=500), told)
    assert not told.all("epoch")
    assert not (folder / "stopped" / "cache").exists()


def test_stopped_later_it_keeps_the_best_so_far(folder: Path):
    told = Told("checkpoint")
    run(folder / "stopped_later", replace(SETTINGS, epochs=500), told)
    assert [epoch["epoch"] for epoch in told.all("epoch")] == [1]
    assert told.events[-1]["event"] == "finished"
    assert told.events[-1]["stopped"] is True
    assert (folder / "stopped_later" / "model" / "model.json").is_file()


# -- what is kept as it is -----------------------------------------------------------------------


def test_the_early_layers_stay_as_they_are():
    model = build_detector(2, 96, width=0.25)
    freeze_early_layers(model)
    fixed = {layer.name for layer in model.layers if layer.weights and not layer.trainable}
    assert fixed == {
        "Conv", "expanded_conv_depthwise", "expanded_conv_project",
        *(f"expanded_conv_{block}_{part}" for block in (1, 2)
          for part in ("expand", "depthwise", "project")),
    }  # fmt: skip


def test_norms_of_small_batches_are_not_learnt():
    keras.utils.set_random_seed(1)
    model = build_detector(2, 96, width=0.25)
    freeze_norms(model)
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
    learning, detecting = model(picture, training=True), model(picture, training=False)
    np.testing.assert_allclose(learning["class_logits"], detecting["class_logits"], atol=1e-5)
