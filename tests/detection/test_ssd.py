"""SSD's parts by hand: anchors, box code, overlaps, losses, assignment, suppression."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detection.models.ssd.anchors import (
    anchors_to_xyxy,
    cell_shapes,
    feature_map_sizes,
    make_anchors,
)
from detection.models.ssd.postprocessing import non_max_suppression, select_detections


def test_feature_maps_halve_and_round_up() -> None:
    assert feature_map_sizes(300) == [19, 10, 5, 3, 2, 1]
    assert feature_map_sizes(320) == [20, 10, 5, 3, 2, 1]
    assert feature_map_sizes(448) == [28, 14, 7, 4, 2, 1]
    assert feature_map_sizes(96) == [6, 3, 2, 1, 1, 1]


def test_anchors_are_those_of_the_zoo_model() -> None:
    # The first of the published graph's 1,917 anchors, and the first of its second map.
    anchors = anchors_to_xyxy(make_anchors(300))
    assert anchors.shape == (1917, 4)
    first = [
        [-0.02368421, -0.02368421, 0.07631579, 0.07631579],
        [-0.11510557, -0.04439489, 0.16773716, 0.09702647],
        [-0.04439489, -0.11510557, 0.09702647, 0.16773716],
    ]
    np.testing.assert_allclose(anchors[:3], first, atol=5e-5)
    np.testing.assert_allclose(anchors[1083], [-0.125, -0.125, 0.225, 0.225], atol=5e-5)
    np.testing.assert_allclose(anchors[1088], [-0.159165, -0.159165, 0.259165, 0.259165], atol=5e-5)


def test_anchors_keep_their_sizes_at_another_input_size() -> None:
    small, large = make_anchors(300), make_anchors(448)
    assert len(large) == 28 * 28 * 3 + (14 * 14 + 7 * 7 + 4 * 4 + 2 * 2 + 1) * 6
    sizes = {tuple(np.round(size, 5)) for size in small[:, 2:]}
    assert sizes == {tuple(np.round(size, 5)) for size in large[:, 2:]}


def test_cell_shapes_have_the_ratio_and_area_that_they_say() -> None:
    height, width = cell_shapes()[0][1]
    assert width / height == pytest.approx(2.0)
    assert width * height == pytest.approx(0.2**2)
    assert cell_shapes()[5][5] == pytest.approx((math.sqrt(0.95), math.sqrt(0.95)))


def test_suppression_drops_what_overlaps_too_much_within_a_class_only() -> None:
    # The second overlaps the first by 90 / 110; the third is of another class; the last apart.
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [20, 0, 30, 10]], np.float32)
    kept = non_max_suppression(boxes, np.array([0, 0, 1, 0]), 0.6, 100)
    assert kept.tolist() == [0, 2, 3]
    assert non_max_suppression(boxes, np.array([0, 0, 0, 0]), 0.82, 100).tolist() == [0, 1, 3]
    assert non_max_suppression(boxes, np.array([0, 0, 1, 0]), 0.6, 2).tolist() == [0, 2]


def test_suppression_lives_with_boxes_without_area() -> None:
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [9, 9, 3, 3]], np.float32)
    assert non_max_suppression(boxes, np.zeros(3, np.intp), 0.5, 10).tolist() == [0, 1, 2]


def test_select_detections_sorts_by_score_and_gives_each_class_its_say() -> None:
    boxes = np.array([[0, 0, 0.2, 0.2], [0.5, 0.5, 0.9, 0.9]], np.float32)
    scores = np.array([[0.3, 0.04], [0.6, 0.9]], np.float32)
    found, found_scores, classes = select_detections(boxes, scores, score_threshold=0.05)
    np.testing.assert_allclose(found_scores, [0.9, 0.6, 0.3])
    assert classes.tolist() == [1, 0, 0]
    np.testing.assert_allclose(found[2], boxes[0])


def test_select_detections_of_nothing() -> None:
    boxes, scores = np.zeros((5, 4), np.float32), np.zeros((5, 3), np.float32)
    found, found_scores, classes = select_detections(boxes, scores)
    assert found.shape == (0, 4)
    assert found_scores.shape == classes.shape == (0,)
