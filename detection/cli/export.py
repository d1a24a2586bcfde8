"""`export`: a model in the form that another program reads."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detection.bases import BASES, base_dir
from detection.bundle import bundle_facts
from detection.exports.formats import FORMATS, ExportFormat, refused_forms
from detection.inference import DetectorError, load_detector
from detection.label_map import LabelMap, write_label_map

if TYPE_CHECKING:
    from detection.exports.samples import Sample
    from detection.exports.serving import Serving

Rows = list[dict[str, Any]]


class ExportRefused(Exception):
    """An export that cannot be written; the message says why and the way out."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    forms = " ".join(f"{form.name}: {form.title}, {form.about}." for form in FORMATS.values())
    parser = commands.add_parser(
        "export",
        help="write a model for TensorFlow, LiteRT or ONNX",
        description=(
            "Write a model in a form that other programs read, its label map beside it. What is "
            "not in the model's bundle is made, and compared with the trained model on images "
            f"of the run or on those of --images. {forms}"
        ),
    )
    parser.add_argument(
        "--model", required=True, help="a run's folder, a model's folder, or the name of a base"
    )
    parser.add_argument("--to", choices=sorted(FORMATS), required=True, help="the form")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--out", type=Path, metavar="PATH",
        help="what to write: a folder for saved_model, else a file",
    )  # fmt: skip
    target.add_argument("--add", action="store_true", help="add it to the model's own bundle")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="photos to compare (and to calibrate int8) on"
    )
    parser.add_argument(
        "--records", type=Path, metavar="DIR",
        help="records of the run's revision, to compare on; the run's own without it",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="say what was written in JSON")
    parser.add_argument("--events", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    form = FORMATS[options.to]
    try:
        written, rows = _add(options, form) if options.add else _write_out(options, form)
    except (DetectorError, ExportRefused) as error:
        return _refuse(options, str(error))
    except OSError as error:
        where = error.filename or options.out or options.model
        return _refuse(options, f"{where}: {error.strerror or error}.")
    if options.events:
        print(json.dumps({"event": "finished", "exports": rows}), flush=True)
    elif options.json:
        facts = {"model": options.model, "to": options.to, "out": str(written[0])}
        names = [str(path) for path in written]
        print(json.dumps(facts | {"written": names, "exports": rows}, indent=1))
    else:
        print(*written, sep="\n")
        print_rows(rows)
    return 0


def print_rows(rows: Rows) -> None:
    """The comparison as a table; nothing where nothing was compared."""
    if not rows:
        return
    print(f"\nCompared with the trained model on {rows[0]['pictures']} images:")
    print(f"{'export':<26}{'boxes':>6}{'agree':>8}{'IoU min':>9}{'score ±':>9}{'AP':>8}{'AP50':>8}")
    for row in rows:
        scores = (row.get("ap"), row.get("ap_50"))
        shown = "".join(f"{'–' if one is None else f'{one:.3f}':>8}" for one in scores)
        print(
            f"{row['artefact']:<26}{row['boxes']:>6}{row.get('share', 1.0):>8.1%}"
            f"{row['lowest_iou']:>9.3f}{row['largest_score_difference']:>9.3f}{shown}"
        )


def _refuse(options: argparse.Namespace, words: str) -> int:
    if options.events:
        print(json.dumps({"event": "failed", "reason": words}), flush=True)
    else:
        print(f"export: {words}", file=sys.stderr)
    return 1


# -- into the bundle ------------------------------------------------------------------------


def _add(options: argparse.Namespace, form: ExportFormat) -> tuple[list[Path], Rows]:
    """Make the export in the model's own bundle, replacing one that is there."""
    bundle = _bundle(options.model)
    if options.model in BASES:
        raise ExportRefused("A base's own bundle is not changed. Give --out PATH.")
    _refuse_impossible(bundle, form)
    from detection.export import ExportError, export_more

    def tell(words: str, fraction: float) -> None:
        if options.events:
            print(json.dumps({"event": "phase", "phase": words, "fraction": fraction}), flush=True)

    samples, calibration = _samples(options, bundle)
    if not samples:
        raise ExportRefused(
            f"{bundle}: there are no images of its run to compare on. Give a folder of photos: "
            "--images DIR"
        )
    try:
        comparisons = export_more(bundle, [form], samples, calibration, tell)
    except ExportError as error:
        raise ExportRefused(str(error)) from error
    return [bundle / form.path], [one.as_json() for one in comparisons]


# -- to a place of its own ------------------------------------------------------------------


def _write_out(options: argparse.Namespace, form: ExportFormat) -> tuple[list[Path], Rows]:
    """Write ``--out`` beside its place, then rename it there; and the label map."""
    out: Path = options.out
    label_map = load_detector(options.model).label_map
    _refuse_used(out, form)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f"{out.name}.writing")
    shutil.rmtree(beside, ignore_errors=True)
    bundle = _bundle(options.model)
    stored = bundle / form.path
    rows: Rows = []
    try:
        if stored.is_dir():
            shutil.copytree(stored, beside)
        elif stored.is_file():
            shutil.copyfile(stored, beside)
        else:
            _refuse_impossible(bundle, form)
            rows = _make(options, form, bundle, beside)
        rows = rows or _stored_rows(bundle, form)
        if out.is_dir():
            out.rmdir()  # empty, as is checked above
        beside.rename(out)
    finally:
        if beside.is_file():
            beside.unlink()
        shutil.rmtree(beside, ignore_errors=True)
    return [out, _write_labels(out, form, label_map)], rows


def _refuse_used(out: Path, form: ExportFormat) -> None:
    if out.is_dir() and not form.is_folder:
        raise ExportRefused(f"{out}: it is a folder. Name a file in it, as in {out}/{form.path}")
    if out.is_dir() and any(out.iterdir()):
        raise ExportRefused(f"{out}: it is not empty. Name a new folder to write to.")
    if out.is_file():
        raise ExportRefused(f"{out}: it is there already. Name another place.")


def _write_labels(out: Path, form: ExportFormat, label_map: LabelMap) -> Path:
    """In the folder, or beside the single file."""
    place = out.with_name(f"{out.stem}.label_map.pbtxt")
    if form.is_folder:
        place = out / "label_map.pbtxt"
    place.write_text(write_label_map(label_map), encoding="utf-8")
    return place


def _stored_rows(bundle: Path, form: ExportFormat) -> Rows:
    """What was found when the stored export was made; empty in an older bundle, and a base's."""
    try:
        rows: Rows = json.loads((bundle / "metrics.json").read_text("utf-8")).get("exports", [])
    except (OSError, ValueError):
        return []
    return [row for row in rows if str(row.get("artefact")).partition(",")[0] == form.name]


def _make(options: argparse.Namespace, form: ExportFormat, bundle: Path, path: Path) -> Rows:
    """Make the export at ``path``; the comparison's rows. Raises ExportRefused."""
    from detection.exports.making import ExportError, make_export
    from detection.exports.proof import TrainedAnswers

    samples, calibration = _samples(options, bundle)
    if not samples:
        print(
            "export: there are no images to compare it with the trained model on, so it was not "
            "compared. Give a folder of photos: --images DIR",
            file=sys.stderr,
        )
    try:
        if bundle_facts(bundle).get("architecture") == "faster_rcnn":
            from detection.models.faster_rcnn import exporting

            made = exporting.make_export(bundle, form.name, path, samples)
            return [one.as_json() for one in made]
        serving = _serving(options.model, bundle)
        trained = TrainedAnswers(serving, samples, calibration) if samples else None
        return [one.as_json() for one in make_export(form, serving, path, trained)]
    except ExportError as error:
        raise ExportRefused(str(error)) from error


def _refuse_impossible(bundle: Path, form: ExportFormat) -> None:
    """Raise ExportRefused where the bundle's kind of model, or its training, has no such form."""
    facts = bundle_facts(bundle)
    told = facts.get("not_exported")
    if why := refused_forms(str(facts.get("architecture")), told).get(form.name):
        raise ExportRefused(str(why))


def _serving(model: str, bundle: Path) -> Serving:
    if model in BASES:
        from detection.models.ssd.published import base_serving

        return base_serving(BASES[model], base_dir(model) / "weights")
    from detection.export import load_serving

    return load_serving(bundle)


def _samples(options: argparse.Namespace, bundle: Path) -> tuple[list[Sample], list[Sample]]:
    """The images to compare on, and those to calibrate on."""
    from detection.exports.samples import samples_of_folder, samples_of_records
    from detection.label_map import read_label_map

    if options.images is not None:
        found = samples_of_folder(options.images)
        if not found:
            raise ExportRefused(f"{options.images}: there are no photos in it.")
        return found, found
    records = options.records or bundle.parent / "records"
    if options.model in BASES or not records.is_dir():
        return [], []
    label_map = read_label_map(bundle / "label_map.pbtxt")
    learnt = samples_of_records(records, label_map, ("train", "val"))
    return samples_of_records(records, label_map), learnt


def _bundle(model: str) -> Path:
    if model in BASES:
        return base_dir(model) / "model"
    folder = Path(model)
    return folder if (folder / "model.json").is_file() else folder / "model"
