"""COCO's average precision and recall, computed by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.evaluation.matching import countable_boxes
from detection.label_map import LabelMap
from detection.types import Detection, LabelledImage

# The twelve numbers of COCO's table, in its order.
SUMMARY = (
    "map_50_95", "map_50", "map_75", "map_small", "map_medium", "map_large",
    "recall_1", "recall_10", "recall_100", "recall_small", "recall_medium", "recall_large",
)  # fmt: skip


@dataclass(frozen=True)
class LabelScores:
    """One label's average precisions and its precision-recall points at IoU 0.5."""

    ap: float
    ap_50: float
    precision_recall: list[list[float]]


@dataclass(frozen=True)
class CocoScores:
    """COCO's scores; None where there is no ground truth to measure against.

    ``summary`` is by the names in ``SUMMARY``. ``labels`` holds, by class id, the labels that have
    ground truth; the means are over these.
    """

    summary: dict[str, float | None]
    labels: dict[int, LabelScores]


def coco_scores(
    images: Sequence[LabelledImage],
    detections: Sequence[Sequence[Detection]],
    label_map: LabelMap,
) -> CocoScores:
    """Score ``detections``, one list per image (best first), against the images' boxes.

    Difficult and crowd boxes count as COCO's crowds: finding them is neither right nor wrong.
    Labels that ``label_map`` lacks are left out.
    """
    # Labels without ground truth have no average precision: leaving them out changes no score,
    # and keeps a label map of thousands as fast as one of three.
    class_ids = {
        label_map.by_name[box.label].id
        for image in images
        for box in countable_boxes(image, label_map)
    }
    if not class_ids:
        return CocoScores(dict.fromkeys(SUMMARY), {})
    evaluator = _evaluate(images, detections, label_map, class_ids)
    return CocoScores(
        {
            name: _score(value)
            for name, value in zip(SUMMARY, evaluator.stats[: len(SUMMARY)], strict=True)
        },
        _label_scores(evaluator, sorted(class_ids)),
    )


def _evaluate(
    images: Sequence[LabelledImage],
    detections: Sequence[Sequence[Detection]],
    label_map: LabelMap,
    class_ids: set[int],
) -> Any:
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(
        {
            "info": {},
            "images": [
                {"id": number, "width": image.width, "height": image.height}
                for number, image in enumerate(images, 1)
            ],
            "categories": [{"id": id, "name": label_map.by_id[id].name} for id in class_ids],
            "annotations": _annotations(images, label_map, class_ids),
        }
    )
    found = truth.loadRes(
        [
            {
                "image_id": number,
                "category_id": detection.class_id,
                "bbox": _xywh(detection.xyxy),
                "score": detection.score,
            }
            for number, of_image in enumerate(detections, 1)
            for detection in of_image
            if detection.class_id in class_ids
        ]
    )
    evaluator = COCOeval_faster(truth, found, "bbox", print_function=lambda *_: None)
    evaluator.run()
    return evaluator


def _annotations(
    images: Sequence[LabelledImage], label_map: LabelMap, class_ids: set[int]
) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, 1):
        for box in image.boxes:
            item = label_map.by_name.get(box.label)
            if item is None or item.id not in class_ids:
                continue
            ignored = box.crowd or box.difficult
            width, height = box.xmax - box.xmin, box.ymax - box.ymin
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": item.id,
                    "bbox": _xywh(box.xyxy),
                    "area": width * height,
                    "iscrowd": int(ignored),
                }
            )
    return annotations


def _label_scores(evaluator: Any, class_ids: list[int]) -> dict[int, LabelScores]:
    """Of COCO's arrays: precision is [IoU, recall, label, area, detections]."""
    precision: NDArray[np.float64] = evaluator.eval["precision"][:, :, :, 0, -1]
    reached: NDArray[np.float64] = evaluator.eval["recall"][0, :, 0, -1]
    recalls = evaluator.params.recThrs
    scores = {}
    for index, class_id in enumerate(class_ids):
        curve = [
            [round(float(recall), 4), round(float(value), 4)]
            for recall, value in zip(recalls, precision[0, :, index], strict=True)
            if recall <= reached[index] and value > 0
        ]
        scores[class_id] = LabelScores(
            ap=float(precision[:, :, index].mean()),
            ap_50=float(precision[0, :, index].mean()),
            precision_recall=curve,
        )
    return scores


def _score(value: float) -> float | None:
    """COCO says -1 where there is nothing to measure."""
    return float(value) if value >= 0 else None


def _xywh(xyxy: tuple[float, float, float, float]) -> list[float]:
    xmin, ymin, xmax, ymax = xyxy
    return [xmin, ymin, xmax - xmin, ymax - ymin]
