"""Faster R-CNN by hand-worked values and a tiny random model: needs no reference."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from detection.models.faster_rcnn import box_coder
from detection.models.faster_rcnn.anchors import make_anchors
from detection.models.faster_rcnn.checkpoint import load_checkpoint, variable_map
from detection.models.faster_rcnn.checkpoint_files import CheckpointError, opened
from detection.models.faster_rcnn.config import ConfigError, FasterRcnnConfig, parse_config
from detection.models.faster_rcnn.detector import FasterRcnn
from detection.models.faster_rcnn.nms import suppress
from detection.models.faster_rcnn.postprocessing import postprocess
from detection.models.faster_rcnn.resize import normalise, resize_images, resized_shape
from detection.models.faster_rcnn.winograd import convolve_by_winograd, filtered
from tests.detection.faster_rcnn_tiny import PIPELINE, tiny_config, write_checkpoint


@pytest.fixture(scope="module")
def model() -> FasterRcnn:
    tf.keras.utils.set_random_seed(1)
    return FasterRcnn(tiny_config())


def test_a_pipeline_config_is_read() -> None:
    config = parse_config(PIPELINE)
    assert (config.num_classes, config.min_dimension, config.max_dimension) == (3, 64, 96)
    assert config.anchor_scales == (0.125, 0.25)
    assert config.anchors_per_cell == 6
    assert config.first_stage_iou_threshold == 0.7  # the API's default
    assert config.clip_norm == 5.0
    assert FasterRcnnConfig.from_json(config.as_json()) == config


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("num_classes: 3", ""), "num_classes is missing"),
        (("num_classes: 3", "num_classes: few"), "line 3: model.faster_rcnn.num_classes is few"),
        (("min_dimension: 64", "min_dimension: 640"), "more than max_dimension"),
        (("inception_v2", "resnet101"), "only faster_rcnn_inception_v2 is built"),
        (("SOFTMAX", "SIGMOID"), "score_converter is SIGMOID"),
        (("faster_rcnn {", "ssd {"), "its model is ssd"),
        (("num_classes: 3", "num_classes: 'a"), "string does not end"),
        (("iou_threshold: 0.6", "iou_threshold: 6"), "lies from 0 to 1"),
    ],
)
def test_a_bad_pipeline_config_is_refused_in_words(change: tuple[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_config(PIPELINE.replace(*change))


@pytest.mark.parametrize(
    ("size", "resized"),
    [((480, 640), (600, 800)), ((400, 1000), (410, 1024)), ((30, 20), (900, 600))],
)
def test_the_resizer_keeps_the_aspect_ratio(
    size: tuple[int, int], resized: tuple[int, int]
) -> None:
    found = resized_shape(tf.constant(size[0]), tf.constant(size[1]), FasterRcnnConfig())
    assert tuple(found.numpy()) == resized


def test_anchors_are_centred_on_the_grid_scale_after_ratio() -> None:
    anchors = make_anchors(tf.constant(2), tf.constant(1), FasterRcnnConfig()).numpy()
    assert anchors.shape == (24, 4)
    half_h, half_w = 128 * 0.25 / 0.5**0.5, 128 * 0.25 * 0.5**0.5
    np.testing.assert_allclose(anchors[0], [-half_h, -half_w, half_h, half_w], rtol=1e-6)
    # The second is of the next scale, the fifth of the next ratio; the next cell is 16 px lower.
    np.testing.assert_allclose(anchors[1], 2 * anchors[0], rtol=1e-6)
    np.testing.assert_allclose(anchors[4], [-32, -32, 32, 32], rtol=1e-6)
    np.testing.assert_allclose(anchors[12:] - anchors[:12], [[16, 0, 16, 0]] * 12, atol=1e-4)


def test_the_box_code_by_hand_and_back() -> None:
    anchor = tf.constant([[10.0, 20.0, 30.0, 60.0]])
    box = tf.constant([[15.0, 20.0, 35.0, 100.0]])
    code = box_coder.encode(box, anchor)
    np.testing.assert_allclose(code, [[2.5, 5.0, 0.0, 5 * np.log(2)]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(box_coder.decode(code, anchor), box, rtol=1e-5)


def test_suppression_clips_drops_what_has_no_area_and_takes_the_next() -> None:
    boxes = tf.constant(
        [[0, 0, 10, 10], [0, 1, 10, 10], [-9, -9, -1, -1], [5, 5, 30, 30]], tf.float32
    )
    scores = tf.constant([[0.9], [0.8], [0.7], [0.6]])
    found, found_scores, classes, count = suppress(
        boxes[None, :, None],
        scores[None],
        tf.constant([[20, 20]]),
        score_threshold=0.0,
        iou_threshold=0.5,
        max_per_class=4,
        max_total=3,
    )
    assert count.numpy().tolist() == [2]
    np.testing.assert_allclose(found_scores[0], [0.9, 0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(found[0], [[0, 0, 10, 10], [5, 5, 20, 20], [0, 0, 0, 0]])
    assert not classes.numpy().any()


@pytest.mark.parametrize("side", [1, 4, 7])
def test_winograds_convolution_is_the_plain_one(side: int) -> None:
    random = np.random.default_rng(side)
    maps = random.normal(size=(3, side, side, 12)).astype(np.float32)
    kernel = random.normal(size=(3, 3, 12, 5)).astype(np.float32)
    wanted = tf.nn.conv2d(maps.astype(np.float64), kernel.astype(np.float64), 1, "SAME").numpy()
    found = filtered(tf.constant(maps), tf.constant(kernel), side).numpy()
    np.testing.assert_allclose(found, wanted, atol=5e-6 * np.abs(wanted).max())


def test_the_second_stage_answers_alike_by_winograd(model: FasterRcnn) -> None:
    crops = tf.random.stateless_uniform([5, 7, 7, model.second_stage.input.shape[-1]], [1, 2])
    other = tf.keras.models.clone_model(model.second_stage)
    other.set_weights(model.second_stage.get_weights())
    assert convolve_by_winograd(other) == 7
    wanted, found = model.second_stage(crops), other(crops)
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4, atol=1e-5)


def test_each_picture_of_a_batch_is_dealt_with_alone(model: FasterRcnn) -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 255, (2, 80, 60, 3), np.uint8)

    def detect(batch: np.ndarray) -> list[np.ndarray]:
        resized = resize_images(tf.constant(batch), model.config)
        shapes = tf.tile(tf.shape(resized)[None, 1:3], [len(batch), 1])
        outputs = model.predict_boxes(normalise(resized), shapes)
        names = ("box_codes", "class_logits", "proposals", "num_proposals")
        found = postprocess(*[outputs[name] for name in names], shapes, model.config)
        return [value.numpy() for value in found]

    both, second = detect(pictures), detect(pictures[1:])
    assert both[0].shape == (2, 20, 4)
    for together, alone in zip(both, second, strict=True):
        np.testing.assert_allclose(together[1], alone[0], atol=1e-4)
    boxes, scores = both[0], both[1]
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    assert (np.diff(scores, axis=1) <= 0).all()


def test_a_checkpoint_goes_into_the_layers_of_its_names(model: FasterRcnn, tmp_path: Path) -> None:
    write_checkpoint(model, tmp_path / "model.ckpt")
    (tmp_path / "pipeline.config").write_text(PIPELINE)
    with tarfile.open(tmp_path / "zoo.tar.gz", "w:gz") as archive:
        for file in sorted(tmp_path.glob("model.ckpt*")):
            archive.add(file, f"faster_rcnn_2018/{file.name}")
        archive.add(tmp_path / "pipeline.config", "faster_rcnn_2018/pipeline.config")
    other = FasterRcnn(model.config)
    for source in (tmp_path, tmp_path / "model.ckpt", tmp_path / "zoo.tar.gz"):
        for variable in other.weights:
            variable.assign(tf.zeros_like(variable))
        with opened(source) as (prefix, config):
            fit = load_checkpoint(other, prefix)
            assert config is not None
        assert len(fit.read) == 356
        wanted, found = variable_map(model), variable_map(other)
        for name in wanted:
            np.testing.assert_array_equal(found[name].numpy(), wanted[name].numpy())


def test_what_does_not_fit_is_named(model: FasterRcnn, tmp_path: Path) -> None:
    write_checkpoint(model, tmp_path / "model.ckpt", leave_out=("Conv/biases",))
    with pytest.raises(CheckpointError, match="It lacks Conv/biases"):
        load_checkpoint(model, str(tmp_path / "model.ckpt"))
    write_checkpoint(model, tmp_path / "model.ckpt")
    more = FasterRcnn(FasterRcnnConfig.from_json(model.config.as_json() | {"num_classes": 5}))
    with pytest.raises(CheckpointError, match=r"ClassPredictor/biases is \[4\], where \[6\]"):
        load_checkpoint(more, str(tmp_path / "model.ckpt"))
    fit = load_checkpoint(more, str(tmp_path / "model.ckpt"), new_classes=True)
    assert len(fit.read) == 352
    with pytest.raises(CheckpointError, match="there is no checkpoint"), opened(tmp_path / "no"):
        pass
    for name, words in (("a.tar.gz", "no tar archive"), ("b.ckpt.meta", "there is no checkpoint")):
        (tmp_path / name).write_text("text")
        with pytest.raises(CheckpointError, match=words), opened(tmp_path / name):
            pass


def test_a_broken_checkpoint_is_refused_in_words(model: FasterRcnn, tmp_path: Path) -> None:
    write_checkpoint(model, tmp_path / "model.ckpt")
    (tmp_path / "model.ckpt.index").write_bytes(b"not an index")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(model, str(tmp_path / "model.ckpt"))
    write_checkpoint(model, tmp_path / "model.ckpt")
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"cannot be read \(.*there, whole"):
        load_checkpoint(model, str(tmp_path / "model.ckpt"))


def test_values_that_are_no_numbers_are_refused(model: FasterRcnn, tmp_path: Path) -> None:
    bias = variable_map(model)["Conv/biases"]
    before = bias.numpy()
    bias.assign(np.full(before.shape, np.nan, np.float32))
    write_checkpoint(model, tmp_path / "model.ckpt")
    bias.assign(before)
    with pytest.raises(CheckpointError, match="Conv/biases holds values that are no numbers"):
        load_checkpoint(model, str(tmp_path / "model.ckpt"))
    # What was read before it is of the same model.
    np.testing.assert_array_equal(bias.numpy(), before)
