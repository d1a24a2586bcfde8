"""Export a Faster R-CNN: a SavedModel and a checkpoint, checked, in one bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.bundle import add_exports, write_bundle
from detection.export import ExportError, load_trained, replace_folder, write_checkpoint
from detection.exports.check import Comparison
from detection.exports.formats import SAME_NUMBERS, ExportFormat
from detection.exports.graphs import as_module, freeze
from detection.exports.making import refuse_without_onnx
from detection.exports.onnx_model import OnnxPictures, convert
from detection.exports.saved_model import OUTPUTS, FrozenGraph, Outputs, SavedModel
from detection.label_map import LabelMap
from detection.models.faster_rcnn.detector import FasterRcnn
from detection.models.faster_rcnn.portable import PORTABLE
from detection.models.faster_rcnn.serving import serve
from detection.models.faster_rcnn.winograd import convolve_by_winograd

MOST_PICTURES = 8
CHECKED_SCORE = 0.1
NO_LITERT = (
    "LiteRT has no operators for what lies between the two stages (combined non-max suppression, "
    "crop and resize), so a Faster R-CNN is not exported to it: use the SavedModel."
)
NOT_EXPORTED = {
    "litert": NO_LITERT,
    "litert_float16": NO_LITERT,
    "litert_int8": NO_LITERT,
}
_OPENED: dict[str, Callable[[Path], Callable[[NDArray[np.uint8]], Outputs]]] = {
    "saved_model": SavedModel,
    "frozen_graph": FrozenGraph,
    "onnx": OnnxPictures,
}


def export_bundle(
    model: FasterRcnn,
    *,
    folder: Path,
    facts: dict[str, Any],
    metrics: dict[str, Any],
    label_map: LabelMap,
    pictures: Sequence[NDArray[np.uint8]],
) -> None:
    """Write the trained ``model`` to the bundle ``folder``, which is whole or not there.

    ``facts`` are those of model.json (see ``detection.bundle.write_bundle``). The SavedModel is run
    on ``pictures`` (uint8 ``[H, W, 3]``, RGB; the first eight) and held against the model; the
    comparison is added to ``metrics`` as ``exports``. An older bundle is replaced at the end.
    Raises ExportError where they differ; the older bundle stays.
    """
    beside = folder.with_name(folder.name + ".writing")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        write_checkpoint(model, beside)
        write_saved_model(model, label_map, beside / "saved_model")
        if len(pictures):
            exported = SavedModel(beside / "saved_model")
            row = _check("saved_model", model, label_map, exported, pictures)
            metrics["exports"] = [row.as_json()]
        more = {
            "architecture": "faster_rcnn",
            "iou_threshold": model.config.iou_threshold,
            "not_exported": NOT_EXPORTED,
        }
        write_bundle(beside, facts=facts | more, metrics=metrics, label_map=label_map)
        replace_folder(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_saved_model(model: FasterRcnn, label_map: LabelMap, folder: Path) -> None:
    """Write ``model`` as a SavedModel with the API's signature.

    ``serving_default``, in: ``input_tensor`` uint8 ``[B, H, W, 3]``, RGB, of any size, all
    pictures of a batch of one size; out: see ``serving.serve``, the classes as label map ids. Its
    weights are constants: so TensorFlow multiplies the batch norms into the convolutions.
    """
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8, name="input_tensor")
    module = as_module(freeze(_answer(model, label_map), spec), spec, OUTPUTS)
    tf.saved_model.save(module, str(folder), signatures=module.serve)


def write_frozen_graph(model: FasterRcnn, label_map: LabelMap, path: Path) -> None:
    """Write a TensorFlow 1 GraphDef as the API exported it: ``image_tensor:0`` uint8
    ``[B, H, W, 3]`` in; ``detection_boxes:0``, ``detection_scores:0``, ``detection_classes:0``
    and ``num_detections:0`` out, as in the SavedModel."""
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image_tensor")
    path.write_bytes(freeze(_answer(model, label_map), spec).SerializeToString())


def write_onnx(model: FasterRcnn, label_map: LabelMap, path: Path) -> None:
    """Write an ONNX model: ``input_tensor`` uint8 ``[1, H, W, 3]``, RGB, of any size, in; out as
    in the SavedModel. Resize and suppression are in it. Raises ExportError without the packages.
    """
    refuse_without_onnx()
    # A copy, as Winograd's convolutions are TensorFlow's on a CPU: here they are plain.
    plain = FasterRcnn(model.config)
    plain.set_weights(model.get_weights())
    ids = [item.id for item in label_map]
    spec = tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")
    graph = freeze(lambda pictures: serve(plain, pictures, ids, PORTABLE), spec)
    path.write_bytes(convert(graph, "input_tensor", OUTPUTS))


def _answer(model: FasterRcnn, label_map: LabelMap) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """``serving.serve`` with this model and the label map's ids, as a function of one input.

    The model is for detection from then on: see ``winograd.convolve_by_winograd``.
    """
    convolve_by_winograd(model.second_stage)
    ids = [item.id for item in label_map]
    return lambda pictures: serve(model, pictures, ids)


def make_export(
    bundle: Path, form: str, path: Path, pictures: Sequence[NDArray[np.uint8]]
) -> list[Comparison]:
    """Write one more export of a whole ``bundle`` to ``path``, compared on ``pictures``.

    ``form``: saved_model, frozen_graph or onnx. Returns the comparison, none without
    pictures. Raises ExportError where the form is not to be had, or differs.
    """
    model, label_map = load_trained(bundle)
    assert isinstance(model, FasterRcnn)
    if form == "saved_model":
        write_saved_model(model, label_map, path)
    elif form == "frozen_graph":
        write_frozen_graph(model, label_map, path)
    elif form == "onnx":
        write_onnx(model, label_map, path)
    else:
        raise ExportError(NOT_EXPORTED.get(form, f"There is no form {form!r} of a Faster R-CNN."))
    if not len(pictures):
        return []
    exported = _OPENED[form](path)
    return [_check(form, model, label_map, exported, pictures)]


def add_to_bundle(
    bundle: Path,
    forms: Sequence[ExportFormat],
    pictures: Sequence[NDArray[np.uint8]],
    on_phase: Callable[[str, float], None],
) -> list[Comparison]:
    """Add exports to a whole ``bundle``; see ``detection.export.export_more``."""
    made: list[Comparison] = []
    for number, form in enumerate(forms):
        on_phase(f"Making and comparing {form.title}", number / len(forms))
        beside = bundle / f".writing-{form.path}"
        shutil.rmtree(beside, ignore_errors=True)
        comparisons = make_export(bundle, form.name, beside, pictures)
        replace_folder(beside, bundle / form.path)
        add_exports(bundle, [comparison.as_json() for comparison in comparisons])
        made += comparisons
    return made


def _check(
    artefact: str,
    model: FasterRcnn,
    label_map: LabelMap,
    exported: Callable[[NDArray[np.uint8]], Outputs],
    pictures: Sequence[NDArray[np.uint8]],
) -> Comparison:
    """Hold an export against the model.

    Raises ExportError where a detection with a score of 0.1 has no counterpart.
    """
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    trained = tf.function(_answer(model, label_map), [spec])
    ious, differences = [1.0], [0.0]
    for picture in list(pictures)[:MOST_PICTURES]:
        wanted = {name: value.numpy()[0] for name, value in trained(picture[None]).items()}
        found = exported(picture)
        for index in range(int(wanted["num_detections"])):
            if wanted["detection_scores"][index] < CHECKED_SCORE:
                break
            iou, difference = _nearest(wanted, index, found)
            ious.append(iou)
            differences.append(difference)
    comparison = Comparison(
        artefact,
        SAME_NUMBERS,
        min(len(pictures), MOST_PICTURES),
        np.array(ious[1:]),
        np.array(differences[1:]),
        lost=0,
    )
    if not comparison.agrees:
        raise ExportError(comparison.words_for_difference())
    return comparison


def _nearest(
    wanted: dict[str, NDArray[np.float32]], index: int, found: dict[str, NDArray[np.float32]]
) -> tuple[float, float]:
    """IoU with, and difference in score from, the most similar detection of the same class."""
    count = int(found["num_detections"])
    same = found["detection_classes"][:count] == wanted["detection_classes"][index]
    if not same.any():
        return 0.0, 1.0
    box = wanted["detection_boxes"][index]
    others = found["detection_boxes"][:count][same]
    size = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    overlap = np.maximum(size, 0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    iou = overlap / np.maximum(areas - overlap, 1e-12)
    scores = found["detection_scores"][:count][same]
    difference = np.abs(scores - wanted["detection_scores"][index])
    best = int((iou - difference).argmax())
    return float(iou[best]), float(difference[best])
