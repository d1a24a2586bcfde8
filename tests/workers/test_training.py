"""The worker around the trainer: events become rows, ends become states.

The trainer here is a script that speaks the engine's protocol; the engine itself is tested in
tests/detection, and both together in tests/browser.
"""

import json
import sys
import textwrap
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

import workers.training as training
from webapp.leases import Status
from webapp.training.models import TrainedModel, TrainingRun
from webapp.training.starting import start_run

pytestmark = pytest.mark.django_db(transaction=True)

PREAMBLE = """
import json, os, signal, sys, time
from pathlib import Path
out = Path(sys.argv[1])
def say(**event):
    print(json.dumps(event), flush=True)
def publish():
    model = out / "model"
    model.mkdir(exist_ok=True)
    (model / "metrics.json").write_text(json.dumps({"map_50": 0.9, "worst": [{"image": "a.jpg"}]}))
    (model / "model.tflite").write_bytes(b"weights")
    (model / "model.json").write_text(json.dumps({
        "base": "b", "input_size": 300, "labels": [{"id": 1, "name": "cat"}],
        "score_threshold": 0.4, "map_50": 0.9, "map_50_95": 0.6,
        "artefacts": [{"name": "litert", "path": "model.tflite", "bytes": 7, "about": ""}]}))
"""


@pytest.fixture
def run(project: Any, owner: Any, make_image: Any) -> TrainingRun:
    make_image(project, "a.jpg", boxes=[("cat", 1, 1, 30, 30)])
    make_image(project, "b.jpg", boxes=[("dog", 1, 1, 30, 30)])
    return start_run(project, owner, epochs=3)


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(script: str) -> None:
        path = tmp_path / "trainer.py"
        path.write_text(PREAMBLE + textwrap.dedent(script))
        command = [sys.executable, str(path)]
        monkeypatch.setattr(training, "trainer_command", lambda run, out: [*command, str(out)])

    return make


def finished(run: TrainingRun) -> TrainingRun:
    training.run_training(run.pk, "test")
    run.refresh_from_db()
    return run


def test_a_run_becomes_a_model(run: TrainingRun, trainer: Any, settings: Any) -> None:
    trainer("""
        say(event="started", epochs=3, steps_per_epoch=2, resumed_from_epoch=0)
        say(event="progress", epoch=1, epochs=3, step=1, steps=2, loss=2.0, fraction=0.1)
        scores = {"map_50": 0.5, "map_50_95": 0.3, "per_label": {"cat": 0.5}}
        say(event="epoch", epoch=1, loss=1.5, **scores, best=True)
        say(event="a kind that comes later", epoch=1)
        publish()
        say(event="finished", map_50=0.9, map_50_95=0.6, epoch=1)
    """)
    run = finished(run)
    assert (run.status, run.reason) == (Status.FINISHED, "")
    assert (run.best_epoch, run.best_map_50) == (1, 0.5)
    assert run.epoch_metrics.get().per_label == {"cat": 0.5}
    assert any("best so far" in line.text for line in run.log_lines.all())
    model = TrainedModel.objects.get()
    assert (model.number, model.map_50, model.score_threshold) == (1, 0.9, 0.4)
    assert model.metrics["worst"][0]["image_id"] == run.project.images.get(name="a.jpg").pk
    records = settings.WORK_DIR / "runs" / str(run.pk) / "records"
    assert {path.name for path in records.glob("*-of-*")} == {
        "train-00000-of-00001",
        "val-00000-of-00001",
    }


def test_the_forecast_is_of_the_whole_run(run: TrainingRun, trainer: Any) -> None:
    trainer("""
        say(event="forecast", seconds=50.0, memory_bytes=7)
        publish()
        say(event="finished", map_50=0.9, map_50_95=0.6, epoch=1)
    """)
    TrainingRun.objects.filter(pk=run.pk).update(started_at=timezone.now() - timedelta(minutes=2))
    run = finished(run)
    assert run.forecast_seconds is not None
    assert 170 <= run.forecast_seconds < 230, "what went by before the steps were timed counts"
    assert run.forecast_memory == 7


@pytest.mark.parametrize("name", ["flip", "crop", "colour", "prune"])
def test_what_was_switched_off_is_off_in_the_trainer(
    project: Any, owner: Any, make_image: Any, name: str
) -> None:
    make_image(project, "a.jpg", boxes=[("cat", 1, 1, 30, 30)])
    make_image(project, "b.jpg", boxes=[("dog", 1, 1, 30, 30)])
    on = training.trainer_command(start_run(project, owner, epochs=3), Path("out"))
    off = training.trainer_command(
        start_run(project, owner, epochs=3, **{name: False}), Path("out")
    )
    assert f"--no-{name}" not in on
    assert [word for word in off if word not in on] == [f"--no-{name}"]


def test_a_failure_shows_the_trainers_reason(run: TrainingRun, trainer: Any) -> None:
    trainer("""
        say(event="failed", reason="The loss is not finite at step 3. Lower the learning rate.")
        sys.exit(1)
    """)
    run = finished(run)
    assert (run.status, run.reason) == (
        Status.FAILED,
        "The loss is not finite at step 3. Lower the learning rate.",
    )


def test_a_crash_shows_its_last_words(run: TrainingRun, trainer: Any) -> None:
    trainer("sys.exit('no such base on this machine')")
    run = finished(run)
    assert run.status == Status.FAILED
    assert "no such base on this machine" in run.reason


def test_a_killed_trainer_is_queued_again_and_fails_after_three(
    run: TrainingRun, trainer: Any
) -> None:
    trainer("os.kill(os.getpid(), signal.SIGKILL)")
    for attempt in (1, 2):
        run = finished(run)
        assert (run.status, run.attempt) == (Status.QUEUED, attempt)
    run = finished(run)
    assert run.status == Status.FAILED
    assert "want of memory" in run.reason


def test_cancel_keeps_the_best_and_ends(run: TrainingRun, trainer: Any) -> None:
    trainer("""
        def stop(*_):
            publish()
            say(event="finished", stopped=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        say(event="started", epochs=100, steps_per_epoch=2)
        time.sleep(60)
    """)

    def cancel() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if TrainingRun.objects.get(pk=run.pk).phase == "training":
                break
            time.sleep(0.1)
        TrainingRun.objects.get(pk=run.pk).request_cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    run = finished(run)
    canceller.join()
    assert run.status == Status.CANCELLED
    assert run.model.map_50 == 0.9


def test_delivered_twice_trains_once(run: TrainingRun, trainer: Any, tmp_path: Path) -> None:
    trainer("""
        with open(out / "starts", "a") as file:
            file.write("x")
        publish()
    """)
    finished(run)
    finished(run)
    assert TrainedModel.objects.count() == 1
    assert json.loads(json.dumps(run.attempt)) == 1
