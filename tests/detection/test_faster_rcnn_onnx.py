"""The portable form of Faster R-CNN and the ONNX model made of it: the same numbers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from detection.exports.onnx_model import OnnxPictures, missing_packages
from detection.label_map import LabelMap, LabelMapItem
from detection.models.faster_rcnn import portable
from detection.models.faster_rcnn.config import FasterRcnnConfig
from detection.models.faster_rcnn.detector import FasterRcnn
from detection.models.faster_rcnn.exporting import write_onnx
from detection.models.faster_rcnn.nms import suppress
from detection.models.faster_rcnn.operators import crop_boxes
from detection.models.faster_rcnn.resize import resize_images
from tests.detection.faster_rcnn_tiny import decided_model

SHARED = Path(os.environ.get("BOXLOOP_SHARED", Path(__file__).parents[3] / "shared"))
REFERENCE = SHARED / "reference" / "odapi" / "faster_rcnn_inception_v2"
IDS = [1, 3, 7]
LABELS = LabelMap(tuple(LabelMapItem(id, f"label {id}") for id in IDS))
needs_onnx = pytest.mark.skipif(bool(missing_packages()), reason="ONNX is not installed")


@pytest.fixture(scope="module")
def model() -> FasterRcnn:
    return decided_model()


@pytest.fixture(scope="module")
def onnx(model: FasterRcnn, tmp_path_factory: pytest.TempPathFactory) -> OnnxPictures:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    write_onnx(model, LABELS, path)
    return OnnxPictures(path)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(480, 640), (301, 407), (40, 1500), (1, 1), (64, 64)])
@pytest.mark.parametrize("fixed", [None, (50, 70)])
def test_the_resize_is_the_same_to_the_last_bit(
    size: tuple[int, int], fixed: tuple[int, int] | None
) -> None:
    config = FasterRcnnConfig(min_dimension=64, max_dimension=96, fixed_size=fixed)
    picture = tf.constant(noise(*size)[None])
    np.testing.assert_array_equal(portable.resize(picture, config), resize_images(picture, config))


def test_crops_are_the_same_to_the_last_bit_at_the_edges_too() -> None:
    random = np.random.default_rng(0)
    features = tf.constant(random.normal(size=(1, 7, 11, 5)).astype(np.float32))
    corners = np.sort(random.uniform(-0.1, 1.1, (400, 2, 2)), axis=1)
    # Proposals are clipped, so that many end at an edge: there the last bit counts.
    boxes = np.concatenate([corners, np.clip(corners, 0, 1), np.ones_like(corners)])
    boxes[800:, 0] = random.uniform(0, 1, (400, 2))
    boxes = tf.constant(boxes.reshape(1, -1, 4).astype(np.float32))
    wanted = crop_boxes(features, boxes, 14).numpy()
    at_edge = wanted[800:, -1, -1]
    assert 0 < (at_edge == 0).all(axis=1).sum() < 400  # some read zeros, some the features
    np.testing.assert_array_equal(portable.crop(features, boxes, 14), wanted)


@pytest.mark.parametrize(("labels", "most"), [(1, 12), (3, 12), (3, 100)])
def test_suppression_keeps_the_same(labels: int, most: int) -> None:
    random = np.random.default_rng(labels)
    corners = np.sort(random.uniform(-20, 120, (1, 60, labels, 2, 2)), axis=3)
    boxes = tf.constant(corners.reshape(1, 60, labels, 4).astype(np.float32))
    scores = random.uniform(0, 1, (1, 60, labels)).astype(np.float32)
    scores[0, 50:] = -1.0  # padding
    limits = {"score_threshold": 0.2, "iou_threshold": 0.5, "max_per_class": 8, "max_total": most}
    shapes = tf.constant([[100, 90]])
    wanted = suppress(boxes, tf.constant(scores), shapes, **limits)
    found = portable.suppress(boxes, tf.constant(scores), shapes, **limits)
    assert 0 < int(wanted[3][0]) <= most
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
