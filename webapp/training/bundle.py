"""What can be downloaded of a model: its artefacts, one by one or all at once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from detection.exports.formats import FORMATS
from webapp.storage import stored_files
from webapp.training.models import TrainedModel
from webapp.zips import ZipEntry

EVERYTHING = "everything"
TITLES = {
    **{form.path: (form.title, form.about) for form in FORMATS.values()},
    "label_map.pbtxt": ("Label map", "label_map.pbtxt, class ids from 1"),
    "checkpoint": ("Checkpoint", "weights, to go on training from"),
    "metrics.json": ("Metrics", "all that was measured, JSON"),
    "exports.json": ("Comparison", "how like the trained model each export is, JSON"),
    "detect_with_litert.py": ("Program for LiteRT", "detects with numpy, pillow, ai-edge-litert"),
    "detect_with_onnx.py": ("Program for ONNX", "detects with numpy, pillow and onnxruntime"),
    "README.md": ("Read me", "what is in the bundle, and how it is used"),
    "model.json": ("Description", "base, labels, threshold, revision, JSON"),
}


@dataclass(frozen=True, slots=True)
class Artefact:
    """A file or folder of the bundle. `path` is relative to the model's storage prefix."""

    name: str
    title: str
    about: str
    path: str
    bytes: int
    is_folder: bool


def artefacts_of(model: TrainedModel) -> list[Artefact]:
    """The bundle's artefacts as model.json lists them; label map and metrics always among them."""
    listed = [dict(item) for item in model.artefacts]
    paths = {item.get("path") for item in listed}
    for path in ("label_map.pbtxt", "metrics.json"):
        if path not in paths:
            listed.append({"name": path, "path": path})
    return [_artefact(item) for item in listed]


def _artefact(item: dict[str, Any]) -> Artefact:
    path, name = str(item["path"]).strip("/"), str(item["name"])
    title, about = TITLES.get(path, (name, str(item.get("about") or "")))
    return Artefact(
        name=name,
        title=title,
        about=about,
        path=path,
        bytes=int(item.get("bytes") or 0),
        is_folder="." not in path.rsplit("/", 1)[-1],
    )


def folder_entries(model: TrainedModel, path: str = "") -> Iterator[ZipEntry]:
    """The stored files below `path` of the bundle, under one folder named for the model."""
    prefix = f"{model.storage_prefix}/{path}".rstrip("/")
    folder = file_stem(model)
    for name in stored_files(prefix):
        yield ZipEntry(f"{folder}/{name[len(model.storage_prefix) + 1 :]}", stored=name)


def file_stem(model: TrainedModel) -> str:
    """How downloads of this model begin: never the user's text."""
    return f"boxloop-model-{model.number}"


def model_card(model: TrainedModel) -> bytes:
    """What the web knows about the model beside its bundle, as JSON."""
    return json.dumps(
        {
            "project": model.project.name,
            "model": str(model),
            "run": model.run.number,
            "revision": {"number": model.run.revision.number, "sha256": model.run.revision.sha256},
            "trained": model.created_at.isoformat(),
        },
        indent=2,
        ensure_ascii=False,
    ).encode()
