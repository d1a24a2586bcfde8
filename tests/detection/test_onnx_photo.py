"""An ONNX model takes photos of any size: its resize is Pillow's, its selection is Boxloop's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detection import squares
from detection.models.ssd.postprocessing import (
    DEFAULT_SCORE_THRESHOLD,
    MAX_CANDIDATES,
    MAX_DETECTIONS,
    select_detections,
)
from detection.squares import squared
from tests.detection.test_export import IOU_THRESHOLD, LABELS, SIZE, make_model

tf = pytest.importorskip("tensorflow")
for package in ("tf2onnx", "onnx", "onnxruntime"):
    pytest.importorskip(package)

SIZES = [
    (SIZE, SIZE), (1, 1), (2, 3), (50, 64), (33, 1),  # as it is, and enlarged
    (SIZE - 1, 400), (400, SIZE - 1), (40, 1500), (1500, 40),  # one side longer, one shorter
    (301, 407), (2 * SIZE, 3 * SIZE), (1001, 1003), (2160, 3840),
]  # fmt: skip


def noise(height: int, width: int) -> np.ndarray:
    """The hardest to resize: neighbours differ as much as pixels can."""
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def stretch() -> Callable[[np.ndarray], np.ndarray]:
    """The resize alone: a model of squares that gives back what it is given."""
    import onnxruntime
    from onnx import TensorProto, helper

    from detection.exports.onnx_model import OPSET
    from detection.exports.onnx_photo import take_photos

    shape = [1, SIZE, SIZE, 3]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["square"])],
        "identity",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("square", TensorProto.FLOAT, shape)],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = onnxruntime.InferenceSession(
        take_photos(model.SerializeToString(), SIZE), providers=["CPUExecutionProvider"]
    )
    return lambda photo: session.run(["square"], {"input_tensor": photo[None]})[0][0]


@pytest.mark.parametrize("size", SIZES)
def test_a_photo_is_stretched_as_pillow_does(
    stretch: Callable[[np.ndarray], np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    monkeypatch.setattr(squares, "HAS_SIMD", False)
    photo = noise(*size)
    found, wanted = stretch(photo), squared(photo, SIZE).astype(np.float32)
    np.testing.assert_array_equal(found, np.round(found))
    # Where a value lies near a half, the last bits of the weights decide how it is rounded after
    # the first direction. The second one's weights add up to 1: so the two differ by less than 1
    # before they are rounded again, and by 1 at most after.
    differences = np.abs(found - wanted)
    assert differences.max() <= (0 if size == (SIZE, SIZE) else 1)
    if min(size) > 2 * SIZE:  # as photos are; of enlarged ones many values lie at a half exactly
        assert (differences > 0).mean() < 0.01


# -- the selection, in ONNX Runtime -----------------------------------------------------------


def selection(anchors: int, ids: list[int]) -> Callable[..., list[np.ndarray]]:
    """``_select`` of boxes ``[A, 4]`` and scores ``[A, C]``, converted and run."""
    import onnxruntime

    from detection.exports.graphs import freeze
    from detection.exports.onnx_model import convert
    from detection.exports.saved_model import OUTPUTS
    from detection.models.ssd.serving import _select

    def select(both: tf.Tensor) -> dict[str, tf.Tensor]:
        return _select(both[..., :4], both[..., 4:], tf.constant(ids, tf.float32), IOU_THRESHOLD)

    spec = tf.TensorSpec([1, anchors, 4 + len(ids)], tf.float32, name="both")
    session = onnxruntime.InferenceSession(
        convert(freeze(select, spec), "both", OUTPUTS), providers=["CPUExecutionProvider"]
    )

    def run(boxes_xyxy: np.ndarray, scores: np.ndarray) -> list[np.ndarray]:
        both = np.concatenate([boxes_xyxy, scores], axis=1)[None]
        return [value[0] for value in session.run(OUTPUTS, {"both": both})]

    return run


def candidates(anchors: int, labels: int, low: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes that overlap and go beyond the photo, some lying outside, and scores from ``low``."""
    random = np.random.default_rng(anchors + labels)
    corners = np.sort(random.uniform(-0.2, 1.2, (anchors, 2, 2)), axis=1)
    corners[: anchors // 2, 1] = corners[: anchors // 2, 0] + 0.3  # many alike
    scores = random.permutation(anchors * labels) / (anchors * labels)  # none twice
    scores = low + (0.99 - low) * scores.reshape(anchors, labels)
    return corners.reshape(anchors, 4).astype(np.float32), scores.astype(np.float32)


@pytest.mark.parametrize(
    ("ids", "anchors", "low"),
    [
        ([7], 40, 0.0),
        ([7], 500, 0.0),  # of one label more than are shown
        ([1, 4, 90], 60, -0.5),  # many below the threshold
        ([1, 4, 90], 900, 0.0),  # more candidates than are looked at
        (list(range(3, 83)), 50, 0.0),
    ],
)
def test_it_selects_as_boxloop_does(ids: list[int], anchors: int, low: float) -> None:
    boxes, scores = candidates(anchors, len(ids), low)
    least = np.float32(DEFAULT_SCORE_THRESHOLD)
    near = np.abs(scores - least).argmin()
    scores.flat[near] = least  # what is equal to the threshold is found
    found_boxes, found_scores, found_ids, count = selection(anchors, ids)(boxes, scores)
    best, best_scores, classes = select_detections(boxes, scores, iou_threshold=IOU_THRESHOLD)
    best = np.clip(best, 0.0, 1.0)
    shown = (best[:, 2] > best[:, 0]) & (best[:, 3] > best[:, 1])
    number = int(shown.sum())
    assert 10 < number <= MAX_DETECTIONS == len(found_scores)
    assert not shown.all() or anchors < 50
    assert ((scores >= least).sum() > MAX_CANDIDATES) == (anchors * len(ids) > 1000)
    assert count == number
    np.testing.assert_array_equal(found_scores[:number], best_scores[shown])
    np.testing.assert_array_equal(found_boxes[:number], best[shown][:, [1, 0, 3, 2]])
    np.testing.assert_array_equal(found_ids[:number], np.array(ids)[classes[shown]])
    for padding in (found_scores, found_boxes, found_ids):
        assert not padding[number:].any()


@pytest.mark.parametrize("why", ["score", "place"])
def test_where_nothing_is_found_all_is_zero(why: str) -> None:
    boxes, scores = candidates(60, 3, 0.0)
    if why == "score":
        scores *= np.float32(0.05)  # 0.0495 at most
    else:
        boxes += 3.0  # outside the photo
    found = selection(60, [1, 4, 90])(boxes, scores)
    assert [value.shape for value in found] == [(100, 4), (100,), (100,), ()]
    assert not any(value.any() for value in found)


# -- the whole model --------------------------------------------------------------------------


def test_the_model_answers_for_a_photo_of_any_size(
    stretch: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    import onnx

    from detection.exports.onnx_model import OnnxPictures, to_onnx
    from detection.exports.saved_model import OUTPUTS
    from detection.models.ssd.serving import ssd_serving

    serving = ssd_serving(make_model(), LABELS, SIZE, IOU_THRESHOLD)
    path = tmp_path / "model.onnx"
    path.write_bytes(to_onnx(serving))
    graph = onnx.load(path).graph
    (taken,) = graph.input
    sides = [side.dim_value or side.dim_param for side in taken.type.tensor_type.shape.dim]
    assert (taken.name, sides) == ("input_tensor", [1, "height", "width", 3])
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [given.name for given in graph.output] == OUTPUTS
    assert [node.op_type for node in graph.node].count("NonMaxSuppression") == 1
    run = OnnxPictures(path)
    for size in SIZES:
        photo = noise(*size)
        wanted = serving.detect_squares(stretch(photo)[None])
        found = run(photo)
        assert found["num_detections"] == wanted["num_detections"][0] > 5
        for name, value in wanted.items():
            assert found[name].dtype == np.float32
            np.testing.assert_allclose(found[name], value[0], atol=1e-4, err_msg=name)
