"""A model's bundle: the folder that holds all that detecting with it takes.

`model.json` says what it is and is written last: where it is, the bundle is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detection.exports.formats import FORMATS
from detection.exports.readme import bundle_readme, has_onnx_of_squares
from detection.label_map import LabelMap, write_label_map

FORMAT = 1
SNIPPETS = Path(__file__).parent / "exports" / "snippets"
Rows = Sequence[dict[str, Any]]


def bundle_facts(bundle: Path) -> dict[str, Any]:
    """model.json of a bundle; nothing where there is none."""
    try:
        facts: dict[str, Any] = json.loads((bundle / "model.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts


def write_bundle(
    folder: Path,
    *,
    facts: dict[str, Any],
    metrics: dict[str, Any],
    label_map: LabelMap,
    litert: bytes | None = None,
) -> None:
    """Complete the bundle in ``folder``, which holds its exports already.

    Args:
        facts: for model.json: base, input_size, score_threshold, iou_threshold, map_50, map_50_95,
            revision. Labels (with their own thresholds, as ``metrics`` has them), the time and the
            list of artefacts are added.
        metrics: for metrics.json; its ``exports`` says how each export compares with the trained
            model.
        litert: the LiteRT form, where it is not in the folder yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "label_map.pbtxt").write_text(write_label_map(label_map), encoding="utf-8")
    measured = metrics.get("score_thresholds") or {}
    labels: list[dict[str, Any]] = []
    for item in label_map.items:
        label = {"id": item.id, "name": item.name, "display_name": item.display_name}
        if item.name in measured:
            label["score_threshold"] = measured[item.name]
        labels.append(label)
    body = {
        "format": FORMAT,
        **facts,
        "labels": labels,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if litert is not None:
        (folder / "model.tflite").write_bytes(litert)
    write_descriptions(folder, body, metrics)


def add_exports(folder: Path, rows: Rows) -> None:
    """Take exports that were written to a whole bundle into its descriptions.

    Rows of the same artefact are replaced.
    """
    facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    refused = facts.get("not_exported") or {}
    made = {str(row["artefact"]) for row in rows}
    facts["not_exported"] = {name: why for name, why in refused.items() if name not in made}
    named = {row["artefact"]: row for row in [*metrics.get("exports", []), *rows]}
    write_descriptions(folder, facts, {**metrics, "exports": list(named.values())})


def write_descriptions(
    folder: Path,
    facts: dict[str, Any],
    metrics: dict[str, Any],
    artefacts: Rows | None = None,
) -> None:
    """Everything that says what is in the bundle; model.json last.

    ``artefacts``: what to list where ``folder`` does not hold all of the bundle.
    """
    rows = metrics.get("exports", [])
    # Where resize and suppression are in the model, its program is given a whole photo.
    given = "photo_" if facts.get("architecture") == "faster_rcnn" else ""
    if (folder / "model.tflite").exists():
        _write_program(folder, "litert", f"detect_{given}with_litert.py")
    # One of the older form keeps its own program.
    if (folder / "model.onnx").exists() and not has_onnx_of_squares(facts, rows):
        _write_program(folder, "onnx", "detect_photo_with_onnx.py")
    _write_json(folder / "metrics.json", metrics)
    _write_json(folder / "exports.json", {"format": FORMAT, "exports": rows})
    readme = folder / "README.md"
    readme.touch()  # to be listed itself
    listed = list_artefacts(folder) if artefacts is None else artefacts
    readme.write_text(bundle_readme(facts, listed, rows), encoding="utf-8")
    listed = list_artefacts(folder) if artefacts is None else artefacts
    _write_json(folder / "model.json", {**facts, "artefacts": list(listed)})


def _write_program(folder: Path, runtime: str, snippet: str) -> None:
    shutil.copyfile(SNIPPETS / snippet, folder / f"detect_with_{runtime}.py")


def _write_json(path: Path, body: Any) -> None:
    beside = path.with_name(f"{path.name}.writing")
    beside.write_text(json.dumps(body, indent=1, ensure_ascii=False), encoding="utf-8")
    beside.replace(path)


_ABOUT = {
    "label_map.pbtxt": ("label_map", "Labels and their ids"),
    "checkpoint": ("checkpoint", "Keras weights, to train on from"),
    "metrics.json": ("metrics", "All that was measured"),
    "exports.json": ("exports", "How like the trained model each export is"),
    "detect_with_litert.py": ("detect_with_litert", "Detects with LiteRT, without Boxloop"),
    "detect_with_onnx.py": ("detect_with_onnx", "Detects with ONNX Runtime, without Boxloop"),
    "README.md": ("readme", "What is in here, and how it is used"),
}


def list_artefacts(folder: Path) -> list[dict[str, Any]]:
    """What of the known artefacts is in the bundle, with sizes in bytes."""
    known = {form.path: (form.name, f"{form.title}: {form.about}") for form in FORMATS.values()}
    found = []
    for path, (name, about) in (known | _ABOUT).items():
        place = folder / path
        if place.exists():
            files = [place] if place.is_file() else [f for f in place.rglob("*") if f.is_file()]
            size = sum(file.stat().st_size for file in files)
            found.append({"name": name, "path": path, "bytes": size, "about": about})
    return found
