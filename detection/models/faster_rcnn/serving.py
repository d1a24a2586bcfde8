"""Detect with the whole model: pictures of any size in, the API's outputs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.api_outputs import as_detections
from detection.coco import COCO
from detection.label_map import LabelMap, LabelMapItem, read_label_map
from detection.models.faster_rcnn.checkpoint import load_checkpoint
from detection.models.faster_rcnn.checkpoint_files import opened
from detection.models.faster_rcnn.config import ConfigError, FasterRcnnConfig, read_config
from detection.models.faster_rcnn.detector import FasterRcnn, Tensors
from detection.models.faster_rcnn.operators import TENSORFLOW, Operators
from detection.models.faster_rcnn.postprocessing import postprocess
from detection.models.faster_rcnn.resize import normalise
from detection.models.faster_rcnn.winograd import convolve_by_winograd
from detection.types import Detection

COCO_IDS = 90


def serve(
    model: FasterRcnn,
    pictures: tf.Tensor,
    class_ids: Sequence[int],
    operators: Operators = TENSORFLOW,
) -> Tensors:
    """Detections of uint8 pictures ``[B, H, W, 3]``, RGB, as the API's graphs answer.

    ``detection_boxes`` ``[B, M, 4]`` as ymin, xmin, ymax, xmax relative to the picture,
    ``detection_scores`` and ``detection_classes`` ``[B, M]`` (of ``class_ids``, one a class
    of the model; 1 where it is padding) and ``num_detections`` ``[B]``, all float32, best first.
    """
    resized = operators.resize(pictures, model.config)
    size = tf.shape(resized)
    shapes = tf.tile(size[None, 1:3], [size[0], 1])
    outputs = model.predict_boxes(normalise(resized), shapes, operators)
    boxes, scores, classes, count = postprocess(
        outputs["box_codes"],
        outputs["class_logits"],
        outputs["proposals"],
        outputs["num_proposals"],
        shapes,
        model.config,
        operators.suppress,
    )
    return {
        "detection_boxes": boxes,
        "detection_scores": scores,
        "detection_classes": tf.gather(
            tf.constant(class_ids, tf.float32), tf.cast(classes, tf.int32)
        ),
        "num_detections": tf.cast(count, tf.float32),
    }


class CheckpointDetector:
    """A zoo-style checkpoint, ready to detect; to be used as ``detection.inference.Detector``.

    The model is for detection from then on: see ``winograd.convolve_by_winograd``.

    Attributes:
        label_map: class ids and names, one for each class of the model.
        score_threshold: the least score that the pipeline.config lets through.
    """

    batch_size = 1

    def __init__(self, model: FasterRcnn, label_map: LabelMap) -> None:
        convolve_by_winograd(model.second_stage)
        self.model, self.label_map = model, label_map
        self.score_threshold = model.config.score_threshold
        self.score_thresholds: dict[int, float] = {}
        signature = [tf.TensorSpec([None, None, None, 3], tf.uint8)]
        ids = [item.id for item in label_map]
        self._serve = tf.function(lambda pictures: serve(model, pictures, ids), signature)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.label_map.names

    def detect(
        self,
        images: Sequence[NDArray[np.uint8]],
        score_threshold: float | None = None,
        max_detections: int | None = None,
    ) -> list[list[Detection]]:
        """Detections of each upright RGB image ``[H, W, 3]``, in its pixels, best first."""
        least = self.score_threshold if score_threshold is None else score_threshold
        return [self._detect(image, least)[:max_detections] for image in images]

    def _detect(self, image: NDArray[np.uint8], score_threshold: float) -> list[Detection]:
        outputs = {name: value.numpy()[0] for name, value in self._serve(image[None]).items()}
        return as_detections(
            outputs, image.shape[0], image.shape[1], self.label_map, score_threshold
        )


def load_checkpoint_detector(
    source: Path, config: Path | None = None, label_map: Path | None = None
) -> CheckpointDetector:
    """A detector from a checkpoint (see ``checkpoint.opened``) and its pipeline.config.

    Without ``config`` that beside the checkpoint is taken; without ``label_map`` the names of
    COCO's 90 ids where the model has 90 classes. Raises CheckpointError, ConfigError and
    LabelMapError in words.
    """
    with opened(source) as (prefix, beside):
        chosen = config or beside
        if chosen is None:
            raise ConfigError(
                f"{source}: there is no pipeline.config beside the checkpoint. Name it: --config."
            )
        model = FasterRcnn(read_config(chosen))
        load_checkpoint(model, prefix)
    return CheckpointDetector(model, _label_map(label_map, model.config))


def _label_map(path: Path | None, config: FasterRcnnConfig) -> LabelMap:
    if path is None:
        return numbered_label_map(config.num_classes)
    found = read_label_map(path)
    by_id = found.by_id
    # An id that the map leaves out is a class all the same.
    return LabelMap(
        tuple(
            by_id.get(id, LabelMapItem(id, f"class {id}"))
            for id in range(1, config.num_classes + 1)
        )
    )


def numbered_label_map(num_classes: int) -> LabelMap:
    """COCO's names where there are 90 classes (its ids leave ten out), else numbers."""
    known = COCO.by_id if num_classes == COCO_IDS else {}
    return LabelMap(
        tuple(known.get(id, LabelMapItem(id, f"class {id}")) for id in range(1, num_classes + 1))
    )
