"""Export a trained detector into its bundle, and make more exports of a bundle later."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from detection.bundle import add_exports, bundle_facts, write_bundle
from detection.exports.check import Comparison
from detection.exports.formats import FORMATS, ExportFormat
from detection.exports.making import ExportError, make_export
from detection.exports.proof import TrainedAnswers
from detection.exports.samples import Picture, Sample
from detection.exports.serving import Serving
from detection.label_map import LabelMap, LabelMapError, read_label_map
from detection.models.ssd.serving import ssd_serving

__all__ = ["ExportError", "export_bundle", "export_more", "load_serving", "load_trained"]

_WEIGHTS = "checkpoint/model.weights.h5"
_ARCHITECTURE = "checkpoint/architecture.json"


def export_bundle(
    model: keras.Model,
    *,
    folder: Path,
    base: str,
    input_size: int,
    label_map: LabelMap,
    metrics: dict[str, Any],
    score_threshold: float,
    iou_threshold: float,
    revision: str | None,
    pictures: Sequence[Picture] = (),
    samples: Sequence[Sample] = (),
) -> None:
    """Write the trained ``model`` to the bundle ``folder``, which is whole or not there.

    Every export is run on ``samples`` (or on ``pictures``, uint8 ``[H, W, 3]``, RGB, whose boxes
    are not known) and held against the trained model. The comparison is added to ``metrics`` as
    ``exports``. One that does not agree is left out, and model.json's ``not_exported`` says why.
    An older bundle in ``folder`` is replaced at the end.

    Raises:
        ExportError: none of the exports agrees with the trained model. The older bundle stays.
    """
    serving = ssd_serving(model, label_map, input_size, iou_threshold)
    beside = folder.with_name(folder.name + ".writing")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        write_checkpoint(model, beside)
        trained = TrainedAnswers(serving, samples or [Sample(picture) for picture in pictures])
        comparisons, refused = _make_usual(serving, beside, trained)
        metrics["exports"] = [comparison.as_json() for comparison in comparisons]
        facts = {
            "base": base,
            "input_size": input_size,
            "score_threshold": score_threshold,
            "iou_threshold": iou_threshold,
            "map_50": metrics.get("map_50"),
            "map_50_95": metrics.get("map_50_95"),
            "revision": revision,
            "not_exported": refused,
        }
        write_bundle(beside, facts=facts, metrics=metrics, label_map=label_map)
        replace_folder(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _make_usual(
    serving: Serving, folder: Path, trained: TrainedAnswers
) -> tuple[list[Comparison], dict[str, str]]:
    """What each training exports; and for what could not be kept, why. Raises ExportError."""
    comparisons: list[Comparison] = []
    refused: dict[str, str] = {}
    usual = [form for form in FORMATS.values() if form.always]
    for form in usual:
        try:
            comparisons += make_export(form, serving, folder / form.path, trained)
        except ExportError as error:
            refused[form.name] = str(error)
    if len(refused) == len(usual):
        raise ExportError(" ".join(refused.values()))
    return comparisons, refused


def export_more(
    bundle: Path,
    forms: Sequence[ExportFormat],
    samples: Sequence[Sample],
    calibration: Sequence[Sample] = (),
    on_phase: Callable[[str, float], None] = lambda words, fraction: None,
) -> list[Comparison]:
    """Add exports to a whole ``bundle``, each proven on ``samples``.

    ``on_phase`` is told what is done next, and the part of the work that is done.

    Raises:
        ExportError: one of them cannot be made, or is not like the trained model. The bundle
            stays as it was, with those that were made before.
    """
    on_phase("Loading the trained model", 0.0)
    if bundle_facts(bundle).get("architecture") == "faster_rcnn":
        from detection.models.faster_rcnn.exporting import add_to_bundle

        return add_to_bundle(bundle, forms, samples, on_phase)
    serving = load_serving(bundle)
    on_phase(f"Asking the trained model about {len(samples)} images", 0.15)
    trained = TrainedAnswers(serving, samples, calibration)
    made: list[Comparison] = []
    for number, form in enumerate(forms):
        on_phase(f"Making and comparing {form.title}", 0.4 + 0.6 * number / len(forms))
        beside = bundle / f".writing-{form.path}"
        shutil.rmtree(beside, ignore_errors=True)
        comparisons = make_export(form, serving, beside, trained)
        replace_folder(beside, bundle / form.path)
        add_exports(bundle, [comparison.as_json() for comparison in comparisons])
        made += comparisons
    return made


def write_checkpoint(model: keras.Model, bundle: Path) -> None:
    """Write the model's weights, and what it takes to rebuild it, to `checkpoint/`."""
    (bundle / "checkpoint").mkdir(parents=True, exist_ok=True)
    (bundle / _ARCHITECTURE).write_text(model.to_json(), encoding="utf-8")
    model.save_weights(bundle / _WEIGHTS)


def load_trained(bundle: Path) -> tuple[keras.Model, LabelMap]:
    """The trained Keras model and its labels, from the bundle's checkpoint.

    Raises:
        ExportError: there is no checkpoint in it, or it cannot be read.
    """
    if not (bundle / _WEIGHTS).is_file():
        raise ExportError(f"{bundle}: there is no checkpoint in it, so it cannot be trained on.")
    try:
        architecture = (bundle / _ARCHITECTURE).read_text(encoding="utf-8")
        model = keras.models.model_from_json(architecture)
        if not isinstance(model, keras.Model):
            raise ValueError(f"{_ARCHITECTURE} describes no model")
        model.load_weights(bundle / _WEIGHTS)
        return model, read_label_map(bundle / "label_map.pbtxt")
    except (OSError, ValueError, TypeError, LabelMapError, json.JSONDecodeError) as error:
        raise ExportError(f"{bundle}: the checkpoint cannot be read ({error}).") from error


def load_serving(bundle: Path) -> Serving:
    """The trained model of a bundle, ready to be exported. Raises ExportError."""
    facts = json.loads((bundle / "model.json").read_text(encoding="utf-8"))
    if facts.get("architecture", "ssd") != "ssd":
        raise ExportError(
            f"{bundle}: a model of this kind ({facts['architecture']}) has no other forms than "
            "those in its bundle."
        )
    model, label_map = load_trained(bundle)
    return ssd_serving(model, label_map, int(facts["input_size"]), float(facts["iou_threshold"]))


def replace_folder(new: Path, place: Path) -> None:
    """Put ``new``, a folder or a file, where ``place`` is. What was there goes only then."""
    old = place.with_name(place.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if place.is_file():
        new.replace(place)
        return
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)
