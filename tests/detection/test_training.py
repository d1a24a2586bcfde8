"""Training: a tiny model learns, a cut-off run ends as an uncut one, and what stops a run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from detection.training.checkpoints import load_checkpoint, save_checkpoint
from detection.training.input_size import choose_input_size
from detection.training.pace import make_pace
from detection.training.schedule import learning_rate
from detection.training.settings import (
    TrainingError,
    TrainingSettings,
    automatic_epochs,
    epochs_in,
)
from tests.detection.synthetic import COLOURS, scene_split

tf = pytest.importorskip("tensorflow")

import keras  # noqa: E402

from detection.augmentation import Augmentation  # noqa: E402
from detection.input_pipeline import (  # noqa: E402
    repeat_factors,
    sample_order,
    training_batches,
)
from detection.label_map import LabelMap  # noqa: E402
from detection.models.architecture import architecture_named  # noqa: E402
from detection.models.ssd.detector import build_detector, freeze_early_layers  # noqa: E402
from detection.training.ahead import one_ahead  # noqa: E402
from detection.training.data import RunData  # noqa: E402
from detection.training.devices import dtype_policy  # noqa: E402
from detection.training.optimizer import AdamW  # noqa: E402
from detection.training.pointwise import learn_by_matrix_products  # noqa: E402
from detection.training.step import TrainingStep  # noqa: E402
from detection.training.validator import Validator  # noqa: E402

SIDE = 96
LABELS = LabelMap.from_names(COLOURS)


def tiny_step(seed: int = 3) -> TrainingStep:
    keras.utils.set_random_seed(seed)
    return TrainingStep(build_detector(len(LABELS), SIDE, width=0.25), SIDE)


def batches(split, order, first_step=0, augmentation=None):
    return training_batches(
        split,
        order,
        batch_size=4,
        input_size=SIDE,
        seed=11,
        augmentation=augmentation or Augmentation(),
        first_sample=first_step * 4,
    )


# -- how long and how fast -----------------------------------------------------------------------


def test_automatic_epochs_give_small_sets_enough_and_large_ones_an_end():
    assert automatic_epochs(121) * 121 == pytest.approx(4000, abs=121)
    assert automatic_epochs(292) == 30
    assert automatic_epochs(1000) == 12
    assert automatic_epochs(5000) == 6
    assert automatic_epochs(2) == 300
    assert automatic_epochs(292, 384 / 300) == 23
    assert automatic_epochs(5000, 2.0) == 6


def test_a_time_budget_buys_at_least_one_epoch():
    assert epochs_in(600, 10, 60) == 54
    assert epochs_in(10, 10, 60) == 1


def test_a_forecast_counts_the_epochs_their_evaluations_and_the_finish():
    pace = make_pace(0.4, steps=10, batch_size=8, num_val=20, finish=30.0, spent=5.0)
    assert pace.an_epoch == pytest.approx(4.0)
    assert pace.an_evaluation == pytest.approx(20 * 0.05 / 2)
    assert pace.seconds(10) == pytest.approx(10 * 4.5 + 30)
    slow = make_pace(4.0, steps=10, batch_size=8, num_val=0, finish=255.0, spent=5.0)
    assert slow.epochs(TrainingSettings(minutes=10), 80) == (600 - 5 - 255) // 40


def test_each_kind_tells_how_long_it_takes_to_finish():
    def of(kind, a_picture, input_size, num_val):
        val = SimpleNamespace(num_images=num_val) if num_val else None
        data = RunData(None, SimpleNamespace(num_images=200), val, [], [])
        return architecture_named(kind).seconds_to_finish(a_picture, input_size, data)

    # Of the SSD many forms are made; their time goes by the machine's, not by the run's pictures.
    assert of("ssd", 0.5, 300, 0) == pytest.approx(of("ssd", 2.0, 600, 0)) == pytest.approx(255)
    assert of("ssd", 0.001, 300, 0) == 20
    assert of("ssd", 0.001, 300, 1000) == pytest.approx(20 + 1000 * 0.0005)
    # Of Faster R-CNN one, and pictures are asked of it and of the trained model: 50 at most, fewer
    # where each takes long, but eight.
    assert of("faster_rcnn", 1.0, 600, 0) == 12 + 2 * 50 * 0.5
    assert of("faster_rcnn", 1.0, 600, 8) == 12 + 8 * 0.5 + 2 * 8 * 0.5
    assert of("faster_rcnn", 20.0, 600, 100) == 12 + 100 * 10 + 2 * 8 * 10


def test_learning_rate_rises_then_falls_to_a_fiftieth():
    rates = [learning_rate(step, 200, 1e-3) for step in range(200)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[-1] == pytest.approx(2e-5, rel=0.05)
    assert np.all(np.diff(rates[10:]) <= 0)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"minutes": 0.0}, {"minutes": float("nan")}, {"input_size": 32},
     {"batch_size": 0}, {"patience": -1}, {"precision": "half"}, {"learning_rate": 0.0}],
)  # fmt: skip
def test_senseless_settings_are_refused_in_words(wrong):
    with pytest.raises(TrainingError, match=r"[.]$"):
        TrainingSettings(**wrong)


def test_the_input_size_goes_by_the_small_boxes():
    def of_one_label(sides):
        return choose_input_size([("cat", side) for side in sides])

    assert choose_input_size([]) == 300
    assert of_one_label([0.085] * 100) == 300  # 25.5 pixels
    assert of_one_label([0.065] * 100) == 384  # 19.5 pixels at 300, 25 at 384
    assert of_one_label([0.055] * 100) == 448
    assert of_one_label([0.01] * 100) == 512
    assert of_one_label([0.01] * 5 + [0.3] * 95) == 300  # these few may be missed


def test_a_label_of_small_things_counts_among_many_large_ones():
    large = [("cell", 0.3)] * 1000
    assert choose_input_size([*large, *[("platelet", 0.055)] * 10]) == 448
    assert choose_input_size([*large, *[("speck", 0.01)] * 9]) == 300  # too few to say
    assert choose_input_size([("platelet", 0.055)] * 3) == 448  # all that there is


# -- the pipeline --------------------------------------------------------------------------------


def test_sample_order_shows_every_picture_once_a_pass():
    order = sample_order(5, 13, seed=1)
    assert sorted(order[:5]) == sorted(order[5:10]) == list(range(5))
    assert order.tolist() == sample_order(5, 13, seed=1).tolist()
    assert order.tolist() != sample_order(5, 13, seed=2).tolist()
    assert order.tolist() == sample_order(5, 20, seed=1)[:13].tolist()


def test_without_augmentation_pictures_and_boxes_stay_as_they_are():
    split = scene_split(4, SIDE)
    batch = next(iter(batches(split, np.arange(4), augmentation=Augmentation(*[False] * 4))))
    np.testing.assert_allclose(batch["images"], split.pixels / 127.5 - 1.0, atol=1e-5)
    np.testing.assert_allclose(batch["boxes_xyxy"], split.boxes_rel_xyxy, atol=1e-6)
    np.testing.assert_array_equal(batch["is_box"], np.ones((4, 2)))
    assert batch["picture"].numpy().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("mosaic", [False, True])
def test_boxes_follow_the_crop_the_flip_and_the_mosaic(mosaic: bool):
    """The rectangle's colour is found within its moved box, and the box is full of it."""
    split = scene_split(4, SIDE)
    seen, most = 0, 0
    augmentation = Augmentation(vertical_flip=True, colour=False, mosaic=mosaic)
    for batch in batches(split, sample_order(4, 40, 5), augmentation=augmentation):
        most = max(most, int(batch["is_box"].numpy().sum(axis=1).max()))
        for row in range(4):
            pixels = (batch["images"][row].numpy() + 1) * 127.5
            for box, is_box in zip(batch["boxes_xyxy"][row], batch["is_box"][row], strict=True):
                xmin, ymin, xmax, ymax = np.round(box.numpy() * SIDE).astype(int)
                inner = pixels[ymin + 2 : ymax - 2, xmin + 2 : xmax - 2]
                if is_box and inner.size:
                    spread = inner.max(axis=(0, 1)) - inner.min(axis=(0, 1))
                    assert spread.max() < 12
                    assert abs(inner.mean() - 130) > 5
                    seen += 1
    assert seen > 40
    assert (most > len(COLOURS)) == mosaic


@pytest.mark.parametrize("left_out", ["flip", "vertical_flip", "crop", "colour"])
def test_each_change_can_be_left_out(left_out: str):
    """With only one change on, samples differ; with it off as well, they are the pictures."""
    split, order = scene_split(2, SIDE), np.zeros(8, np.int64)
    none = dict.fromkeys(["flip", "vertical_flip", "crop", "colour", "mosaic"], False)
    alone = none | {left_out: True}

    def changed(**switches: bool) -> float:
        found = [
            batch["images"].numpy()
            for batch in batches(split, order, augmentation=Augmentation(**switches))
        ]
        return float(np.abs(np.concatenate(found) - (split.pixels[0] / 127.5 - 1.0)).max())

    assert changed(**alone) > 0.2
    assert changed(**(alone | {left_out: False})) < 1e-5


def test_pictures_with_a_rare_label_are_shown_more_often():
    split = scene_split(40, SIDE)
    split.classes[:] = 0
    split.classes[7, 1] = 1  # one picture of 40 holds the second label
    factors = repeat_factors(split, len(LABELS))
    assert factors[7] == pytest.approx(2.0)  # the root of 0.1 over 1 in 40
    assert np.delete(factors, 7).tolist() == [1.0] * 39
    order = sample_order(40, 4100, 3, factors)
    assert np.bincount(order)[7] == pytest.approx(200, abs=2)
    assert sorted(set(order.tolist())) == list(range(40))


def test_hidden_boxes_are_neither_learnt_nor_punished_after_a_crop():
    split = scene_split(4, SIDE)
    ignored = 0
    for batch in batches(split, sample_order(4, 80, 5)):
        both = batch["is_box"] * batch["is_ignored"]
        assert not np.any(both)
        ignored += int(batch["is_ignored"].numpy().sum())
    assert ignored > 0


def test_the_same_sample_is_the_same_after_a_resume():
    split, order = scene_split(4, SIDE), sample_order(4, 24, 5)
    whole = [batch["images"].numpy() for batch in batches(split, order)]
    rest = [batch["images"].numpy() for batch in batches(split, order, first_step=2)]
    assert len(whole) == 6
    np.testing.assert_array_equal(whole[2:], rest)


# -- learning ------------------------------------------------------------------------------------


def test_adamw_steps_by_hand():
    weights = tf.Variable([[1.0, -2.0]])
    bias = tf.Variable([0.5])
    optimizer = AdamW([weights, bias], [True, False], weight_decay=0.1, clip_norm=1e9)
    optimizer.apply([tf.constant([[3.0, -0.1]]), tf.constant([0.0])], tf.constant(0.01))
    # The first step is the rate itself, against the gradient's sign; then decay, weights only.
    np.testing.assert_allclose(weights, [[1 - 0.01 - 0.001, -2 + 0.01 + 0.002]], atol=1e-6)
    np.testing.assert_allclose(bias, [0.5], atol=1e-7)


def test_adamw_clips_by_the_norm_of_all():
    one, other = tf.Variable([0.0]), tf.Variable([0.0])
    optimizer = AdamW([one, other], [False, False], weight_decay=0.0, clip_norm=1.0)
    optimizer.apply([tf.constant([3.0]), tf.constant([4.0])], tf.constant(0.0))
    np.testing.assert_allclose(optimizer.state()["first_moment"], [0.06, 0.08], atol=1e-7)


@pytest.fixture(scope="module")
def learnt() -> tuple[TrainingStep, list[float]]:
    """A tiny random model after 320 steps on four pictures, and its losses."""
    step, split = tiny_step(), scene_split(4, SIDE)
    order = sample_order(4, 4 * 320, 0)
    losses = [
        step(batch, learning_rate(number, 320, 4e-3))
        for number, batch in enumerate(
            batches(split, order, augmentation=Augmentation(*[False] * 4))
        )
    ]
    return step, losses


def test_a_tiny_model_overfits_four_pictures(learnt):
    step, losses = learnt
    assert np.mean(losses[-5:]) < 0.35 * np.mean(losses[:5])
    split = scene_split(4, SIDE)
    validator = Validator(keras.models.clone_model(step.model), LABELS, SIDE)
    validator.take_weights(step.averaged_weights())
    for row, found in enumerate(validator.detect(split)):
        assert {detection.label for detection in found[:2]} == set(COLOURS)
        for detection in found[:2]:
            index = list(COLOURS).index(detection.label)
            true = split.boxes_rel_xyxy[row, index] * SIDE
            assert np.abs(np.array(detection.xyxy) - true).max() < 0.08 * SIDE


def test_saved_and_loaded_it_detects_the_same(learnt, tmp_path: Path):
    step, _ = learnt
    split = scene_split(4, SIDE)
    save_checkpoint(tmp_path / "best.npz", step.averaged_weights(), {"epoch": 7})
    first = Validator(keras.models.clone_model(step.model), LABELS, SIDE)
    first.take_weights(step.averaged_weights())
    arrays, facts = load_checkpoint(tmp_path / "best.npz")
    second = Validator(build_detector(len(LABELS), SIDE, width=0.25), LABELS, SIDE)
    second.take_weights(arrays)
    assert facts == {"epoch": 7}
    assert first.detect(split) == second.detect(split)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_matrix_products_compute_what_convolutions_do(precision: str):
    keras.utils.set_random_seed(5)
    with dtype_policy(precision):
        model = build_detector(2, SIDE, width=0.25)
    for weight in model.trainable_variables:  # small random ones hide differences
        weight.assign(weight + 0.05)
    picture = np.random.default_rng(0).uniform(-1, 1, (2, SIDE, SIDE, 3)).astype(np.float32)
    before = model(picture, training=False)
    assert learn_by_matrix_products(model) == 54
    after = model(picture, training=False)
    for name, values in before.items():
        tolerance = 1e-3 if precision == "float32" else 0.1
        np.testing.assert_allclose(
            after[name].numpy().astype(np.float32), values.numpy().astype(np.float32),
            rtol=tolerance, atol=tolerance * float(np.abs(values).max()),
        )  # fmt: skip
    assert keras.models.clone_model(model)(picture, training=False).keys() == after.keys()


def test_no_sum_is_taken_in_an_order_that_may_change():
    """AddN adds its parts as they come; two give the same either way."""
    step = tiny_step()
    batch = next(iter(batches(scene_split(4, SIDE), sample_order(4, 4, 5))))
    tensors = {name: value for name, value in batch.items() if name != "picture"}
    graph = step._compiled.get_concrete_function(tensors, tf.constant(1e-3)).graph
    sums = [node for node in graph.get_operations() if node.type == "AddN"]
    assert sums
    assert {len(node.inputs) for node in sums} == {2}
    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False


def test_a_run_is_the_same_again_to_the_last_bit_whenever_fixed_features_are_computed():
    split, order = scene_split(4, SIDE), sample_order(4, 4 * 8, 9)
    ends = []
    for is_ahead in (True, False):
        keras.utils.set_random_seed(3)
        model = build_detector(len(LABELS), SIDE, width=0.25)
        freeze_early_layers(model)
        step = TrainingStep(model, SIDE)
        given = batches(split, order)
        given = step.ahead(given) if is_ahead else given
        ends.append([step(batch, 1e-3) for batch in given])
    assert len(ends[0]) == 8
    assert ends[0] == ends[1]


def test_a_batch_is_prepared_before_it_is_asked_for_and_in_order():
    prepared = []
    items = one_ahead(range(4), lambda item: prepared.append(item) or item * 10)
    assert next(items) == 0
    assert list(items) == [10, 20, 30]
    assert prepared == [0, 1, 2, 3]
    with pytest.raises(ZeroDivisionError):
        list(one_ahead([1, 0], lambda item: 1 // item))


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path):
    step = tiny_step()
    state = step.state()
    del state["average"]
    with pytest.raises(KeyError):
        step.restore(state)


def test_pictures_without_boxes_teach_that_there_is_nothing():
    split = scene_split(4, SIDE)
    split.kinds[:] = 0
    step = tiny_step()
    batch = next(iter(batches(split, np.arange(4))))
    before = float(step.loss(batch, training=False))
    assert np.isfinite(before)
    assert before > 0


# -- checkpoints ---------------------------------------------------------------------------------


def test_a_checkpoint_is_whole_or_the_older_one(tmp_path: Path, monkeypatch):
    path = tmp_path / "last.npz"
    assert load_checkpoint(path) is None
    save_checkpoint(path, {"a": np.arange(3)}, {"epoch": 1})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"a": np.zeros(3)}, {"epoch": 2})
    arrays, facts = load_checkpoint(path)
    assert facts == {"epoch": 1}
    assert arrays["a"].tolist() == [0, 1, 2]


def test_settings_are_saved_as_json(tmp_path: Path):
    TrainingSettings(epochs=3).save(tmp_path / "run.json", epochs_chosen=3)
    stored = json.loads((tmp_path / "run.json").read_text())
    assert stored["epochs"] == stored["epochs_chosen"] == 3
    assert stored["base"] == "ssdlite_mobilenet_v2_coco"
