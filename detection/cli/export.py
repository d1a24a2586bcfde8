"""`export`: a model in the form that another program reads."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from detection.bases import BASES, base_dir
from detection.inference import DetectorError, load_detector
from detection.label_map import write_label_map

FORMS = {"saved_model": "saved_model", "litert": "model.tflite"}


def add_parser(commands: argparse._SubParsersAction) -> None:
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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    out: Path = options.out
    try:
        detector = load_detector(options.model)
    except DetectorError as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    if out.exists():
        print(f"export: {out}: it is there already. Name another place.", file=sys.stderr)
        return 1
    beside = out.with_name(f"{out.name}.writing")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(beside, ignore_errors=True)
        stored = _bundle(options.model) / FORMS[options.to]
        if stored.is_dir():
            shutil.copytree(stored, beside)
        elif stored.is_file():
            shutil.copyfile(stored, beside)
        else:
            _export_base_saved_model(options.model, beside)
        label_map = out / "label_map.pbtxt" if options.to == "saved_model" else _beside(out)
        beside.rename(out)
        label_map.write_text(write_label_map(detector.label_map), encoding="utf-8")
    except OSError as error:
        print(f"export: {error.filename or out}: {error.strerror or error}.", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    print(f"{out}\n{label_map}")
    return 0


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
        raise OSError(None, "the model has no saved_model; train it again to have one", model)
    from detection.models.ssd.published import export_base_saved_model

    export_base_saved_model(BASES[model], base_dir(model) / "weights", folder)
