"""The model that a run starts with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from detection.bases import weights_dir
from detection.models.ssd.detector import build_detector, freeze_early_layers, freeze_norms
from detection.models.ssd.pruning import prune, widths_in
from detection.models.ssd.weights import load_published, read_graph_model
from detection.training.devices import dtype_policy, is_on_gpu, precision_policy
from detection.training.pointwise import learn_by_matrix_products
from detection.training.settings import TrainingSettings

# Batch norms of fewer pictures learn noise; on the last feature map each picture is one value.
LEAST_NORM_BATCH = 4


def start_model(
    num_classes: int,
    settings: TrainingSettings,
    input_size: int,
    batch_size: int,
    images: Iterable[tf.Tensor],
    held_back: Iterable[tf.Tensor],
    state: Mapping[str, NDArray[Any]] | None,
) -> keras.Model:
    """The base with new class predictors, ready to be fine-tuned.

    ``images`` and ``held_back``: batches ``[B, S, S, 3]``, -1..1, of those to learn from, by which
    channels are pruned and on which that is tried, unless the settings leave it out. With the
    ``state`` of a run that goes on the model has that run's widths, and its weights are still to be
    restored.
    """
    policy = precision_policy(settings.precision)
    if state is not None:
        shapes = {name.removeprefix("model/"): array.shape for name, array in state.items()}
        with dtype_policy(policy):
            model = build_detector(num_classes, input_size, widths=widths_in(shapes))
    else:
        model = _loaded(num_classes, settings, input_size, images, held_back, policy)
    freeze_early_layers(model)
    if batch_size < LEAST_NORM_BATCH:
        freeze_norms(model)
    if not is_on_gpu():
        learn_by_matrix_products(model)
    return model


def _loaded(
    num_classes: int,
    settings: TrainingSettings,
    input_size: int,
    images: Iterable[tf.Tensor],
    held_back: Iterable[tf.Tensor],
    policy: str,
) -> keras.Model:
    """The base's weights, in as many channels as ``images`` need."""
    whole = build_detector(num_classes, input_size)
    load_published(whole, read_graph_model(weights_dir(settings.base)), None)
    widths, changed = prune(whole, images, held_back) if settings.prune else ({}, {})
    with dtype_policy(policy):
        model = build_detector(num_classes, input_size, widths=widths)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(changed.get(layer.name) or whole.get_layer(layer.name).get_weights())
    return model
