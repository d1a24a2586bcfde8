"""How good a detector is: COCO's scores, the threshold to use, and its worst errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from detection.evaluation.calibration import calibration
from detection.evaluation.coco_scores import coco_scores
from detection.evaluation.errors import worst_images
from detection.evaluation.interval import score_intervals
from detection.evaluation.matching import countable_boxes, match_image
from detection.evaluation.thresholds import (
    DEFAULT_THRESHOLD,
    best_score_threshold,
    confusion_matrix,
    label_thresholds,
)
from detection.label_map import LabelMap
from detection.types import Detection, LabelledImage

__all__ = ["evaluate", "quick_scores", "worst_images"]


def evaluate(
    images: Sequence[LabelledImage],
    detections: Sequence[Sequence[Detection]],
    label_map: LabelMap,
) -> dict[str, Any]:
    """All that metrics.json says of ``detections``, one list per image, best first.

    Difficult and crowd boxes are ignored. Scores are None where there is no ground truth. The
    threshold, the confusion matrix and the worst errors are at IoU 0.5.

    Raises:
        ValueError: there are not as many lists as images.
    """
    if len(images) != len(detections):
        raise ValueError(f"{len(images)} images have {len(detections)} lists of detections.")
    scores = coco_scores(images, detections, label_map)
    pairs = list(zip(images, detections, strict=True))
    matches = [match_image(*pair, label_map) for pair in pairs]
    threshold = best_score_threshold(matches) or DEFAULT_THRESHOLD
    intervals = score_intervals(matches) or {}
    label_intervals = intervals.get("ap_50", {})
    at_threshold = [match_image(*pair, label_map, threshold) for pair in pairs]
    counts = Counter(box.label for image in images for box in countable_boxes(image, label_map))
    summary = scores.summary
    return {
        **{name: value for name, value in summary.items() if name.startswith("map_")},
        "map_50_interval": intervals.get("map_50"),
        "map_50_95_interval": intervals.get("map_50_95"),
        "resampled": intervals.get("resampled"),
        "recall": summary["recall_100"],
        **{name: value for name, value in summary.items() if name.startswith("recall_")},
        "num_images": len(images),
        "num_boxes": counts.total(),
        "per_label": [
            {
                "id": item.id,
                "label": item.name,
                "ap": scores.labels[item.id].ap if item.id in scores.labels else None,
                "ap_50": scores.labels[item.id].ap_50 if item.id in scores.labels else None,
                "ap_50_interval": label_intervals.get(item.name),
                "num_boxes": counts[item.name],
            }
            for item in label_map
        ],
        "score_threshold": threshold,
        "score_thresholds": label_thresholds(matches, label_map),
        "calibration": calibration(matches),
        "precision_recall": {
            label_map.by_id[class_id].name: label.precision_recall
            for class_id, label in scores.labels.items()
        },
        "confusion": confusion_matrix(at_threshold, label_map),
        "worst": worst_images(images, detections, label_map, threshold),
    }


def quick_scores(
    images: Sequence[LabelledImage],
    detections: Sequence[Sequence[Detection]],
    label_map: LabelMap,
) -> dict[str, Any]:
    """The scores alone, to follow training: ``map_50_95``, ``map_50``, ``per_label`` (AP50)."""
    scores = coco_scores(images, detections, label_map)
    return {
        "map_50_95": scores.summary["map_50_95"],
        "map_50": scores.summary["map_50"],
        "per_label": {
            item.name: scores.labels[item.id].ap_50 if item.id in scores.labels else None
            for item in label_map
        },
    }
