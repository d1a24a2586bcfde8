"""Export a trained detector: SavedModel, LiteRT and checkpoint, checked, in one bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from detection.bundle import write_bundle
from detection.export_check import (
    OWN_RESIZE,
    SAME_INPUT,
    Comparison,
    Picture,
    checked_score,
    compare,
    litert_detect,
    resized,
    saved_model_detect,
    trained_candidates,
)
from detection.label_map import LabelMap, LabelMapError, read_label_map
from detection.litert import to_litert
from detection.saved_model import SavedModel, write_saved_model

MOST_PICTURES = 8
_WEIGHTS = "checkpoint/model.weights.h5"
_ARCHITECTURE = "checkpoint/architecture.json"


class ExportError(Exception):
    """An export that is not like the trained model, or cannot be read; the message says which."""


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
    pictures: Sequence[Picture],
) -> None:
    """Write the trained ``model`` to the bundle ``folder``, which is whole or not there.

    Every export is run on ``pictures`` (uint8 ``[H, W, 3]``, RGB; the first eight) and held
    against the trained model. The comparison is added to ``metrics`` as ``exports``. An older
    bundle in ``folder`` is replaced at the end.

    Raises:
        ExportError: an export does not agree with the trained model. The older bundle stays.
    """
    beside = folder.with_name(folder.name + ".writing")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        write_checkpoint(model, beside)
        litert = to_litert(model, input_size)
        write_saved_model(model, label_map, input_size, beside / "saved_model", iou_threshold)
        comparisons = _check(model, beside, litert, label_map, input_size, iou_threshold, pictures)
        metrics["exports"] = [comparison.as_json() for comparison in comparisons]
        facts = {
            "base": base,
            "input_size": input_size,
            "score_threshold": score_threshold,
            "iou_threshold": iou_threshold,
            "map_50": metrics.get("map_50"),
            "map_50_95": metrics.get("map_50_95"),
            "revision": revision,
        }
        write_bundle(beside, facts=facts, metrics=metrics, label_map=label_map, litert=litert)
        replace_folder(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


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


def replace_folder(new: Path, place: Path) -> None:
    """Put the folder ``new`` where ``place`` is. What was there goes only when ``new`` is there."""
    old = place.with_name(place.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _check(
    model: keras.Model,
    folder: Path,
    litert: bytes,
    label_map: LabelMap,
    input_size: int,
    iou_threshold: float,
    pictures: Sequence[Picture],
) -> list[Comparison]:
    """Compare each export with ``model``. Raises ExportError for the first that differs."""
    pictures = list(pictures)[:MOST_PICTURES]
    squares = [resized(picture, input_size) for picture in pictures]
    trained = [trained_candidates(model, square) for square in squares]
    least = checked_score(trained)
    in_litert = litert_detect(litert, iou_threshold)
    in_saved_model = saved_model_detect(SavedModel(folder / "saved_model"), label_map.class_index)
    checks = [
        ("litert", in_litert, squares, SAME_INPUT),
        ("saved_model", in_saved_model, squares, SAME_INPUT),
        ("saved_model, own resize", in_saved_model, pictures, OWN_RESIZE),
    ]
    comparisons = []
    for artefact, detect, shown, tolerance in checks:
        comparison = compare(artefact, detect, shown, trained, iou_threshold, tolerance, least)
        if not comparison.agrees:
            raise ExportError(_words_for_difference(comparison))
        comparisons.append(comparison)
    return comparisons


def _words_for_difference(comparison: Comparison) -> str:
    tolerance = comparison.tolerance
    return (
        f"The exported {comparison.artefact} does not find what the trained model finds on "
        f"{comparison.pictures} pictures: the lowest IoU is {comparison.lowest_iou:.3f} (at least "
        f"{tolerance.iou} is right), scores differ by up to "
        f"{comparison.largest_score_difference:.3f} (at most {tolerance.score}), and "
        f"{comparison.lost} boxes are lost. It was not kept; the checkpoints of the run are."
    )
