"""A model's bundle: the folder that holds all that detecting with it takes.

`model.json` says what it is and is written last: where it is, the bundle is whole.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detection.label_map import LabelMap, write_label_map

FORMAT = 1


def write_bundle(
    folder: Path,
    *,
    facts: dict[str, Any],
    metrics: dict[str, Any],
    label_map: LabelMap,
    litert: bytes,
) -> None:
    """Complete the bundle in ``folder``, which may hold other artefacts (`saved_model/`) already.

    Args:
        facts: for model.json: base, input_size, score_threshold, iou_threshold, map_50, map_50_95,
            revision. Labels, the time and the list of artefacts are added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(litert)
    (folder / "label_map.pbtxt").write_text(write_label_map(label_map), encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1), encoding="utf-8")
    labels = [
        {"id": item.id, "name": item.name, "display_name": item.display_name}
        for item in label_map.items
    ]
    body = {
        "format": FORMAT,
        **facts,
        "labels": labels,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "artefacts": list_artefacts(folder),
    }
    beside = folder / "model.json.writing"
    beside.write_text(json.dumps(body, indent=1, ensure_ascii=False), encoding="utf-8")
    beside.replace(folder / "model.json")


_ABOUT = {
    "saved_model": "TensorFlow SavedModel with the Object Detection API's signature",
    "model.tflite": "LiteRT, float32, for CPUs and small machines",
    "label_map.pbtxt": "Labels and their ids",
    "checkpoint": "Keras weights, to train on from",
    "metrics.json": "All that was measured",
}


def list_artefacts(folder: Path) -> list[dict[str, Any]]:
    """What of the known artefacts is in the bundle, with sizes in bytes."""
    found = []
    for path, about in _ABOUT.items():
        place = folder / path
        if place.exists():
            files = [place] if place.is_file() else [f for f in place.rglob("*") if f.is_file()]
            size = sum(file.stat().st_size for file in files)
            name = path.partition(".")[0] if path != "model.tflite" else "litert"
            found.append({"name": name, "path": path, "bytes": size, "about": about})
    return found
