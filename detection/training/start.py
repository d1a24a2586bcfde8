"""The model that a run starts with."""

from __future__ import annotations

import keras

from detection.bases import weights_dir
from detection.models.ssd.detector import build_detector, freeze_early_layers, freeze_norms
from detection.models.ssd.weights import load_published, read_graph_model
from detection.training.devices import dtype_policy, is_on_gpu, precision_policy
from detection.training.pointwise import learn_by_matrix_products
from detection.training.settings import TrainingSettings

# Batch norms of fewer pictures learn noise; on the last feature map each picture is one value.
LEAST_NORM_BATCH = 4


def start_model(
    num_classes: int, settings: TrainingSettings, input_size: int, batch_size: int
) -> keras.Model:
    """The base with new class predictors, ready to be fine-tuned."""
    with dtype_policy(precision_policy(settings.precision)):
        model = build_detector(num_classes, input_size)
    load_published(model, read_graph_model(weights_dir(settings.base)), None)
    freeze_early_layers(model)
    if batch_size < LEAST_NORM_BATCH:
        freeze_norms(model)
    if not is_on_gpu():
        learn_by_matrix_products(model)
    return model
