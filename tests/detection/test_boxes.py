import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detection.boxes import (
    box_areas,
    clean_boxes,
    clip_boxes,
    iou_matrix,
    rel_cxcywh_to_xyxy,
    rel_yxyx_to_xyxy,
    turn_boxes,
    xywh_to_xyxy,
    xyxy_to_rel_cxcywh,
    xyxy_to_rel_yxyx,
    xyxy_to_xywh,
)
from detection.images import _TRANSPOSE
from detection.types import Box


def test_iou_worked_by_hand():
    boxes = [[0, 0, 10, 10], [5, 5, 15, 15]]
    others = [[0, 0, 10, 10], [10, 0, 20, 10], [2, 2, 4, 4], [3, 3, 3, 9]]
    expected = [[1.0, 0.0, 0.04, 0.0], [25 / 175, 25 / 175, 0.0, 0.0]]
    np.testing.assert_allclose(iou_matrix(boxes, others), expected)


def test_no_boxes_give_empty_arrays():
    assert iou_matrix([], [[0, 0, 1, 1]]).shape == (0, 1)
    assert iou_matrix([], []).shape == (0, 0)
    assert box_areas([]).shape == (0,)
    assert clip_boxes([], 5, 5).shape == (0, 4)
    assert xyxy_to_rel_yxyx([], 5, 5).shape == (0, 4)


def test_two_empty_boxes_do_not_overlap():
    assert iou_matrix([[3, 3, 3, 3]], [[3, 3, 3, 3]]) == 0


def test_areas_and_clipping():
    assert box_areas([[0, 0, 3, 4], [5, 5, 4, 9]]).tolist() == [12, 0]
    clipped = clip_boxes([[-5, -5, 900, 20], [700, 0, 710, 5]], 640, 480)
    assert clipped.tolist() == [[0, 0, 640, 20], [640, 0, 640, 5]]


def test_formats_worked_by_hand():
    boxes_xyxy = [[10, 20, 30, 60]]
    assert xyxy_to_xywh(boxes_xyxy).tolist() == [[10, 20, 20, 40]]
    assert xyxy_to_rel_yxyx(boxes_xyxy, 100, 200).tolist() == [[0.1, 0.1, 0.3, 0.3]]
    assert xyxy_to_rel_cxcywh(boxes_xyxy, 100, 200).tolist() == [[0.2, 0.2, 0.2, 0.2]]


sides = st.integers(0, 4000)
boxes_strategy = st.lists(st.tuples(sides, sides, sides, sides), max_size=5)


@given(boxes_strategy, st.integers(1, 5000), st.integers(1, 5000))
def test_formats_convert_back(boxes, width, height):
    boxes_xyxy = np.array(boxes, float).reshape(-1, 4)
    for there, back in (
        (xyxy_to_xywh(boxes_xyxy), xywh_to_xyxy),
        (
            xyxy_to_rel_yxyx(boxes_xyxy, width, height),
            lambda rel: rel_yxyx_to_xyxy(rel, width, height),
        ),
        (
            xyxy_to_rel_cxcywh(boxes_xyxy, width, height),
            lambda rel: rel_cxcywh_to_xyxy(rel, width, height),
        ),
    ):
        np.testing.assert_allclose(back(there), boxes_xyxy, atol=1e-6)


@given(boxes_strategy, boxes_strategy)
def test_iou_is_symmetric_and_between_0_and_1(boxes, others):
    iou = iou_matrix(boxes, others)
    assert ((iou >= 0) & (iou <= 1)).all()
    np.testing.assert_allclose(iou, iou_matrix(others, boxes).T)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_as_the_pixels_do(orientation):
    """A painted rectangle, turned by Pillow, lies where its turned box says."""
    stored = Image.new("L", (40, 30))
    stored.paste(255, (3, 5, 12, 25))
    method = _TRANSPOSE.get(orientation)
    upright = stored if method is None else stored.transpose(method)
    turned = turn_boxes([[3, 5, 12, 25]], 40, 30, orientation)
    assert tuple(turned[0].astype(int)) == upright.getbbox()


def clean(*boxes, width=640, height=480):
    return clean_boxes(boxes, width, height, "a.xml")


def test_good_boxes_are_left_alone():
    boxes = (Box("cat", 0, 0, 640, 480), Box("dog", 0, 0, 640, 480), Box("cat", 1, 2, 3, 4))
    assert clean(*boxes) == (boxes, [])


@pytest.mark.parametrize(
    ("corners", "result", "severity", "words"),
    [
        ((600, 10, 812, 20), (600, 10, 640, 20), "mended",
         "Box 1 (cat) has xmax 812 in an image 640 wide. Clipped to 640."),
        ((-4.5, 10, 20, 500), (0, 10, 20, 480), "mended",
         "Box 1 (cat) has xmin -4.5 in an image 640 wide. Clipped to 0. "
         "Box 1 (cat) has ymax 500 in an image 480 high. Clipped to 480."),
        ((50, 10, 20, 40), (20, 10, 50, 40), "mended",
         "Box 1 (cat) has xmin 50 above xmax 20. Swapped."),
        ((504, 337, 504, 337), None, "refused",
         "Box 1 (cat) has no area: 504 337 to 504 337. Left out."),
        ((700, 500, 900, 600), None, "refused",
         "Box 1 (cat) lies outside the image: 700 500 to 900 600 in one 640 wide and 480 high. "
         "Left out."),
        ((640, 0, 700, 20), None, "refused", None),
        ((math.nan, 0, 700, 20), None, "refused",
         "Box 1 (cat) has xmin nan, which is not a finite number. Left out."),
        ((0, 0, math.inf, 20), None, "refused", None),
        ((0, 0, 1e30, 20), (0, 0, 640, 20), "mended",
         "Box 1 (cat) has xmax 1e+30 in an image 640 wide. Clipped to 640."),
    ],
)  # fmt: skip
def test_mended_and_refused_boxes_are_said(corners, result, severity, words):
    boxes, problems = clean(Box("cat", *corners, difficult=True))
    assert [box.xyxy for box in boxes] == ([result] if result else [])
    assert all(box.difficult for box in boxes)
    assert [problem.severity for problem in problems] == [severity]
    assert words is None or problems[0].message == words


def test_equal_boxes_of_one_label_are_merged_and_said():
    box = Box("dog", 1, 2, 3, 4)
    boxes, problems = clean_boxes(
        [box, Box("cat", 1, 2, 3, 4), box, box], 9, 9, "a.xml", numbers=[1, 2, 4, 7]
    )
    assert boxes == (box, Box("cat", 1, 2, 3, 4))
    assert [problem.message for problem in problems] == [
        "Box 4 (dog) equals box 1. Merged.",
        "Box 7 (dog) equals box 1. Merged.",
    ]


@given(
    st.lists(st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 4), max_size=6),
    st.integers(1, 9000),
    st.integers(1, 9000),
)
def test_any_boxes_come_out_valid(corners, width, height):
    boxes, problems = clean_boxes([Box("x", *c) for c in corners], width, height, "f")
    for box in boxes:
        assert 0 <= box.xmin < box.xmax <= width
        assert 0 <= box.ymin < box.ymax <= height
    assert len(set(boxes)) == len(boxes)
    assert len(problems) >= len(corners) - len(boxes)
