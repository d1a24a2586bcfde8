"""`export`: a model in the form that another program reads."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from detection.bases import BASES, base_dir
from detection.inference import DetectorError, load_detector
from detection.label_map import LabelMap, write_label_map

FORMS = {"saved_model": "saved_model", "litert": "model.tflite"}


class ExportRefused(Exception):
    """An export that cannot be written; the message says why and the way out."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "export",
        help="write a model as a SavedModel or for LiteRT",
        description=(
            "Write a model in a form that other programs read, its label map beside it. "
            "saved_model: a TensorFlow SavedModel with the Object Detection API's signature. "
            "litert: one .tflite file for CPUs and small machines."
        ),
    )
    parser.add_argument(
        "--model", required=True, help="a run's folder, a model's folder, or the name of a base"
    )
    parser.add_argument("--to", choices=sorted(FORMS), required=True, help="the form")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH",
        help="what to write: a folder for saved_model, a file for litert",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="say what was written in JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    out: Path = options.out
    try:
        detector = load_detector(options.model)
        _refuse_used(out, options.to)
        written = [out, _write(options.model, options.to, out, detector.label_map)]
    except (DetectorError, ExportRefused) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"export: {error.filename or out}: {error.strerror or error}.", file=sys.stderr)
        return 1
    if options.json:
        facts = {"model": options.model, "to": options.to, "out": str(out)}
        print(json.dumps(facts | {"written": [str(path) for path in written]}, indent=1))
    else:
        print(*written, sep="\n")
    return 0


def _refuse_used(out: Path, form: str) -> None:
    if out.is_dir() and form == "litert":
        raise ExportRefused(f"{out}: it is a folder. Name a file in it, as in {out}/model.tflite")
    if out.is_dir() and any(out.iterdir()):
        raise ExportRefused(f"{out}: it is not empty. Name a new folder to write to.")
    if out.is_file():
        raise ExportRefused(f"{out}: it is there already. Name another place.")


def _write(model: str, form: str, out: Path, label_map: LabelMap) -> Path:
    """Write ``out`` beside its place, then rename it there; returns the label map's path."""
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f"{out.name}.writing")
    shutil.rmtree(beside, ignore_errors=True)
    stored = _bundle(model) / FORMS[form]
    try:
        if stored.is_dir():
            shutil.copytree(stored, beside)
        elif stored.is_file():
            shutil.copyfile(stored, beside)
        else:
            _export_base_saved_model(model, beside)
        if out.is_dir():
            out.rmdir()  # empty, as is checked above
        beside.rename(out)
    finally:
        if beside.is_file():
            beside.unlink()
        shutil.rmtree(beside, ignore_errors=True)
    labels = out / "label_map.pbtxt" if form == "saved_model" else _beside(out)
    labels.write_text(write_label_map(label_map), encoding="utf-8")
    return labels


def _beside(out: Path) -> Path:
    """Where the label map of a single file goes."""
    return out.with_name(f"{out.stem}.label_map.pbtxt")


def _bundle(model: str) -> Path:
    if model in BASES:
        return base_dir(model) / "model"
    folder = Path(model)
    return folder if (folder / "model.json").is_file() else folder / "model"


def _export_base_saved_model(model: str, folder: Path) -> None:
    """A base's own bundle holds LiteRT only: build its SavedModel from its weights."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if model not in BASES:
        raise ExportRefused(f"{model}: there is no SavedModel in it. Train it again to have one.")
    from detection.models.ssd.published import export_base_saved_model

    export_base_saved_model(BASES[model], base_dir(model) / "weights", folder)
