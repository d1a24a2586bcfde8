"""Make an export of a model in a child process, and add it to the model's stored bundle.

The child (`python -m detection export --add --events`) holds TensorFlow; this process holds the
lease. A kill of either loses nothing but the work: the stored bundle is changed at the end.
"""

import json
import logging
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from detection.bundle import write_descriptions
from detection.exports.formats import FORMATS
from launcher.tether import tethered
from webapp.datasets.records import write_records
from webapp.leases import RENEW_EVERY, LeaseLost, Status
from webapp.storage import fetch_files, save_stream, stored_files
from webapp.training.export_models import ModelExport
from webapp.training.models import TrainedModel
from workers.lease_keeper import LeaseKeeper, end_cancelled

logger = logging.getLogger(__name__)
# Of the bundle, what the child reads. The other exports stay where they are.
DESCRIPTIONS = ("model.json", "metrics.json", "label_map.pbtxt")


def run_export(export_id: int, worker: str) -> None:
    """Claim the export and make it; returns at once where there is nothing to claim."""
    export = ModelExport.claim(export_id, worker)
    if export is None:
        return
    settings.WORK_DIR.mkdir(parents=True, exist_ok=True)
    try:
        with (
            LeaseKeeper(export) as keeper,
            tempfile.TemporaryDirectory(dir=settings.WORK_DIR, prefix="export-") as work,
        ):
            folder = Path(work)
            export.write(phase="Collecting the revision's images", fraction=0.02)
            _prepare(export.model, folder)
            keeper.check()
            reason = _follow(export, folder, keeper)
            if reason:
                export.end(Status.FAILED, reason)
                return
            export.write(phase="Storing", fraction=0.98)
            publish_export(export, folder / "model")
        export.end(Status.FINISHED, fraction=1.0)
    except LeaseLost:
        end_cancelled(export)
    except Exception as error:
        logger.exception("Export %s failed", export.pk)
        export.end(Status.FAILED, f"The worker met an error: {error}. Its log tells more.")


def _prepare(model: TrainedModel, folder: Path) -> None:
    """The bundle's checkpoint and descriptions, and the revision's records, in ``folder``."""
    prefix = model.storage_prefix
    names = [name[len(prefix) + 1 :] for name in stored_files(f"{prefix}/checkpoint")]
    fetch_files(prefix, [*names, *DESCRIPTIONS], folder / "model")
    write_records(model.run.revision, folder / "records")


def export_command(export: ModelExport, folder: Path) -> list[str]:
    return [
        sys.executable, "-m", "detection", "export", "--events",
        "--model", str(folder / "model"),
        "--to", export.form,
        "--add",
        "--records", str(folder / "records"),
    ]  # fmt: skip


def _follow(export: ModelExport, folder: Path, keeper: LeaseKeeper) -> str:
    """Run the child to its end; returns why it failed, or nothing. Raises LeaseLost."""
    outcome: dict[str, Any] = {}
    with (folder / "export.log").open("wb") as log:
        child = subprocess.Popen(
            tethered(export_command(export, folder)),
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        phases: list[dict[str, Any]] = []
        reader = threading.Thread(target=_read, args=(child, phases, outcome), daemon=True)
        reader.start()
        try:
            while child.poll() is None:
                keeper.check()
                reader.join(timeout=RENEW_EVERY.total_seconds())
                if phases:
                    latest = phases.pop()
                    phases.clear()
                    export.write(phase=latest["phase"], fraction=0.05 + 0.9 * latest["fraction"])
            reader.join(timeout=10)
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
    if child.returncode == 0:
        return ""
    return str(outcome.get("reason") or _last_words(child.returncode, folder / "export.log"))


def _read(
    child: "subprocess.Popen[bytes]", phases: list[dict[str, Any]], outcome: dict[str, Any]
) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("event") == "phase":
            phases.append(event)
        else:
            outcome.update(event)


def _last_words(code: int, log: Path) -> str:
    if code == -signal.SIGKILL:
        return (
            "The export was killed from outside, most likely for want of memory. "
            "Let other work end, or add memory, and try again."
        )
    tail = log.read_text(errors="replace").strip().splitlines()[-1:]
    return f"The export ended with status {code}. Its last words: {' '.join(tail) or 'none'}"


def publish_export(export: ModelExport, bundle: Path) -> None:
    """Store the export, then show it. Harmless when repeated."""
    with transaction.atomic():
        # Two exports of one model end one after the other, and both are listed.
        model = TrainedModel.objects.select_for_update().get(pk=export.model_id)
        if not export.held().exists():
            raise LeaseLost
        form = FORMATS[export.form]
        rows, artefacts = _merged(model, bundle, export.form)
        for path in _new_files(bundle, form.path):
            with path.open("rb") as stream:
                name = path.relative_to(bundle).as_posix()
                save_stream(f"{model.storage_prefix}/{name}", stream)
        model.metrics = {**model.metrics, "exports": rows}
        model.artefacts = artefacts
        model.bytes = sum(int(one.get("bytes") or 0) for one in artefacts)
        model.save(update_fields=["metrics", "artefacts", "bytes"])
        _store_descriptions(model, bundle)


def _new_files(bundle: Path, path: str) -> list[Path]:
    place = bundle / path
    found = [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]
    return [*found, *bundle.glob("detect_with_*.py")]


def _merged(
    model: TrainedModel, bundle: Path, form: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The model's comparison rows and artefacts, with what the child made among them."""
    told = json.loads((bundle / "exports.json").read_text(encoding="utf-8"))["exports"]
    rows = {row["artefact"]: row for row in model.metrics.get("exports") or []}
    rows |= {row["artefact"]: row for row in told if str(row["artefact"]).partition(",")[0] == form}
    made = json.loads((bundle / "model.json").read_text(encoding="utf-8"))["artefacts"]
    known = {one["path"]: one for one in made} | {one["path"]: one for one in model.artefacts}
    # What is new or written anew has the size that the child found.
    fresh = {FORMATS[form].path, "metrics.json", "exports.json", "README.md"}
    known |= {one["path"]: one for one in made if one["path"] in fresh}
    order = {known_form.path: place for place, known_form in enumerate(FORMATS.values())}
    artefacts = sorted(known.values(), key=lambda one: order.get(one["path"], len(order)))
    return list(rows.values()), artefacts


def _store_descriptions(model: TrainedModel, bundle: Path) -> None:
    """model.json, metrics.json, exports.json and the README of all exports of the model."""
    facts = json.loads((bundle / "model.json").read_text(encoding="utf-8"))
    metrics = json.loads((bundle / "metrics.json").read_text(encoding="utf-8"))
    metrics["exports"] = model.metrics["exports"]
    write_descriptions(bundle, facts, metrics, model.artefacts)
    for name in ("README.md", "exports.json", "metrics.json", "model.json"):
        with (bundle / name).open("rb") as stream:
            save_stream(f"{model.storage_prefix}/{name}", stream)
