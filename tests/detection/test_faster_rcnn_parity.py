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
from detection.models.faster_rcnn.checkpoint import load_checkpoint, variable_map
from detection.models.faster_rcnn.checkpoint_files import opened
from detection.models.faster_rcnn.config import read_config
from detection.models.faster_rcnn.detector import FasterRcnn, crop_and_pool
from detection.models.faster_rcnn.exporting import write_frozen_graph
from detection.models.faster_rcnn.postprocessing import postprocess
from detection.models.faster_rcnn.proposals import absolute, propose, relative
from detection.models.faster_rcnn.resize import normalise, resize_images
from detection.models.faster_rcnn.serving import numbered_label_map

SHARED = Path(os.environ.get("BOXLOOP_SHARED", Path(__file__).parents[3] / "shared"))
REFERENCE = SHARED / "reference" / "odapi" / "faster_rcnn_inception_v2"
IMAGES = ["bccd_640x480", "crop_407x301", "tall_150x400"]
pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference is not here")

RELATIVE, PIXELS, SCORES = 1e-4, 1e-3, 1e-4
# 7 columns to 14 samples: whether a crop that ends at the right edge reads the last column or zeros
# from beyond depends on the last bit of its left edge. The API's own graph, run on another machine
# than the reference's, differs from the reference in 7 of these 64.
UNDECIDED = {"tall_150x400": 7}


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
    return {
        "name": name,
        "api": np.load(REFERENCE / f"slim_small_{name}.npz"),
        "normalised": normalise(resized),
        "shapes": tf.shape(resized)[None, 1:3],
    }


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


def test_the_first_stage_agrees(model: FasterRcnn, image: dict[str, Any]) -> None:
    outputs = model.predict_boxes(image["normalised"], image["shapes"])
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
    assert_same_detections(image, [value.numpy() for value in found])


def test_the_whole_agrees(model: FasterRcnn, image: dict[str, Any]) -> None:
    outputs = model.predict_boxes(image["normalised"], image["shapes"])
    found = postprocess(
        outputs["box_codes"],
        outputs["class_logits"],
        outputs["proposals"],
        outputs["num_proposals"],
        image["shapes"],
        model.config,
    )
    undecided = UNDECIDED.get(image["name"], 0)
    assert_same_detections(image, [value.numpy() for value in found], undecided)


def test_the_frozen_graph_answers_by_the_apis_names_and_ids(
    model: FasterRcnn, image: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "frozen_inference_graph.pb"
    if not path.exists():
        write_frozen_graph(model, numbered_label_map(model.config.num_classes), path)
    picture = REFERENCE / "images" / f"{image['name']}.png"
    found = FrozenGraph(path)(np.asarray(Image.open(picture).convert("RGB")))
    names = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
    boxes, scores, classes, count = (found[name][None] for name in names)
    undecided = UNDECIDED.get(image["name"], 0)
    assert_same_detections(image, [boxes, scores, classes - 1, count], undecided)


def assert_same_detections(
    image: dict[str, Any], found: list[np.ndarray], undecided: int = 0
) -> None:
    """The same set, but for ``undecided`` at most: each of the API's has one of ours, as many."""
    api = image["api"]
    boxes, scores, classes, count = (value[0] for value in found)
    assert count == api["post/num_detections"][0]
    height, width = image["shapes"][0].numpy()
    scale = np.array([height, width, height, width])
    free = np.ones(len(scores), bool)
    wanted = zip(
        api["post/detection_boxes"][0],
        api["post/detection_scores"][0],
        api["post/detection_classes"][0],
        strict=True,
    )
    lost = []
    for box, score, klass in list(wanted)[: int(count)]:
        near = free & (classes == klass) & (np.abs(scores - score) <= SCORES)
        near &= (np.abs(boxes - box) * scale).max(axis=1) <= PIXELS
        if near.any():
            free[np.flatnonzero(near)[0]] = False
        else:
            lost.append((box, score, klass))
    assert len(lost) <= undecided, lost


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
