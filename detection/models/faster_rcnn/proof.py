"""Run exports of a Faster R-CNN on real images, and hold each against the trained model.

The trained model's candidates are the second stage's boxes and scores of its proposals, before
suppression (see ``detection.exports.check``). A proposal that ends at the picture's edge has
several: the last bit of its other edge decides whether the crop reads the last cells or zeros from
beyond, and another order of adding decides it otherwise. Each of these answers is right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.exports.check import Candidates, Comparison, Found, checked_score, compare
from detection.exports.formats import SAME_NUMBERS
from detection.exports.litert import LitertPictures
from detection.exports.onnx_model import OnnxPictures
from detection.exports.proof import found_of_api, judge
from detection.exports.samples import Picture, Sample
from detection.exports.saved_model import FrozenGraph, Outputs, SavedModel
from detection.label_map import LabelMap
from detection.models.faster_rcnn.detector import FasterRcnn, Tensors
from detection.models.faster_rcnn.operators import TENSORFLOW
from detection.models.faster_rcnn.postprocessing import class_scores, decode_boxes, postprocess
from detection.models.faster_rcnn.proposals import relative
from detection.models.faster_rcnn.resize import normalise
from detection.models.faster_rcnn.winograd import convolve_by_winograd

# As many of the samples as the trained model answers in this time, but no fewer than eight.
SECONDS = 60.0
LEAST_PICTURES = 8
# Of a picture's side. Placing a sample rounds nine times at most, by half a unit of float32 each:
# 5.4e-7. So this decides on which side of the edge it lies, and moves it by nothing that counts.
NUDGE = 1e-6
OPENED: dict[str, Callable[[Path], Callable[[Picture], Outputs]]] = {
    "saved_model": SavedModel,
    "frozen_graph": FrozenGraph,
    "litert": LitertPictures,
    "onnx": OnnxPictures,
}


class TrainedAnswers:
    """What the trained model says of the samples, asked once for all exports.

    Attributes:
        samples: those that it was asked about, see ``SECONDS``.
    """

    def __init__(
        self,
        model: FasterRcnn,
        label_map: LabelMap,
        samples: Sequence[Sample],
        seconds: float = SECONDS,
    ) -> None:
        """The model is for detection from then on: see ``winograd.convolve_by_winograd``."""
        convolve_by_winograd(model.second_stage)
        self.config, self.label_map = model.config, label_map
        spec = [tf.TensorSpec([1, None, None, 3], tf.uint8)]
        ask = tf.function(lambda pictures: answer(model, pictures), spec)
        self.samples: list[Sample] = []
        self.candidates: list[Candidates] = []
        found: list[Found] = []
        started = time.monotonic()
        for sample in samples:
            is_over = time.monotonic() - started > seconds
            if is_over and len(self.samples) >= LEAST_PICTURES:
                break
            outputs = ask(tf.constant(sample.picture[None]))
            self.candidates.append(_candidates(outputs))
            found.append(_found(outputs))
            if not self.samples:  # tracing is not counted
                started = time.monotonic()
            self.samples.append(sample)
        self.least_score = checked_score(self.candidates)
        self.scores = judge(self.samples, found, label_map)


def answer(model: FasterRcnn, pictures: tf.Tensor) -> Tensors:
    """What the model finds in one picture, uint8 ``[1, H, W, 3]``, and what it could have found.

    ``detection_boxes`` ``[M, 4]`` and so on as in ``serving.serve``, but for the classes, which are
    indices. ``boxes`` ``[K, C, 4]`` (yxyx, relative), ``scores`` ``[K, C]`` and ``origin`` ``[K]``,
    the number of the proposal: each once as the model reads it, those that end at the picture's
    bottom or right edge four times more.
    """
    config = model.config
    resized = TENSORFLOW.resize(pictures, config)
    shapes = tf.shape(resized)[None, 1:3]
    first = model.predict_boxes(normalise(resized), shapes)
    proposals = first["proposals"][:, : first["num_proposals"][0]]
    boxes_rel = relative(proposals, shapes)
    at_edge = boxes_rel[0, :, 2:] >= 1.0 - NUDGE
    undecided = tf.where(tf.reduce_any(at_edge, axis=1))[:, 0]
    origin = tf.concat([tf.range(tf.shape(proposals, tf.int64)[1]), *[undecided] * 4], axis=0)
    nudged = [boxes_rel[0]]
    for signs in product((-1.0, 1.0), repeat=2):
        change = tf.constant(signs) * NUDGE * tf.cast(tf.gather(at_edge, undecided), tf.float32)
        change = tf.concat([tf.zeros_like(change), change], axis=1)
        nudged.append(tf.gather(boxes_rel[0], undecided) + change)
    second = model.classify(first["features"], tf.concat(nudged, axis=0)[None])
    boxes = decode_boxes(second["box_codes"], tf.gather(proposals, origin, axis=1))
    count = tf.shape(proposals)[1]
    found = postprocess(
        second["box_codes"][:, :count],
        second["class_logits"][:, :count],
        proposals,
        first["num_proposals"],
        shapes,
        config,
    )
    names = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
    return {
        **{name: value[0] for name, value in zip(names, found, strict=True)},
        "boxes": relative(tf.reshape(boxes, [1, -1, 4]), shapes)[0],
        "scores": class_scores(second["class_logits"])[0],
        "origin": origin,
    }


def prove(form: str, path: Path, trained: TrainedAnswers) -> Comparison:
    """Run the export at ``path`` on the samples, beside the trained model."""
    run = OPENED[form](path)
    found: list[Found] = []

    def detect(picture: Picture) -> Found:
        found.append(found_of_api(run(picture), trained.label_map))
        return found[-1]

    comparison = compare(
        form,
        detect,
        [sample.picture for sample in trained.samples],
        trained.candidates,
        trained.config.iou_threshold,
        SAME_NUMBERS,
        trained.least_score,
        trained.config.max_detections,
        trained.config.max_detections_per_class,
    )
    scores = judge(trained.samples, found, trained.label_map)
    return replace(comparison, scores=scores, trained=trained.scores)


def _candidates(outputs: Tensors) -> Candidates:
    scores: NDArray[np.float32] = outputs["scores"].numpy()
    boxes = outputs["boxes"].numpy()[:, [1, 0, 3, 2]].reshape(*scores.shape, 4)
    return Candidates(boxes, scores, outputs["origin"].numpy())


def _found(outputs: Tensors) -> Found:
    count = int(outputs["num_detections"])
    return Found(
        outputs["detection_boxes"].numpy()[:count][:, [1, 0, 3, 2]],
        outputs["detection_scores"].numpy()[:count],
        outputs["detection_classes"].numpy()[:count].astype(np.intp),
    )
