"""Whether an exported model still finds what the trained model finds.

An export is held against the trained model's *candidates*: its boxes and scores before
suppression. That stays sound where two boxes score alike and suppression may keep either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from detection.boxes import iou_matrix
from detection.models.ssd import box_coder
from detection.models.ssd.anchors import make_anchors
from detection.models.ssd.detector import normalise
from detection.models.ssd.postprocessing import (
    DEFAULT_SCORE_THRESHOLD,
    MAX_DETECTIONS,
    select_detections,
)
from detection.saved_model import SavedModel

CHECKED_SCORE = 0.3
# Where the model is so unsure that nothing reaches the score above.
UNSURE_CHECKED_SCORE = 0.1
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The least IoU, and the greatest difference in score, of a box to the trained model's."""

    iou: float
    score: float


# The same numbers in another runtime; differences are near 1e-5.
SAME_INPUT = Tolerance(iou=0.98, score=0.02)
# The SavedModel resizes by itself, to within one in 255 of Pillow's resize.
OWN_RESIZE = Tolerance(iou=0.90, score=0.10)


@dataclass(frozen=True)
class Found:
    """Detections ``[N]``, best first: boxes ``[N, 4]`` relative xyxy, scores, class indices."""

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]


@dataclass(frozen=True)
class Candidates:
    """What a model says before suppression: ``boxes[A, 4]``, ``scores[A, C]``."""

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Comparison:
    """How an export agrees with the trained model over some pictures."""

    artefact: str
    tolerance: Tolerance
    pictures: int
    boxes: int
    lowest_iou: float
    largest_score_difference: float
    lost: int

    @property
    def agrees(self) -> bool:
        return (
            self.lowest_iou >= self.tolerance.iou
            and self.largest_score_difference <= self.tolerance.score
            and not self.lost
        )

    def as_json(self) -> dict[str, Any]:
        """A row of the comparison table in metrics.json."""
        return {
            "artefact": self.artefact,
            "pictures": self.pictures,
            "boxes": self.boxes,
            "lowest_iou": round(self.lowest_iou, 6),
            "largest_score_difference": round(self.largest_score_difference, 6),
            "iou_tolerance": self.tolerance.iou,
            "score_tolerance": self.tolerance.score,
        }


def resized(picture: Picture, input_size: int) -> Picture:
    """The square that the model sees, as ``detection.inference`` makes it."""
    image = Image.fromarray(picture).resize((input_size, input_size), Image.Resampling.BILINEAR)
    return np.asarray(image)


def trained_candidates(model: keras.Model, square: Picture) -> Candidates:
    """What the Keras ``model`` says of a picture that is resized already."""
    outputs = model(normalise(tf.constant(square[None], tf.float32)), training=False)
    boxes = box_coder.decode(outputs["box_codes"], tf.constant(make_anchors(square.shape[0])))
    return Candidates(boxes.numpy()[0], tf.sigmoid(outputs["class_logits"]).numpy()[0])


def checked_score(trained: Sequence[Candidates]) -> float:
    """The score from which on exports are checked: lower where the model is unsure of all."""
    surest = max((float(one.scores.max(initial=0.0)) for one in trained), default=0.0)
    return CHECKED_SCORE if surest >= CHECKED_SCORE else UNSURE_CHECKED_SCORE


def litert_detect(litert: bytes, iou_threshold: float) -> Callable[[Picture], Found]:
    """Detect with a LiteRT flatbuffer on pictures that are resized already."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=litert)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner("serving_default")

    def detect(square: Picture) -> Found:
        outputs = runner(image=square[None].astype(np.float32))
        boxes, scores = outputs["boxes"][0], outputs["scores"][0]
        return Found(*select_detections(boxes, scores, iou_threshold=iou_threshold))

    return detect


def saved_model_detect(
    saved_model: SavedModel, class_index: Callable[[int], int]
) -> Callable[[Picture], Found]:
    """Detect with a SavedModel, which takes pictures of any size."""

    def detect(picture: Picture) -> Found:
        outputs = saved_model(picture)
        count = int(outputs["num_detections"])
        ids = outputs["detection_classes"][:count].astype(int).tolist()
        classes = np.array([class_index(id) for id in ids], dtype=np.intp)
        boxes = outputs["detection_boxes"][:count][:, [1, 0, 3, 2]]
        return Found(boxes, outputs["detection_scores"][:count], classes)

    return detect


def compare(
    artefact: str,
    detect: Callable[[Picture], Found],
    pictures: Sequence[Picture],
    trained: Sequence[Candidates],
    iou_threshold: float,
    tolerance: Tolerance,
    least_score: float = CHECKED_SCORE,
) -> Comparison:
    """Hold ``detect`` on each picture against what the trained model says of it.

    Every detection must be one of the trained model's candidates, and every candidate with a
    score of ``least_score`` must be detected, or have been suppressed by a better one.
    """
    num_boxes, lost, ious, differences = 0, 0, [1.0], [0.0]
    for picture, candidates in zip(pictures, trained, strict=True):
        found = detect(picture)
        for klass in range(candidates.scores.shape[1]):
            of_class = (found.classes == klass) & (found.scores >= least_score)
            near = candidates.scores[:, klass] >= DEFAULT_SCORE_THRESHOLD / 2
            boxes = np.clip(candidates.boxes_xyxy[near], 0.0, 1.0)
            scores = candidates.scores[near, klass]
            num_boxes += int(of_class.sum())
            for index in np.flatnonzero(of_class).tolist():
                iou, difference = _nearest(found, index, boxes, scores)
                ious.append(iou)
                differences.append(difference)
            wanted = scores >= least_score + tolerance.score
            lost += _num_lost(found, klass, boxes[wanted], scores[wanted], iou_threshold, tolerance)
    return Comparison(
        artefact, tolerance, len(pictures), num_boxes, min(ious), max(differences), lost
    )


def _nearest(
    found: Found, index: int, boxes: NDArray[np.float32], scores: NDArray[np.float32]
) -> tuple[float, float]:
    """IoU with, and difference in score from, the candidate most like the detection."""
    if not len(boxes):
        return 0.0, 1.0
    box = np.clip(found.boxes_xyxy[index], 0.0, 1.0)
    iou = iou_matrix(box[None], boxes)[0]
    difference = np.abs(scores - found.scores[index])
    best = int((iou - difference).argmax())
    return float(iou[best]), float(difference[best])


def _num_lost(
    found: Found,
    klass: int,
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    iou_threshold: float,
    tolerance: Tolerance,
) -> int:
    """Candidates that are neither detected nor overlapped enough by a better detection."""
    if len(found.scores) == MAX_DETECTIONS:
        in_time = scores > found.scores.min() + tolerance.score
        boxes, scores = boxes[in_time], scores[in_time]
    same = found.classes == klass
    if not len(scores) or not same.any():
        return len(scores)
    iou = iou_matrix(boxes, np.clip(found.boxes_xyxy[same], 0.0, 1.0))
    better = found.scores[same][None, :] >= scores[:, None] - tolerance.score
    # Suppression looks at boxes that are not clipped, so that these may overlap a little less.
    slack = 1.0 - tolerance.iou + 0.1
    covered = (iou >= iou_threshold - slack) & better
    return int((~covered.any(axis=1)).sum())
