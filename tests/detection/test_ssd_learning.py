"""What the SSD learns by: box code, IoU and GIoU, varifocal loss, assignment. Values by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from detection.models.ssd import box_coder  # noqa: E402
from detection.models.ssd.anchors import make_anchors  # noqa: E402
from detection.models.ssd.assignment import Assignment, assign  # noqa: E402
from detection.models.ssd.losses import (  # noqa: E402
    detection_loss,
    giou,
    pairwise_iou,
    varifocal_loss,
)


def floats(values: object) -> tf.Tensor:
    return tf.constant(values, tf.float32)


def test_box_code_of_a_box_by_hand() -> None:
    anchor = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    box = np.array([[0.5, 0.4, 0.7, 0.8]], np.float32)  # centre 0.6, 0.6; size 0.2, 0.4
    ty, tx, th, tw = box_coder.encode(box, anchor)[0]
    assert (ty, tx) == pytest.approx((10 * 0.1 / 0.4, 10 * 0.1 / 0.2), abs=1e-5)
    assert (th, tw) == pytest.approx((0, 0), abs=1e-5)
    twice = np.array([[0.3, 0.3, 0.7, 0.7]], np.float32)
    assert box_coder.encode(twice, anchor)[0, 3] == pytest.approx(5 * math.log(2), abs=1e-5)


def test_box_code_and_back() -> None:
    random = np.random.default_rng(1)
    anchors = make_anchors(96)
    low = random.uniform(0, 0.5, (len(anchors), 2))
    boxes = np.concatenate([low, low + random.uniform(0.05, 0.5, low.shape)], 1).astype(np.float32)
    decoded = box_coder.decode(floats(box_coder.encode(boxes, anchors)), floats(anchors))
    np.testing.assert_allclose(decoded.numpy(), boxes, atol=1e-5)


def test_zero_codes_are_the_anchors_and_wild_ones_stay_finite() -> None:
    anchors = floats([[0.5, 0.5, 0.2, 0.4]])
    np.testing.assert_allclose(
        box_coder.decode(tf.zeros([1, 4]), anchors)[0], [0.4, 0.3, 0.6, 0.7], atol=1e-6
    )
    wild = box_coder.decode(floats([[0.0, 0.0, 1e4, 1e4]]), anchors)
    assert np.isfinite(wild.numpy()).all()


def test_iou_by_hand() -> None:
    a = floats([[[0, 0, 2, 2], [0, 0, 0, 0]]])
    b = floats([[[1, 1, 3, 3], [0, 0, 2, 2], [2, 0, 4, 2]]])
    np.testing.assert_allclose(pairwise_iou(a, b)[0], [[1 / 7, 1, 0], [0, 0, 0]], atol=1e-6)


def test_giou_by_hand() -> None:
    a = floats([[0, 0, 2, 2]] * 4)
    b = floats([[0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 4, 2], [4, 0, 6, 2]])
    # Same; 1/7 less 2/9 of the hull; touching; a gap that takes a third of the hull.
    np.testing.assert_allclose(giou(a, b), [1, 1 / 7 - 2 / 9, 0, -1 / 3], atol=1e-6)


def test_varifocal_by_hand() -> None:
    # Probability one half: the cross entropy is log 2 whatever the target.
    loss = varifocal_loss(floats([0, 0]), floats([0.8, 0])).numpy()
    np.testing.assert_allclose(loss, [0.8 * math.log(2), 0.75 * 0.25 * math.log(2)], atol=1e-6)


def one_image(
    anchors: list[list[float]],
    boxes: list[list[float]],
    *,
    classes: list[int] | None = None,
    probabilities: list[list[float]] | None = None,
    predicted: list[list[float]] | None = None,
    is_box: list[float] | None = None,
    is_ignored: list[float] | None = None,
) -> Assignment:
    return assign(
        floats([probabilities or [[0.5, 0.5]] * len(anchors)]),
        floats([predicted or anchors]),
        floats(anchors),
        floats([boxes]),
        tf.constant([classes or [0] * len(boxes)], tf.int32),
        floats([is_box or [1.0] * len(boxes)]),
        floats([is_ignored or [0.0] * len(boxes)]),
    )


LEFT, RIGHT = [0.0, 0.0, 0.4, 0.4], [0.6, 0.6, 1.0, 1.0]


def test_each_box_gets_the_anchor_on_it() -> None:
    found = one_image([LEFT, RIGHT, [0.0, 0.6, 0.4, 1.0]], [RIGHT, LEFT], classes=[1, 0])
    assert found.box_index[0].numpy().tolist()[:2] == [1, 0]
    np.testing.assert_allclose(found.box_weights[0], [1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(found.class_targets[0], [[1, 0], [0, 1], [0, 0]], atol=1e-6)


def test_a_box_that_no_anchor_fits_gets_the_nearest() -> None:
    small = [0.1, 0.1, 0.2, 0.2]  # IoU 1/16 with LEFT
    found = one_image([LEFT, RIGHT], [small])
    assert float(found.box_weights[0, 0]) == pytest.approx(1 / 16, abs=1e-6)
    assert found.box_weights[0, 1] == 0


def test_the_better_prediction_learns_more() -> None:
    moved = [0.05, 0.0, 0.45, 0.4]
    found = one_image([LEFT, LEFT], [LEFT], predicted=[LEFT, moved])
    weights = found.box_weights[0].numpy()
    assert weights[0] == pytest.approx(1.0, abs=1e-6)
    iou = 0.35 / 0.45
    assert weights[1] == pytest.approx(((1 + iou) / 2) ** 4, abs=1e-5)


def test_the_surer_of_two_equal_anchors_learns_more() -> None:
    found = one_image([LEFT, LEFT], [LEFT], probabilities=[[0.64, 0], [0.16, 0]])
    np.testing.assert_allclose(found.box_weights[0], [1.0, 0.5], atol=1e-5)


def test_an_anchor_between_two_boxes_goes_to_the_nearer() -> None:
    anchor = [0.0, 0.0, 0.4, 0.4]
    found = one_image([anchor], [[0.1, 0.0, 0.5, 0.4], [0.02, 0.0, 0.42, 0.4]])
    assert found.box_index[0, 0] == 1


def test_at_most_ten_anchors_learn_a_box() -> None:
    shifts = np.linspace(0, 0.1, 25)
    found = one_image([[s, 0, s + 0.4, 0.4] for s in shifts], [LEFT])
    assert np.count_nonzero(found.box_weights) == 10


def test_padding_and_images_without_boxes_assign_nothing() -> None:
    found = one_image([LEFT, RIGHT], [[0.0] * 4, LEFT], is_box=[0.0, 0.0])
    assert not np.any(found.box_weights)
    assert not np.any(found.class_targets)
    assert not np.any(found.ignored)


def test_an_ignored_box_is_neither_learnt_nor_punished() -> None:
    found = one_image([LEFT, RIGHT], [LEFT], is_box=[0.0], is_ignored=[1.0])
    assert not np.any(found.box_weights)
    assert found.ignored[0].numpy().tolist() == [1.0, 0.0]
    logits = floats([[[3.0, 3.0], [-30.0, -30.0]]])
    loss, _ = detection_loss(
        logits, floats([[LEFT, RIGHT]]), found.class_targets, floats([[LEFT, LEFT]]),
        found.box_weights, found.ignored,
    )  # fmt: skip
    assert float(loss) == pytest.approx(0, abs=1e-6)


def test_a_crowd_box_covers_a_small_prediction_inside_it() -> None:
    crowd = [0.0, 0.0, 0.5, 0.5]
    found = one_image([[0.1, 0.1, 0.2, 0.2]], [crowd], is_box=[0.0], is_ignored=[1.0])
    assert found.ignored[0, 0] == 1.0
