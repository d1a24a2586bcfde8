"""Export a Faster R-CNN: a SavedModel and a checkpoint, checked, in one bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.bundle import write_bundle
from detection.export import ExportError, replace_folder, write_checkpoint
from detection.exports.graphs import as_module, freeze
from detection.exports.saved_model import OUTPUTS, SavedModel
from detection.label_map import LabelMap
from detection.models.faster_rcnn.detector import FasterRcnn
from detection.models.faster_rcnn.serving import serve

MOST_PICTURES = 8
CHECKED_SCORE = 0.1
# The same operations twice: what differs is the order of sums. A near-tie may swap two boxes.
LEAST_IOU, MOST_SCORE_DIFFERENCE = 0.98, 0.02
NO_LITERT = (
    "LiteRT has no operators for what lies between the two stages (combined non-max suppression, "
    "crop and resize), so a Faster R-CNN is not exported to it: use the SavedModel."
)


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
            metrics["exports"] = [_check(model, label_map, beside / "saved_model", pictures)]
        more = {
            "architecture": "faster_rcnn",
            "iou_threshold": model.config.iou_threshold,
            "not_exported": {"litert": NO_LITERT},
        }
        write_bundle(beside, facts=facts | more, metrics=metrics, label_map=label_map, litert=None)
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


def _answer(model: FasterRcnn, label_map: LabelMap) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """``serving.serve`` with this model and the label map's ids, as a function of one input."""
    ids = [item.id for item in label_map]
    return lambda pictures: serve(model, pictures, ids)


def _check(
    model: FasterRcnn,
    label_map: LabelMap,
    folder: Path,
    pictures: Sequence[NDArray[np.uint8]],
) -> dict[str, Any]:
    """Hold the SavedModel against the model; the row of the comparison table.

    Raises ExportError where a detection with a score of 0.1 has no counterpart.
    """
    exported = SavedModel(folder)
    ids = [item.id for item in label_map]
    trained = tf.function(
        lambda pictures: serve(model, pictures, ids),
        [tf.TensorSpec([None, None, None, 3], tf.uint8)],
    )
    boxes, ious, differences = 0, [1.0], [0.0]
    for picture in list(pictures)[:MOST_PICTURES]:
        wanted = {name: value.numpy()[0] for name, value in trained(picture[None]).items()}
        found = exported(picture)
        for index in range(int(wanted["num_detections"])):
            if wanted["detection_scores"][index] < CHECKED_SCORE:
                break
            boxes += 1
            iou, difference = _nearest(wanted, index, found)
            ious.append(iou)
            differences.append(difference)
    if min(ious) < LEAST_IOU or max(differences) > MOST_SCORE_DIFFERENCE:
        raise ExportError(
            "The exported saved_model does not find what the trained model finds: the lowest IoU "
            f"is {min(ious):.3f} (at least {LEAST_IOU} is right), scores differ by up to "
            f"{max(differences):.3f} (at most {MOST_SCORE_DIFFERENCE}). It was not kept; the "
            "checkpoints of the run are."
        )
    return {
        "artefact": "saved_model",
        "pictures": min(len(pictures), MOST_PICTURES),
        "boxes": boxes,
        "lowest_iou": round(min(ious), 6),
        "largest_score_difference": round(max(differences), 6),
        "iou_tolerance": LEAST_IOU,
        "score_tolerance": MOST_SCORE_DIFFERENCE,
    }


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
