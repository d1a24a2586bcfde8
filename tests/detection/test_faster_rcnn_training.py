"""Faster R-CNN learns: its targets and samples by hand, a tiny base through a whole run."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from detection.bases import BASES, Base, BaseError, add_base, base_dir, remove_base
from detection.inference import load_detector
from detection.models.faster_rcnn.assignment import (
    GroundTruth,
    assign_anchors,
    assign_proposals,
)
from detection.models.faster_rcnn.detector import FasterRcnn
from detection.models.faster_rcnn.losses import detection_losses
from detection.models.faster_rcnn.sampling import sample
from detection.training.devices import dtype_policy
from detection.training.from_folder import write_run_records
from detection.training.loop import train
from detection.training.reporting import EventLines
from detection.training.settings import TrainingSettings
from tests.detection.faster_rcnn_tiny import PIPELINE, tiny_config, write_checkpoint
from tests.detection.synthetic import write_scenes

BASE = "tiny_zoo"


def truth(boxes: list[list[float]], ignored: tuple[bool, ...] = ()) -> GroundTruth:
    is_ignored = np.array([ignored or [False] * len(boxes)])
    return GroundTruth(
        tf.constant([boxes], tf.float32),
        tf.zeros([1, len(boxes)], tf.int32),
        tf.constant(~is_ignored),
        tf.constant(is_ignored),
    )


def test_anchors_learn_from_0_7_a_box_gets_its_best_and_between_nothing_is_learnt() -> None:
    anchors = tf.constant(
        [[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 5], [50, 50, 60, 60]], tf.float32
    )
    found = assign_anchors(anchors, truth([[0, 0, 10, 10], [48, 48, 90, 90]]))
    assert found.matched.numpy()[0].tolist() == [True, True, False, True]
    assert found.background.numpy()[0].tolist() == [False, False, False, False]
    # The last one's IoU is 0.06, but no anchor has more of the second box.
    assert found.box_index.numpy()[0].tolist() == [0, 0, 0, 1]


def test_proposals_in_an_ignored_box_are_no_background() -> None:
    proposals = tf.constant(
        [[[0, 0, 10, 10], [30, 30, 40, 40], [70, 70, 80, 80], [0, 0, 0, 0]]], tf.float32
    )
    boxes = truth([[0, 0, 10, 12], [25, 25, 60, 60]], ignored=(False, True))
    found = assign_proposals(proposals, tf.constant([3]), boxes)
    assert found.matched.numpy()[0].tolist() == [True, False, False, False]
    assert found.background.numpy()[0].tolist() == [False, False, True, False]


def test_a_sample_is_balanced_filled_with_negatives_and_repeatable() -> None:
    positive = tf.constant([[True] * 50 + [False] * 50, [True] * 2 + [False] * 98])
    drawn = sample(positive, ~positive, 20, 0.25, tf.constant([3, 4]))
    assert tf.reduce_sum(tf.cast(drawn & positive, tf.int32), axis=1).numpy().tolist() == [5, 2]
    assert tf.reduce_sum(tf.cast(drawn, tf.int32), axis=1).numpy().tolist() == [20, 20]
    again = sample(positive, ~positive, 20, 0.25, tf.constant([3, 4]))
    assert (again.numpy() == drawn.numpy()).all()
    other = sample(positive, ~positive, 20, 0.25, tf.constant([3, 5]))
    assert (other.numpy() != drawn.numpy()).any()


def test_a_picture_without_boxes_has_a_finite_loss_of_background_alone() -> None:
    model = FasterRcnn(tiny_config())
    nothing = GroundTruth(
        tf.zeros([1, 1, 4]),
        tf.zeros([1, 1], tf.int32),
        tf.constant([[False]]),
        tf.constant([[False]]),
    )
    images = tf.zeros([1, 64, 64, 3])
    losses = detection_losses(model, images, tf.constant([[64, 64]]), nothing, tf.constant([0, 0]))
    assert losses["rpn_box"].numpy() == losses["box"].numpy() == 0
    assert losses["rpn_objectness"].numpy() > 0
    assert losses["class"].numpy() > 0


def test_mixed_precision_answers_in_float32_near_to_what_float32_does() -> None:
    images = tf.random.stateless_uniform([1, 64, 64, 3], [1, 2], -1.0, 1.0)
    plain = FasterRcnn(tiny_config())
    with dtype_policy("mixed_bfloat16"):
        mixed = FasterRcnn(tiny_config())
    for variable, other in zip(mixed.weights, plain.weights, strict=True):
        variable.assign(other)
    wanted, found = plain.predict_regions(images), mixed.predict_regions(images)
    assert found["box_codes"].dtype == found["objectness"].dtype == tf.float32
    np.testing.assert_allclose(found["objectness"], wanted["objectness"], atol=0.02)
    losses = detection_losses(
        mixed,
        images,
        tf.constant([[64, 64]]),
        truth([[8, 8, 40, 40]]),
        tf.constant([0, 0]),
    )
    assert all(np.isfinite(value.numpy()) for value in losses.values())


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Base:
    monkeypatch.setenv("BOXLOOP_BASES", str(tmp_path / "bases"))
    tf.keras.utils.set_random_seed(2)
    published = tmp_path / "published"
    published.mkdir()
    write_checkpoint(FasterRcnn(tiny_config()), published / "model.ckpt")
    (published / "pipeline.config").write_text(PIPELINE)
    row = Base(BASE, "Tiny", "For tests.", "Apache-2.0", architecture="faster_rcnn")
    add_base(row, published)
    return BASES[BASE]


def test_a_run_from_an_added_base_learns_resumes_and_detects(base: Base, tmp_path: Path) -> None:
    assert (base.is_present, base.added, base.num_labels, base.input_size) == (True, True, 3, 64)
    write_scenes(tmp_path / "scenes", 4)
    (tmp_path / "train.txt").write_text("scene_0\nscene_1\nscene_2\n")
    (tmp_path / "val.txt").write_text("scene_3\n")
    records = tmp_path / "run" / "records"
    records.parent.mkdir()
    write_run_records(
        records, tmp_path / "scenes", tmp_path / "train.txt", tmp_path / "val.txt", None, 0
    )

    def run(epochs: int, out: str) -> list[dict[str, object]]:
        events = io.StringIO()
        settings = TrainingSettings(
            base=BASE, epochs=epochs, batch_size=2, learning_rate=1e-3, colour=False
        )
        train(
            tmp_path / out,
            records,
            records / "label_map.pbtxt",
            settings,
            EventLines(events),
            threading.Event(),
        )
        return [json.loads(line) for line in events.getvalue().splitlines()]

    events = run(4, "run")
    losses = [event["loss"] for event in events if event["event"] == "epoch"]
    assert len(losses) == 4
    assert losses[-1] < 0.8 * losses[0]
    again = run(4, "run")
    assert next(one for one in again if one["event"] == "started")["resumed_from_epoch"] == 4

    bundle = json.loads((tmp_path / "run" / "model" / "model.json").read_text())
    assert bundle["architecture"] == "faster_rcnn"
    assert set(bundle["not_exported"]) == {"litert_float16", "litert_int8"}
    detector = load_detector(tmp_path / "run")
    picture = np.asarray(Image.open(tmp_path / "scenes" / "scene_3.png"))
    for found in detector.detect([picture, picture[:100]], score_threshold=0.0):
        assert found
        assert {one.label for one in found} <= {"red", "blue"}


def test_a_base_that_does_not_fit_is_not_kept(base: Base, tmp_path: Path) -> None:
    published = tmp_path / "published"
    row = Base("other", "Other", "", "", architecture="faster_rcnn")
    (published / "pipeline.config").write_text(PIPELINE.replace("num_classes: 3", "num_classes: 4"))
    with pytest.raises(BaseError, match="number of classes"):
        add_base(row, published)
    assert "other" not in BASES
    with pytest.raises(BaseError, match="There is a base tiny_zoo already"):
        add_base(base, published)
    remove_base(BASE)
    assert not base_dir(BASE).exists()
    with pytest.raises(BaseError, match="built in"):
        remove_base("ssdlite_mobilenet_v2_coco")
