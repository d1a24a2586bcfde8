"""Going on: a run's folder takes up its own run only. And epochs that fit into a time."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from detection.training.progress import Progress
from detection.training.settings import (
    TrainingError,
    TrainingSettings,
    automatic_patience,
    epochs_in,
    is_out_of_patience,
)

FOLDER = Path("runs/7")
SETTINGS = TrainingSettings(epochs=40, seed=1, input_size=300)


def begun() -> Progress:
    return Progress(epoch=3, num_epochs=40, settings=asdict(SETTINGS), data="abc")


def test_the_same_run_goes_on():
    begun().refuse_other_run(SETTINGS, "abc", FOLDER)


def test_a_new_run_refuses_nothing():
    Progress().refuse_other_run(SETTINGS, "abc", FOLDER)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seed": 2}, "begun with --seed 1, and now it is 2"),
        ({"seed": 0}, "begun with --seed 1, and now it is 0"),
        ({"epochs": None}, "begun with --epochs 40, and now it is left open"),
        ({"flip": False}, "begun with mirroring on, and now it is off"),
        ({"input_size": 448}, "begun with --input-size 300, and now it is 448"),
        ({"mosaic": True}, "begun with mosaics off, and now it is on"),
        ({"patience": 3}, "begun with --patience left open, and now it is 3"),
        ({"revision": "f00"}, "begun with dataset revision left open, and now it is f00"),
    ],
)
def test_other_settings_are_refused_in_words(changed: dict[str, object], words: str):
    with pytest.raises(TrainingError, match=r"runs/7: .*another --out") as refused:
        begun().refuse_other_run(replace(SETTINGS, **changed), "abc", FOLDER)
    assert words in str(refused.value)


def test_other_data_are_refused_in_words():
    with pytest.raises(TrainingError, match="other images or boxes"):
        begun().refuse_other_run(SETTINGS, "abd", FOLDER)


def test_evaluations_take_their_share_of_a_time_budget():
    # 540 s are left: 54 epochs of 10 s; with 2 s of evaluation each, 40 times at most, 46.
    assert epochs_in(600, 10, 60) == 54
    assert epochs_in(600, 10, 60, 2) == 46
    assert epochs_in(180, 10, 60, 2) == 10
    assert epochs_in(30, 10, 60, 2) == 1


def evaluated(*scores: float | None) -> list[dict[str, object]]:
    return [{"epoch": number, "map_50_95": score} for number, score in enumerate(scores, 1)]


def test_patience_ends_after_so_many_evaluations_without_a_better_one():
    falling = evaluated(0.2, 0.5, 0.4, None, 0.5)
    assert is_out_of_patience(falling, 2)
    assert not is_out_of_patience(falling, 3)
    assert not is_out_of_patience(evaluated(0.2, 0.5, 0.4, 0.6), 2)
    assert not is_out_of_patience(falling, 0)
    assert not is_out_of_patience(evaluated(None, None, None), 2)
    assert not is_out_of_patience(evaluated(0.0, 0.0, 0.0, 0.0), 2), "nothing was found yet"


def test_patience_is_for_runs_that_are_long_enough():
    assert automatic_patience(5) == 8
    assert automatic_patience(40) == 16
