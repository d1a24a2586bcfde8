"""The worker around an export: what the child makes is stored and listed, or why it is not."""

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

import workers.exporting as exporting
from tests.webapp.training.rows import make_model
from webapp.leases import Status
from webapp.training.export_models import ModelExport
from webapp.training.starting import start_run

pytestmark = pytest.mark.django_db(transaction=True)

FACTS = {
    "base": "b", "input_size": 300, "score_threshold": 0.4, "iou_threshold": 0.6,
    "labels": [{"id": 1, "name": "cat", "display_name": None}],
}  # fmt: skip
ROW = {
    "artefact": "litert_int8", "pictures": 2, "boxes": 9, "lowest_iou": 0.91,
    "largest_score_difference": 0.05, "iou_tolerance": 0.8, "score_tolerance": 0.2,
}  # fmt: skip
PREAMBLE = """
import json, os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
def say(**event):
    print(json.dumps(event), flush=True)
"""
MAKES = f"""
say(event="phase", phase="Making", fraction=0.5)
assert (folder / "records" / "label_map.pbtxt").exists()
assert (folder / "model" / "checkpoint" / "model.weights.h5").read_bytes() == b"weights"
(folder / "model" / "model_int8.tflite").write_bytes(b"int8")
(folder / "model" / "exports.json").write_text(json.dumps({{"exports": [{ROW!r}]}}))
facts = json.loads((folder / "model" / "model.json").read_text())
facts["artefacts"] = [
    {{"name": "litert_int8", "path": "model_int8.tflite", "bytes": 4, "about": ""}},
    {{"name": "metrics", "path": "metrics.json", "bytes": 9, "about": ""}},
]
(folder / "model" / "model.json").write_text(json.dumps(facts))
say(event="finished", exports=[])
"""


@pytest.fixture
def export(project: Any, owner: Any, make_image: Any) -> ModelExport:
    make_image(project, "a.jpg", boxes=[("cat", 1, 1, 30, 30)])
    make_image(project, "b.jpg", boxes=[("dog", 1, 1, 30, 30)])
    model = make_model(start_run(project, owner, epochs=3), metrics={"map_50": 0.9})
    for name, content in [
        ("checkpoint/model.weights.h5", b"weights"),
        ("model.json", json.dumps(FACTS).encode()),
    ]:
        default_storage.save(f"{model.storage_prefix}/{name}", ContentFile(content))
    return ModelExport.objects.create(model=model, form="litert_int8", created_by=owner)


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(script: str) -> None:
        path = tmp_path / "child.py"
        path.write_text(PREAMBLE + textwrap.dedent(script))
        command = [sys.executable, str(path)]
        monkeypatch.setattr(exporting, "export_command", lambda row, folder: [*command, folder])

    return make


def done(export: ModelExport) -> ModelExport:
    exporting.run_export(export.pk, "test")
    export.refresh_from_db()
    return export


def stored(export: ModelExport, name: str) -> bytes:
    with default_storage.open(f"{export.model.storage_prefix}/{name}") as file:
        return file.read()


def test_an_export_is_stored_and_listed_with_its_comparison(export: ModelExport, child: Any):
    child(MAKES)
    assert done(export).status == Status.FINISHED, export.reason
    model = export.model
    model.refresh_from_db()
    paths = [one["path"] for one in model.artefacts]
    assert paths[:3] == ["saved_model", "model.tflite", "model_int8.tflite"]
    assert model.metrics["exports"] == [ROW]
    assert model.metrics["map_50"] == 0.9
    assert stored(export, "model_int8.tflite") == b"int8"
    facts = json.loads(stored(export, "model.json"))
    assert [one["path"] for one in facts["artefacts"]] == paths
    assert "| litert_int8 |" in stored(export, "README.md").decode()
    assert json.loads(stored(export, "metrics.json"))["exports"] == [ROW]
    assert stored(export, "model.tflite") == b"litert"  # as it was


def test_a_failure_leaves_the_model_as_it_was(export: ModelExport, child: Any):
    child('say(event="failed", reason="It differs by 0.3."); sys.exit(1)')
    before = stored(export, "model.json")
    assert done(export).status == Status.FAILED
    assert export.reason == "It differs by 0.3."
    assert stored(export, "model.json") == before
    assert not default_storage.exists(f"{export.model.storage_prefix}/model_int8.tflite")


def test_a_crash_shows_its_last_words(export: ModelExport, child: Any):
    child('print("no memory", file=sys.stderr); sys.exit(7)')
    assert "no memory" in done(export).reason


def test_a_child_that_was_killed_is_told_in_words(export: ModelExport, child: Any):
    child("""
        print("I0000 noise", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
    """)
    assert "killed from outside" in done(export).reason
    assert "noise" not in export.reason


def test_a_cancel_ends_the_child(export: ModelExport, child: Any, tmp_path: Path):
    child(f"""
        Path({str(tmp_path / "started")!r}).touch()
        say(event="phase", phase="Making", fraction=0.5)
        time.sleep(30)
    """)
    keeper_check = exporting.LeaseKeeper.check

    def cancel_then_check(keeper: Any) -> None:
        if (tmp_path / "started").exists():
            ModelExport.objects.get(pk=export.pk).request_cancel()
        keeper_check(keeper)

    exporting.LeaseKeeper.check = cancel_then_check  # type: ignore[method-assign]
    try:
        assert done(export).status == Status.CANCELLED
    finally:
        exporting.LeaseKeeper.check = keeper_check  # type: ignore[method-assign]


def test_delivered_twice_makes_it_once(export: ModelExport, child: Any):
    child(MAKES)
    done(export)
    child("sys.exit(1)")
    assert done(export).status == Status.FINISHED
