"""Every stage of Faster R-CNN against what the Object Detection API computes.

The reference lies beside the checkout; without it these tests are passed over. Each stage gets
the reference's own input, so that an error is seen where it is made.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from detection.__main__ import main
from detection.exports.saved_model import FrozenGraph
from detection.models.faster_rcnn.anchors import clip_to_window
from detection.models.faster_rcnn.checkpoint import load_checkpoint, variable_map
from detection.models.faster_rcnn.checkpoint_files import opened
from detection.models.faster_rcnn.config import read_config
from detection.models.faster_rcnn.detector import FasterRcnn, crop_and_pool
from detection.models.faster_rcnn.exporting import write_frozen_graph
from detection.models.faster_rcnn.postprocessing import class_scores, decode_boxes, postprocess
from detection.models.faster_rcnn.proposals import absolute, propose, relative
from detection.models.faster_rcnn.resize import normalise, resize_images
from detection.models.faster_rcnn.serving import numbered_label_map
from tests.detection.edge_readings import Answers, Readings, ends_at_the_edge

SHARED = Path(os.environ.get("BOXLOOP_SHARED", Path(__file__).parents[3] / "shared"))
REFERENCE = SHARED / "reference" / "odapi" / "faster_rcnn_inception_v2"
IMAGES = ["bccd_640x480", "crop_407x301", "tall_150x400"]
pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference is not here")

RELATIVE, PIXELS, SCORES = 1e-4, 1e-3, 1e-4


@pytest.fixture(scope="module")
def model() -> FasterRcnn:
    made = FasterRcnn(read_config(REFERENCE / "pipeline_small.config"))
    with opened(REFERENCE) as (prefix, _):
        fit = load_checkpoint(made, prefix)
    assert len(fit.read) == len(variable_map(made)) == 356
    return made


@pytest.fixture(scope="module", params=IMAGES)
def image(request: pytest.FixtureRequest, model: FasterRcnn) -> dict[str, Any]:
    """A reference image: what the API computed of it, and what this model does."""
    name = request.param
    pixels = np.asarray(Image.open(REFERENCE / "images" / f"{name}.png").convert("RGB"))[None]
    resized = resize_images(tf.constant(pixels), model.config)
    shapes = tf.shape(resized)[None, 1:3]
    return {
        "name": name,
        "api": np.load(REFERENCE / f"slim_small_{name}.npz"),
        "normalised": normalise(resized),
        "shapes": shapes,
        "ours": model.predict_boxes(normalise(resized), shapes),
    }


@pytest.fixture(scope="module")
def readings(model: FasterRcnn, image: dict[str, Any]) -> Readings:
    """What the second stage may answer of our proposals: where ours or the API's ends at the
    feature map's edge, the last bit of its other edge decides between two readings."""
    ours, theirs = image["ours"], image["api"]["pred/proposal_boxes_normalized"]
    boxes_rel = relative(ours["proposals"], image["shapes"]).numpy()
    undecided = ends_at_the_edge(boxes_rel[0]) | ends_at_the_edge(theirs[0])
    return Readings.of(model, ours["features"].numpy()[0], boxes_rel[0], undecided)


def api_answers(image: dict[str, Any]) -> Answers:
    api = image["api"]
    codes, logits = api["pred/refined_box_encodings"], api["pred/class_predictions_with_background"]
    return Answers(codes.reshape(len(logits), -1, 4), logits)


def stored(image: dict[str, Any], name: str, found: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The API's array and ours, in one shape; of a large one, the values that were kept."""
    api, values = image["api"], np.asarray(found)
    if name in api.files:
        return api[name], values.reshape(api[name].shape)
    return api[f"sample/{name}"], values.reshape(-1)[:: int(api[f"sample_step/{name}"])]


def assert_relative(image: dict[str, Any], name: str, found: tf.Tensor) -> None:
    want, ours = stored(image, name, found)
    assert np.abs(ours - want).max() <= RELATIVE * np.abs(want).max(), name


def test_the_resized_input_is_the_same(image: dict[str, Any]) -> None:
    want, ours = stored(image, "preprocessed", image["normalised"])
    np.testing.assert_array_equal(ours, want)
    assert image["api"]["true_image_shapes"][0, :2].tolist() == image["shapes"][0].numpy().tolist()


def test_the_first_stage_agrees(image: dict[str, Any]) -> None:
    outputs = image["ours"]
    assert_relative(image, "pred/rpn_features_to_crop/0", outputs["features"])
    assert_relative(image, "pred/rpn_box_encodings", outputs["rpn_box_codes"])
    logits = "pred/rpn_objectness_predictions_with_background"
    assert_relative(image, logits, outputs["objectness"])
    want, anchors = stored(image, "pred/anchors", outputs["anchors"])
    np.testing.assert_allclose(anchors, want, atol=PIXELS)
    want, proposals = stored(image, "pred/proposal_boxes", outputs["proposals"])
    np.testing.assert_allclose(proposals, want, atol=PIXELS)
    assert outputs["num_proposals"].numpy().tolist() == image["api"]["pred/num_proposals"].tolist()


def test_proposals_agree(model: FasterRcnn, image: dict[str, Any]) -> None:
    api = image["api"]
    proposals, _ = propose(
        api["pred/rpn_box_encodings"],
        api["pred/rpn_objectness_predictions_with_background"],
        api["pred/anchors"],
        image["shapes"],
        model.config,
    )
    boxes = relative(proposals, image["shapes"])
    np.testing.assert_array_equal(boxes, api["pred/proposal_boxes_normalized"])
    np.testing.assert_array_equal(absolute(boxes, image["shapes"]), api["pred/proposal_boxes"])


def test_the_second_stage_agrees(model: FasterRcnn, image: dict[str, Any]) -> None:
    api = image["api"]
    features = model.predict_regions(image["normalised"])["features"]
    boxes = tf.constant(api["pred/proposal_boxes_normalized"])
    assert_relative(image, "stage2/cropped_pooled", crop_and_pool(features, boxes, model.config))
    outputs = model.classify(features, boxes)
    assert_relative(image, "pred/refined_box_encodings", outputs["box_codes"])
    assert_relative(image, "pred/class_predictions_with_background", outputs["class_logits"])
    found = postprocess(
        outputs["box_codes"],
        outputs["class_logits"],
        tf.constant(api["pred/proposal_boxes"]),
        tf.constant(api["pred/num_proposals"]),
        image["shapes"],
        model.config,
    )
    assert_same_detections(image, [value.numpy() for value in found], api_detections(image))


def test_the_whole_agrees(model: FasterRcnn, image: dict[str, Any], readings: Readings) -> None:
    ours, theirs = Answers.of(image["ours"]), api_answers(image)
    assert readings.taken_by(ours)[1].max() <= RELATIVE
    their_choice, far = readings.taken_by(theirs)
    assert far.max() <= RELATIVE
    is_decided = ~readings.undecided.any(axis=1)
    assert is_decided.any()
    assert ours.differences(theirs)[is_decided].max() <= RELATIVE
    # Whoever takes the readings that the API took, finds all that it found.
    found = detections(model, image, readings.chosen(their_choice))
    assert_same_detections(image, found, api_detections(image))


def test_the_frozen_graph_answers_by_the_apis_names_and_ids(
    model: FasterRcnn,
    image: dict[str, Any],
    readings: Readings,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "frozen_inference_graph.pb"
    if not path.exists():
        write_frozen_graph(model, numbered_label_map(model.config.num_classes), path)
    picture = REFERENCE / "images" / f"{image['name']}.png"
    found = FrozenGraph(path)(np.asarray(Image.open(picture).convert("RGB")))
    names = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
    boxes, scores, classes, count = (found[name][None] for name in names)
    frozen = [boxes, scores, classes - 1, count]
    # The graph does not tell which readings it took: those that account for most of its detections.
    choice = readings_behind(frozen, model, image, readings)
    assert_same_detections(image, frozen, detections(model, image, readings.chosen(choice)))


def readings_behind(
    found: list[np.ndarray], model: FasterRcnn, image: dict[str, Any], readings: Readings
) -> np.ndarray:
    """Which reading of each proposal has most of the detections ``found``; of equals, ours."""
    ours = readings.taken_by(Answers.of(image["ours"]))[0]
    boxes, scores, classes = (value[0] for value in found[:3])
    held = np.zeros((len(readings.each), len(ours)))
    for number, answers in enumerate(readings.each):
        decoded = decode_boxes(answers.codes[None], image["ours"]["proposals"])[0].numpy()
        decoded = clip_to_window(decoded, *image["shapes"][0]).numpy()
        probabilities = class_scores(answers.logits).numpy()
        for box, score, klass in zip(boxes, scores, classes.astype(int), strict=True):
            near = np.abs(probabilities[:, klass] - score) <= SCORES
            near &= np.abs(decoded[:, klass] - box * scale_of(image)).max(axis=1) <= PIXELS
            held[number] += near
    held[ours, np.arange(len(ours))] += 0.5
    return held.argmax(axis=0)


def detections(model: FasterRcnn, image: dict[str, Any], answers: Answers) -> list[np.ndarray]:
    """What postprocessing makes of ``answers`` to our proposals."""
    outputs, shapes = image["ours"], image["shapes"]
    found = postprocess(
        tf.constant(answers.codes[None], tf.float32),
        tf.constant(answers.logits[None], tf.float32),
        outputs["proposals"],
        outputs["num_proposals"],
        shapes,
        model.config,
    )
    return [value.numpy() for value in found]


def api_detections(image: dict[str, Any]) -> list[np.ndarray]:
    names = ("boxes", "scores", "classes")
    found = [image["api"][f"post/detection_{name}"] for name in names]
    return [*found, image["api"]["post/num_detections"]]


def scale_of(image: dict[str, Any]) -> np.ndarray:
    return np.tile(image["shapes"][0].numpy(), 2)


def assert_same_detections(
    image: dict[str, Any], found: list[np.ndarray], wanted: list[np.ndarray]
) -> None:
    """The same set: each of ``wanted`` has one of ``found`` of its own, and there are as many."""
    boxes, scores, classes, count = (value[0] for value in found)
    assert count == wanted[3][0]
    free = np.ones(len(scores), bool)
    for box, score, klass in list(zip(*(value[0] for value in wanted[:3]), strict=True))[
        : int(count)
    ]:
        near = free & (classes == klass) & (np.abs(scores - score) <= SCORES)
        near &= (np.abs(boxes - box) * scale_of(image)).max(axis=1) <= PIXELS
        assert near.any(), (box, score, klass)
        free[np.flatnonzero(near)[0]] = False


def test_a_batch_at_the_full_size_answers_as_each_picture_alone() -> None:
    full = FasterRcnn(read_config(REFERENCE / "pipeline_full.config"))
    with opened(REFERENCE) as (prefix, _):
        load_checkpoint(full, prefix)
    photo = np.asarray(Image.open(REFERENCE / "images" / "bccd_640x480.png").convert("RGB"))
    both = normalise(resize_images(tf.constant(np.stack([photo, photo[::-1, ::-1]])), full.config))
    assert both.shape == (2, 600, 800, 3)
    shapes = tf.constant([[600, 800]] * 2)
    together = full.predict_boxes(both, shapes)
    for row in range(2):
        alone = full.predict_boxes(both[row : row + 1], shapes[:1])
        proposals, count = alone["proposals"].numpy()[0], int(alone["num_proposals"][0])
        assert count == int(together["num_proposals"][row]) == 300
        np.testing.assert_allclose(together["proposals"][row], proposals, atol=PIXELS)
        boxes_rel = relative(alone["proposals"], shapes[:1]).numpy()[0]
        undecided = ends_at_the_edge(boxes_rel)
        undecided |= ends_at_the_edge(relative(together["proposals"], shapes).numpy()[row])
        features = alone["features"].numpy()[0]
        readings = Readings.of(full, features, boxes_rel, undecided)
        for outputs, place in ((alone, 0), (together, row)):
            assert readings.taken_by(Answers.of(outputs, place))[1].max() <= RELATIVE


def test_the_command_detects_with_the_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    picture = str(REFERENCE / "images" / "crop_407x301.png")
    config = str(REFERENCE / "pipeline_small.config")
    command = ["detect", "--model", str(REFERENCE), "--config", config, picture, "--json"]
    assert main(command) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    api = np.load(REFERENCE / "slim_small_crop_407x301.npz")
    found = answer["detections"]
    assert [one["class_id"] - 1 for one in found] == api["post/detection_classes"][0].tolist()
    sides = [[one[side] for side in ("ymin", "xmin", "ymax", "xmax")] for one in found]
    np.testing.assert_allclose(
        sides, api["post/detection_boxes"][0] * [301, 407, 301, 407], atol=PIXELS
    )
