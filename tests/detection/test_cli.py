"""The command line as people and programs use it: statuses, words, JSON, a whole small run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from detection.__main__ import main
from detection.bases import DEFAULT_BASE, find_base
from tests.detection.synthetic import COLOURS, draw_scene, write_scenes

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--input-size", "96", "--batch-size", "4", "--seed", "5"]


@pytest.fixture(scope="session")
def base() -> str:
    if not find_base(DEFAULT_BASE).is_present:
        pytest.skip(f"No base on this machine: ./boxloop bases --fetch {DEFAULT_BASE}")
    return DEFAULT_BASE


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "detection", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True)


# -- what needs no training ------------------------------------------------------------------------


def test_help_loads_no_tensorflow():
    code = (
        "import sys; from detection.__main__ import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "--train-split" in done.stdout


def test_a_wrong_option_is_a_matter_of_usage(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        main(["train"])
    assert left.value.code == 2
    assert "--out" in capsys.readouterr().err


def test_bases_as_json(capsys: pytest.CaptureFixture[str]):
    assert main(["bases", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["name"] == DEFAULT_BASE
    assert {"licence", "sha256", "present"} <= rows[0].keys()


def test_detect_names_a_bad_image_and_goes_on(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    draw_scene(1)[0].save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_bytes(b"<svg/>")
    images = [str(tmp_path / name) for name in ("bad.jpg", "good.png", "gone.jpg")]
    assert main(["detect", "--model", base, *images, "--json"]) == 1
    shown = capsys.readouterr()
    results = json.loads(shown.out)
    assert [Path(result["image"]).name for result in results] == ["good.png"]
    assert results[0]["width"] == results[0]["height"] == 128
    assert "bad.jpg" in shown.err
    assert "gone.jpg" in shown.err


def test_detect_turns_the_image_upright(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    assert main(["detect", "--model", base, str(tmp_path / "turned.jpg"), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["width"], result["height"]) == (40, 60)


def test_detect_draws(base: str, tmp_path: Path):
    draw_scene(1)[0].save(tmp_path / "a.png")
    draw = tmp_path / "drawn"
    images = [str(tmp_path / "a.png")] * 2
    assert main(["detect", "--model", base, *images, "--draw", str(draw)]) == 0
    assert sorted(path.name for path in draw.iterdir()) == ["a-2.jpg", "a.jpg"]


def test_detect_with_no_such_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["detect", "--model", str(tmp_path / "no"), "x.jpg"]) == 1
    assert "no such model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere"], "no such folder"),
        ([], "Give either --data"),
        (["--data", "x", "--epochs", "0"], "Ask for 1 or more"),
        (["--data", "x", "--minutes", "-1"], "Ask for more than 0"),
    ],
)
def test_train_refuses_in_words(
    arguments: list[str], words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    assert main(["train", "--out", str(tmp_path / "run"), *arguments]) == 1
    assert words in capfd.readouterr().err


def test_train_as_events_tells_why_it_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    done = run("train", "--out", tmp_path / "run", "--data", tmp_path / "none", "--events")
    assert done.returncode == 1
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "failed"
    assert "no such folder" in last["reason"]


# -- a whole run -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    train, val = write_scenes(folder / "images", 12), write_scenes(folder / "images", 4, 100)
    (folder / "train.txt").write_text("\n".join(train))
    (folder / "val.txt").write_text("\n".join(val))
    return folder


def train_command(data: Path, out: Path, *more: object) -> list[str]:
    splits = ["--train-split", data / "train.txt", "--val-split", data / "val.txt"]
    return command(
        "train", "--data", data / "images", *splits, "--out", out, *SMALL, "--events", *more
    )


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def whole(base: str, data: Path, tmp_path_factory: pytest.TempPathFactory):
    """A finished run of three epochs, its folder and its events."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = subprocess.run(
        train_command(data, out, "--epochs", 3), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return out, events_of(done.stdout)


def test_a_run_tells_what_it_does(whole):
    _, events = whole
    names = [event["event"] for event in events]
    phases = [event["phase"] for event in events if event["event"] == "phase"]
    assert phases == ["preparing", "training", "evaluating", "exporting"]
    assert names.count("epoch") == names.count("checkpoint") == 3
    started = events[names.index("started")]
    assert started["images"] == {"train": 12, "val": 4}
    assert sorted(started["labels"]) == sorted(COLOURS)
    assert started["resumed_from_epoch"] == 0
    assert names.index("forecast") < names.index("epoch")
    assert names[-1] == "finished"
    losses = [event["loss"] for event in events if event["event"] == "epoch"]
    assert losses[-1] < losses[0]


def test_a_run_leaves_a_bundle(whole):
    out, events = whole
    facts = json.loads((out / "model" / "model.json").read_text())
    metrics = json.loads((out / "model" / "metrics.json").read_text())
    assert facts["map_50_95"] == metrics["map_50_95"] == events[-1]["map_50_95"]
    assert {artefact["name"] for artefact in facts["artefacts"]} >= {
        "saved_model", "litert", "label_map", "checkpoint", "metrics",
    }  # fmt: skip
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 3
    assert not list(out.glob("*.writing"))


def test_its_model_detects(whole, data: Path, capsys: pytest.CaptureFixture[str]):
    out, _ = whole
    picture = str(data / "images" / "scene_100.png")
    assert main(["detect", "--model", str(out), picture, "--json", "--threshold", "0.0"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert {found["label"] for found in result["detections"]} <= set(COLOURS)


def test_stopped_before_anything_is_learnt(base: str, data: Path, tmp_path: Path):
    child = subprocess.Popen(
        train_command(data, tmp_path / "run", "--epochs", 200), cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    events = []
    for line in child.stdout:
        events.append(json.loads(line))
        if events[-1]["event"] == "phase" and events[-1]["phase"] == "preparing":
            child.send_signal(signal.SIGTERM)
    assert child.wait() == 3
    assert events[-1]["event"] == "stopped"


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_it_dies_with_its_parent(base: str, data: Path, tmp_path: Path):
    arguments = train_command(data, tmp_path / "run", "--epochs", 200)
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({arguments!r}, stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    deadline = time.monotonic() + 30
    while not (tmp_path / "run" / "records").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
