"""Channels that pictures do not need are left out, and what the others compute stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from detection.models.ssd.detector import build_detector, normalise  # noqa: E402
from detection.models.ssd.pruning import (  # noqa: E402
    CHANNEL_STEP,
    Moments,
    choose_channels,
    hold_back,
    lost,
    prune,
    refit,
    widths_in,
    widths_of,
)
from detection.training.settings import TrainingSettings  # noqa: E402
from detection.training.start import start_model  # noqa: E402
from tests.detection.test_export import keep_signal, make_picture  # noqa: E402

SIDE = 96


def batches(numbers) -> list[tf.Tensor]:
    """Soft noise, each picture in a batch of its own."""
    return [
        normalise(tf.constant(make_picture(number, SIDE, SIDE)[None], tf.float32))
        for number in numbers
    ]


def moments(values: np.ndarray) -> Moments:
    covariance = np.atleast_2d(np.cov(values, rowvar=False, bias=True))
    return Moments(len(values), values.mean(axis=0), covariance)


def lost_on(values: np.ndarray, projection: np.ndarray, kept: np.ndarray, seen: Moments) -> float:
    """The share of the outputs' variance that is lost, measured on the values themselves."""
    refitted, offset = refit(seen, projection, kept)
    whole = values @ projection
    error = whole - (values[:, kept] @ refitted + offset)
    return float((error**2).mean(axis=0).sum() / whole.var(axis=0).sum())


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.integers(1, 80),
    most_lost=st.floats(1e-4, 0.3),
)
def test_no_more_is_lost_than_may_be(seed: int, channels: int, most_lost: float) -> None:
    rng = np.random.default_rng(seed)
    loud = 10.0 ** rng.uniform(-3, 1, channels)  # most channels say little
    values = np.clip(rng.normal(0.3, 1, (400, channels)) * loud, 0, 6)
    projection = rng.normal(0, 1, (channels, 8))
    seen = moments(values)
    kept = choose_channels(seen.covariance, projection, most_lost)
    assert len(kept) >= channels / 2
    assert len(kept) == channels or len(kept) % CHANNEL_STEP == 0
    assert (np.diff(kept) > 0).all()
    if channels > 1:
        assert lost_on(values, projection, kept, seen) <= most_lost + 1e-6
        others = np.clip(rng.normal(0.5, 2, (300, channels)) * loud, 0, 6)
        told = lost(moments(others), projection, kept, *refit(seen, projection, kept))
        assert told == pytest.approx(lost_on(others, projection, kept, seen), rel=1e-6, abs=1e-9)


def test_channels_that_repeat_others_cost_nothing() -> None:
    rng = np.random.default_rng(1)
    half = rng.normal(0, 1, (500, 32))
    values = np.concatenate([half, half @ rng.normal(0, 1, (32, 32))], axis=1)
    projection = rng.normal(0, 1, (64, 8))
    seen = moments(values)
    kept = choose_channels(seen.covariance, projection, 1e-6)
    assert len(kept) == 32
    assert lost_on(values, projection, kept, seen) < 1e-5


def test_constant_channels_go_into_the_bias() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, (500, 64))
    values[:, 10:60] = 3.0
    projection = rng.normal(0, 1, (64, 8))
    seen = moments(values)
    kept = choose_channels(seen.covariance, projection, 1e-6)
    refitted, offset = refit(seen, projection, kept)
    assert len(kept) == 32
    np.testing.assert_allclose(values[:, kept] @ refitted + offset, values @ projection, atol=1e-4)


def test_a_detector_whose_channels_come_twice_is_pruned_to_the_same_answers() -> None:
    keras.utils.set_random_seed(5)
    whole = build_detector(2, SIDE)
    keep_signal(whole)
    doubled = ["expanded_conv_7", "expanded_conv_11"]
    for block in doubled:
        for name in (f"{block}_expand", f"{block}_depthwise"):
            kernel, bias = whole.get_layer(name).get_weights()
            axis = 2 if name.endswith("_depthwise") else 3
            kernel, bias = np.moveaxis(kernel, axis, 0), bias.copy()
            kernel[len(kernel) // 2 :] = kernel[: len(kernel) // 2]
            bias[len(bias) // 2 :] = bias[: len(bias) // 2]
            whole.get_layer(name).set_weights([np.moveaxis(kernel, 0, axis), bias])

    widths, weights = prune(whole, batches(range(200)), batches(range(300, 340)), most_lost=1e-5)

    assert widths["expanded_conv_7"] == 192
    assert widths["expanded_conv_11"] == 288
    pruned = build_detector(2, SIDE, widths=widths)
    for layer in pruned.layers:
        if layer.weights:
            layer.set_weights(weights.get(layer.name) or whole.get_layer(layer.name).get_weights())
    assert pruned.count_params() < whole.count_params()
    assert {name: widths_of(pruned)[name] for name in widths} == widths
    (image,) = batches([999])
    before, after = whole(image), pruned(image)
    for name in before:
        spread = float(np.std(before[name]))
        assert np.abs(after[name] - before[name]).max() < 0.1 * spread, name


def test_the_head_at_stride_16_keeps_all_that_it_sees() -> None:
    keras.utils.set_random_seed(6)
    whole = build_detector(1, SIDE)
    keep_signal(whole)
    many = batches(range(40)) * 3
    widths, _ = prune(whole, many, many[:40], most_lost=0.5)
    assert "expanded_conv_13" not in widths
    assert "expanded_conv" not in widths, "the edges are no large part of what varies"
    assert widths["expanded_conv_1"] == 48, "half of them, and no fewer"
    # Where nothing is to be seen, or too few pixels, or no other picture, nothing can be told.
    blank = [tf.zeros([8, SIDE, SIDE, 3])] * 14
    assert prune(whole, blank, blank) == ({}, {})
    few, _ = prune(whole, many[:3], many[:40], most_lost=0.5)
    assert "expanded_conv_16" not in few
    assert prune(whole, many, []) == ({}, {})


def test_noise_of_few_pictures_is_not_learnt() -> None:
    keras.utils.set_random_seed(7)
    whole = build_detector(1, SIDE)
    keep_signal(whole)
    # One picture again and again has pixels enough, and little to tell of another.
    again, others = batches([1]) * 100, batches(range(100, 120))
    assert "expanded_conv_9" in prune(whole, again, again[:1])[0]
    assert "expanded_conv_9" not in prune(whole, again, others)[0]


def test_other_pictures_are_held_back() -> None:
    seen, others = hold_back(np.array([3, 1, 0, 2, 1, 3, 2, 0, 0]))
    assert (seen.tolist(), others.tolist()) == ([1, 0, 2, 1, 2, 0, 0], [3, 3])
    seen, others = hold_back(np.array([4, 4, 4]))
    assert (len(seen), len(others)) == (3, 0), "one picture has no other"


def test_a_run_that_goes_on_has_the_widths_of_its_checkpoint() -> None:
    keras.utils.set_random_seed(8)
    pruned = build_detector(2, SIDE, widths={"expanded_conv_5": 96, "expanded_conv": 16})
    state = {f"model/{weight.path}": weight.numpy() for weight in pruned.weights}
    settings_ = TrainingSettings(base="ssdlite_mobilenet_v2_coco")
    model = start_model(2, settings_, SIDE, 8, iter(()), iter(()), state)
    assert widths_of(model) == widths_of(pruned)
    assert widths_of(model)["expanded_conv_5"] == 96
    assert widths_in({}) == {}
