"""Run exports on real images, and hold each against the trained model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.evaluation import quick_scores
from detection.exports.check import (
    Candidates,
    Comparison,
    Found,
    Scores,
    checked_score,
    compare,
)
from detection.exports.formats import SAME_NUMBERS, ExportFormat
from detection.exports.litert import litert_candidates, square_spec
from detection.exports.onnx_model import OnnxPictures
from detection.exports.samples import Picture, Sample
from detection.exports.saved_model import FrozenGraph, Outputs, SavedModel
from detection.exports.serving import Serving
from detection.label_map import LabelMap
from detection.models.ssd.postprocessing import select_detections
from detection.squares import squared
from detection.types import Detection, LabelledImage

Detect = Callable[[Picture], Found]


class TrainedAnswers:
    """What the trained model says of the samples, asked once for all exports."""

    def __init__(
        self, serving: Serving, samples: Sequence[Sample], calibration: Sequence[Sample] = ()
    ) -> None:
        """``calibration``: other images, to quantise by; the samples themselves without any."""
        self.serving, self.samples = serving, samples
        self.squares = [squared(sample.picture, serving.input_size) for sample in samples]
        self.calibration = [
            squared(sample.picture, serving.input_size) for sample in calibration
        ] or self.squares
        candidates = tf.function(serving.candidates, input_signature=[square_spec(serving)])
        self.candidates = [_candidates(candidates, square) for square in self.squares]
        self.least_score = checked_score(self.candidates)
        self.scores = self.judge(
            [
                Found(*_select(one.boxes_xyxy, one.scores, serving.iou_threshold))
                for one in self.candidates
            ]
        )

    def judge(self, found: Sequence[Found]) -> Scores:
        """See ``judge``."""
        return judge(self.samples, found, self.serving.label_map)


def judge(samples: Sequence[Sample], found: Sequence[Found], label_map: LabelMap) -> Scores:
    """The scores of one ``Found`` a sample. Samples whose boxes are unknown are left out."""
    pairs = [
        (sample.truth, _detections(one, sample.truth, label_map))
        for sample, one in zip(samples, found, strict=True)
        if sample.truth is not None
    ]
    num_boxes = sum(len(truth.boxes) for truth, _ in pairs)
    if not num_boxes:
        return Scores()
    truths, detections = [truth for truth, _ in pairs], [each for _, each in pairs]
    scores = quick_scores(truths, detections, label_map)
    return Scores(scores["map_50_95"], scores["map_50"], num_boxes)


def prove(form: ExportFormat, path: Path, trained: TrainedAnswers) -> list[Comparison]:
    """Run the export at ``path`` on the samples; what comes out, beside the trained model's.

    A form that takes photos of any size is also held against it with the same input.
    """
    detect = open_export(form, path, trained.serving)
    if not form.takes_any_size:
        return [_compare(form.name, detect, trained.squares, form, trained)]
    exact = replace(form, tolerance=SAME_NUMBERS)
    photos = [sample.picture for sample in trained.samples]
    return [
        _compare(form.name, detect, trained.squares, exact, trained),
        _compare(f"{form.name}, own resize", detect, photos, form, trained),
    ]


def open_export(form: ExportFormat, path: Path, serving: Serving) -> Detect:
    """A function that detects with the export: on photos, or on squares of the model's size."""
    if form.name == "saved_model":
        return _with_api(SavedModel(path), serving.label_map)
    if form.name == "frozen_graph":
        return _with_api(FrozenGraph(path), serving.label_map)
    if form.name == "onnx":
        return _with_api(OnnxPictures(path), serving.label_map)
    run = litert_candidates(path.read_bytes())

    def detect(square: Picture) -> Found:
        outputs = run(square)
        return Found(*_select(outputs["boxes"], outputs["scores"], serving.iou_threshold))

    return detect


def _compare(
    name: str,
    detect: Detect,
    pictures: Sequence[Picture],
    form: ExportFormat,
    trained: TrainedAnswers,
) -> Comparison:
    found: list[Found] = []

    def kept(picture: Picture) -> Found:
        found.append(detect(picture))
        return found[-1]

    comparison = compare(
        name,
        kept,
        pictures,
        trained.candidates,
        trained.serving.iou_threshold,
        form.tolerance,
        trained.least_score,
    )
    return replace(comparison, scores=trained.judge(found), trained=trained.scores)


def _candidates(run: Callable[[tf.Tensor], dict[str, tf.Tensor]], square: Picture) -> Candidates:
    outputs = run(tf.constant(square[None], tf.float32))
    return Candidates(outputs["boxes"].numpy()[0], outputs["scores"].numpy()[0])


def _select(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], iou_threshold: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    return select_detections(boxes, scores, iou_threshold=iou_threshold)


def _with_api(run: Callable[[Picture], Outputs], label_map: LabelMap) -> Detect:
    """Detect with the Object Detection API's outputs."""
    return lambda picture: found_of_api(run(picture), label_map)


def found_of_api(outputs: Outputs, label_map: LabelMap) -> Found:
    """The Object Detection API's outputs of one picture: yxyx boxes, and the label map's ids."""
    count = int(outputs["num_detections"])
    ids = outputs["detection_classes"][:count].astype(int).tolist()
    return Found(
        outputs["detection_boxes"][:count][:, [1, 0, 3, 2]],
        outputs["detection_scores"][:count],
        np.array([label_map.class_index(class_id) for class_id in ids], np.intp),
    )


def _detections(found: Found, image: LabelledImage, label_map: LabelMap) -> list[Detection]:
    scale = np.array([image.width, image.height] * 2, np.float32)
    boxes = np.clip(found.boxes_xyxy, 0.0, 1.0) * scale
    return [
        Detection(label_map.items[index].name, label_map.items[index].id, score, *box)
        for box, score, index in zip(
            boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True
        )
        if box[2] > box[0] and box[3] > box[1]
    ]
