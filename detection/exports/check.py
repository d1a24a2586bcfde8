"""Whether an exported model still finds what the trained model finds.

An export is held against the trained model's *candidates*: its boxes and scores before
suppression. That stays sound where two boxes score alike and suppression may keep either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.boxes import iou_matrix
from detection.exports.formats import Tolerance
from detection.exports.samples import Picture
from detection.models.ssd.postprocessing import DEFAULT_SCORE_THRESHOLD, MAX_DETECTIONS

CHECKED_SCORE = 0.3
# Where the model is so unsure that nothing reaches the score above.
UNSURE_CHECKED_SCORE = 0.1
# With fewer boxes one box more or less is a greater change of AP than the tolerance.
LEAST_BOXES_FOR_AP = 50


@dataclass(frozen=True)
class Found:
    """Detections ``[N]``, best first: boxes ``[N, 4]`` relative xyxy, scores, class indices."""

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]


@dataclass(frozen=True)
class Candidates:
    """What a model says before suppression: ``scores[A, C]``, and ``boxes[A, 4]`` for all labels
    or ``[A, C, 4]``, one for each.

    Where rounding decides between several answers, each is a candidate, and all that are of one
    ``origin[A]`` stand for one: the export has to have any of them.
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    origin: NDArray[np.intp] | None = None

    def of_class(self, klass: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes ``[A, 4]`` and scores ``[A]``."""
        boxes = self.boxes_xyxy if self.boxes_xyxy.ndim == 2 else self.boxes_xyxy[:, klass]
        return boxes, self.scores[:, klass]

    def count_whole(self, chosen: NDArray[np.bool_]) -> int:
        """How many origins have all their candidates among the ``chosen[A]``."""
        if self.origin is None:
            return int(chosen.sum())
        return len(np.setdiff1d(self.origin[chosen], self.origin[~chosen]))


@dataclass(frozen=True)
class Scores:
    """COCO's AP and AP50 on the samples; None where they have no boxes."""

    ap: float | None = None
    ap_50: float | None = None
    num_boxes: int = 0


@dataclass(frozen=True)
class Comparison:
    """How an export agrees with the trained model over some pictures.

    ``ious`` and ``differences`` (of scores) are one number a box of the export; ``lost`` counts
    the trained model's boxes that it does not find.
    """

    artefact: str
    tolerance: Tolerance
    pictures: int
    ious: NDArray[np.float64]
    differences: NDArray[np.float64]
    lost: int
    scores: Scores = Scores()
    trained: Scores = Scores()

    @property
    def boxes(self) -> int:
        return len(self.ious)

    @property
    def lowest_iou(self) -> float:
        return float(self.ious.min(initial=1.0))

    @property
    def largest_score_difference(self) -> float:
        return float(self.differences.max(initial=0.0))

    @property
    def share(self) -> float:
        """Of all boxes of either, those that agree."""
        tolerance = self.tolerance
        agreeing = (self.ious >= tolerance.iou) & (self.differences <= tolerance.score)
        total = self.boxes + self.lost
        return int(agreeing.sum()) / total if total else 1.0

    @property
    def ap_loss(self) -> float | None:
        """How much lower the AP is than the trained model's; None where it says nothing."""
        if self.scores.ap is None or self.trained.ap is None:
            return None
        if self.trained.num_boxes < LEAST_BOXES_FOR_AP:
            return None
        return self.trained.ap - self.scores.ap

    @property
    def agrees(self) -> bool:
        loss = self.ap_loss
        return self.share >= self.tolerance.share and (
            loss is None or loss <= self.tolerance.ap_loss
        )

    def as_json(self) -> dict[str, Any]:
        """A row of the comparison table in exports.json and metrics.json."""
        middle_iou = float(np.median(self.ious)) if self.boxes else None
        middle_difference = float(np.median(self.differences)) if self.boxes else None
        row = {
            "artefact": self.artefact,
            "pictures": self.pictures,
            "boxes": self.boxes,
            "lost": self.lost,
            "share": self.share,
            "median_iou": middle_iou,
            "lowest_iou": self.lowest_iou,
            "median_score_difference": middle_difference,
            "largest_score_difference": self.largest_score_difference,
            "ap": self.scores.ap,
            "ap_50": self.scores.ap_50,
            "trained_ap": self.trained.ap,
            "trained_ap_50": self.trained.ap_50,
            "iou_tolerance": self.tolerance.iou,
            "score_tolerance": self.tolerance.score,
            "share_tolerance": self.tolerance.share,
            "ap_loss_tolerance": self.tolerance.ap_loss,
        }
        return {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in row.items()
        }

    def words_for_difference(self) -> str:
        """Why the export is not kept, in sentences."""
        tolerance, loss = self.tolerance, self.ap_loss
        lower = "" if loss is None else f" Its AP is lower by {loss:.3f} ({tolerance.ap_loss})."
        return (
            f"The exported {self.artefact} does not find what the trained model finds on "
            f"{self.pictures} pictures: {self.share:.1%} of {self.boxes + self.lost} boxes agree "
            f"(at least {tolerance.share:.0%} is right), that is with an IoU of {tolerance.iou} "
            f"or more and scores that differ by up to {tolerance.score}. The lowest IoU is "
            f"{self.lowest_iou:.3f}, the largest difference {self.largest_score_difference:.3f}, "
            f"and {self.lost} boxes are lost.{lower} It was not kept; the checkpoint is."
        )


def checked_score(trained: Sequence[Candidates]) -> float:
    """The score from which on exports are checked: lower where the model is unsure of all."""
    surest = max((float(one.scores.max(initial=0.0)) for one in trained), default=0.0)
    return CHECKED_SCORE if surest >= CHECKED_SCORE else UNSURE_CHECKED_SCORE


def compare(
    artefact: str,
    detect: Callable[[Picture], Found],
    pictures: Sequence[Picture],
    trained: Sequence[Candidates],
    iou_threshold: float,
    tolerance: Tolerance,
    least_score: float = CHECKED_SCORE,
    max_detections: int = MAX_DETECTIONS,
    max_per_class: int = MAX_DETECTIONS,
) -> Comparison:
    """Hold ``detect`` on each picture against what the trained model says of it.

    Boxes that lie wholly outside the picture count for nothing.

    Every detection must be one of the trained model's candidates, and every candidate with a
    score of ``least_score`` must be detected, or have been suppressed by a better one, or come
    after ``max_detections`` of a picture, ``max_per_class`` of a label.
    """
    lost = 0
    nearest: list[tuple[float, float]] = []
    for picture, candidates in zip(pictures, trained, strict=True):
        found = detect(picture)
        shown = _in_photo(found.boxes_xyxy)
        for klass in range(candidates.scores.shape[1]):
            of_class = (found.classes == klass) & (found.scores >= least_score) & shown
            boxes, scores = candidates.of_class(klass)
            near = (scores >= DEFAULT_SCORE_THRESHOLD / 2) & _in_photo(boxes)
            boxes = np.clip(boxes, 0.0, 1.0)
            for index in np.flatnonzero(of_class).tolist():
                nearest.append(_nearest(found, index, boxes[near], scores[near]))
            wanted = near & (scores >= least_score + tolerance.score)
            same = found.classes == klass
            if len(found.scores) >= max_detections:
                wanted &= scores > found.scores.min() + tolerance.score
            if same.sum() >= max_per_class:
                wanted &= scores > found.scores[same].min() + tolerance.score
            wanted[wanted] = _are_lost(
                found, same, boxes[wanted], scores[wanted], iou_threshold, tolerance
            )
            lost += candidates.count_whole(wanted)
    ious, differences = np.array(nearest, np.float64).reshape(-1, 2).T
    return Comparison(artefact, tolerance, len(pictures), ious, differences, lost)


def _in_photo(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which boxes have an area within the photo; the others are never shown."""
    xmin, ymin, xmax, ymax = np.clip(boxes_xyxy, 0.0, 1.0).T
    inside: NDArray[np.bool_] = (xmax > xmin) & (ymax > ymin)
    return inside


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


def _are_lost(
    found: Found,
    same: NDArray[np.bool_],
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    iou_threshold: float,
    tolerance: Tolerance,
) -> NDArray[np.bool_]:
    """Which candidates are neither detected nor overlapped enough by a better detection.

    ``same``: which of the detections are of their label.
    """
    if not len(scores) or not same.any():
        return np.ones(len(scores), bool)
    iou = iou_matrix(boxes, np.clip(found.boxes_xyxy[same], 0.0, 1.0))
    better = found.scores[same][None, :] >= scores[:, None] - tolerance.score
    # Suppression looks at boxes that are not clipped, so that these may overlap a little less.
    slack = 1.0 - tolerance.iou + 0.1
    covered = (iou >= iou_threshold - slack) & better
    lost: NDArray[np.bool_] = np.logical_not(covered.any(axis=1))
    return lost
