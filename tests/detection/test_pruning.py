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
    choose_channels,
    prune,
    refit,
    widths_of,
)
from tests.detection.test_export import keep_signal, make_picture  # noqa: E402

SIDE = 96


def batches(numbers) -> list[tf.Tensor]:
    """Soft noise, each picture in a batch of its own."""
    return [
        normalise(tf.constant(make_picture(number, SIDE, SIDE)[None], tf.float32))
        for number in numbers
    ]


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = values.mean(axis=0)
    return mean, np.cov(values, rowvar=False, bias=True)


def lost(values: np.ndarray, projection: np.ndarray, kept: np.ndarray) -> float:
    """The share of the outputs' variance that is lost, measured on the values themselves."""
    mean, covariance = moments(values)
    refitted, offset = refit(covariance, mean, projection, kept)
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
    _, covariance = moments(values)
    kept = choose_channels(np.atleast_2d(covariance), projection, most_lost)
    assert len(kept) >= channels / 2
    assert len(kept) == channels or len(kept) % CHANNEL_STEP == 0
    assert (np.diff(kept) > 0).all()
    if channels > 1:
        assert lost(values, projection, kept) <= most_lost + 1e-6


def test_channels_that_repeat_others_cost_nothing() -> None:
    rng = np.random.default_rng(1)
    half = rng.normal(0, 1, (500, 32))
    values = np.concatenate([half, half @ rng.normal(0, 1, (32, 32))], axis=1)
    projection = rng.normal(0, 1, (64, 8))
    _, covariance = moments(values)
    kept = choose_channels(covariance, projection, 1e-6)
    assert len(kept) == 32
    assert lost(values, projection, kept) < 1e-5


def test_constant_channels_go_into_the_bias() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, (500, 64))
    values[:, 10:60] = 3.0
    projection = rng.normal(0, 1, (64, 8))
    mean, covariance = moments(values)
    kept = choose_channels(covariance, projection, 1e-6)
    refitted, offset = refit(covariance, mean, projection, kept)
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

    widths, weights = prune(whole, batches(range(200)), most_lost=1e-5)

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
    # Nothing is to be seen: half of the channels go, and no more.
    widths, _ = prune(whole, [tf.zeros([8, SIDE, SIDE, 3])] * 110)
    assert "expanded_conv_13" not in widths
    assert widths["expanded_conv_16"] == 480
    assert widths["expanded_conv_1"] == 48
    # Of a few pixels nothing can be told.
    widths, _ = prune(whole, [tf.zeros([8, SIDE, SIDE, 3])])
    assert "expanded_conv_16" not in widths
