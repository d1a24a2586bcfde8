"""The published SSDLite as it is: all its COCO classes, ready to detect."""

from __future__ import annotations

from pathlib import Path

import keras

from detection.bases import Base
from detection.bundle import write_bundle
from detection.coco import COCO
from detection.exports.litert import to_litert
from detection.exports.saved_model import write_saved_model
from detection.exports.serving import Serving
from detection.models.ssd.detector import build_detector
from detection.models.ssd.serving import ssd_serving
from detection.models.ssd.weights import load_published, read_graph_model

# The zoo's models are shown from 50 % on, and its configuration suppresses at this IoU.
SCORE_THRESHOLD = 0.5
IOU_THRESHOLD = 0.6


def write_base_bundle(base: Base, weights: Path, folder: Path) -> None:
    """Build the base with its COCO classes from ``weights`` and write the bundle to ``folder``."""
    model = _build(base, weights)
    facts = {
        "base": base.name,
        "input_size": base.input_size,
        "score_threshold": SCORE_THRESHOLD,
        "iou_threshold": IOU_THRESHOLD,
        "map_50": None,
        "map_50_95": base.coco_ap,
        "revision": None,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(to_litert(_serving(model, base)))
    write_bundle(folder, facts=facts, metrics={}, label_map=COCO)


def export_base_saved_model(base: Base, weights: Path, folder: Path) -> None:
    """Write the base as a SavedModel with the Object Detection API's signature."""
    write_saved_model(base_serving(base, weights), folder)


def base_serving(base: Base, weights: Path) -> Serving:
    """The published detector, ready to be exported."""
    return _serving(_build(base, weights), base)


def _serving(model: keras.Model, base: Base) -> Serving:
    return ssd_serving(model, COCO, base.input_size, IOU_THRESHOLD)


def _build(base: Base, weights: Path) -> keras.Model:
    model = build_detector(len(COCO.items), base.input_size)
    load_published(model, read_graph_model(weights), [item.id for item in COCO.items])
    return model
