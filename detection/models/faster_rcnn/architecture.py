"""Faster R-CNN as the engine sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.bases import Base, weights_dir
from detection.exports.samples import Sample
from detection.label_map import LabelMap
from detection.models.architecture import Batch
from detection.models.faster_rcnn.batches import training_batches
from detection.models.faster_rcnn.checkpoint import load_checkpoint
from detection.models.faster_rcnn.checkpoint_files import opened
from detection.models.faster_rcnn.config import ConfigError, FasterRcnnConfig, read_config
from detection.models.faster_rcnn.detector import FasterRcnn
from detection.models.faster_rcnn.exporting import export_bundle
from detection.models.faster_rcnn.judge import Judge
from detection.models.faster_rcnn.pictures import THUMBNAIL, EncodedSplit
from detection.models.faster_rcnn.proof import LEAST_PICTURES, SECONDS
from detection.models.faster_rcnn.serving import CheckpointDetector, load_checkpoint_detector
from detection.models.faster_rcnn.step import FasterRcnnStep
from detection.picture_cache import CachedSplit
from detection.training.data import RunData, load_data
from detection.training.devices import dtype_policy, precision_policy
from detection.training.pace import EVALUATION_SHARE
from detection.training.settings import TrainingSettings

# What the zoo's models are shown from.
BASE_SCORE_THRESHOLD = 0.5
# Tracing, freezing and writing the SavedModel, and opening it again.
CONVERTING_SECONDS = 12.0


class FasterRcnnKind:
    """Pictures at their own aspect ratio, two stages, a softmax over labels and background."""

    def choose_input_size(self, records: Path, settings: TrainingSettings) -> tuple[int, str]:
        return base_config(settings.base).min_dimension, "the shorter side, as in the base's config"

    def load_data(
        self,
        records: Path,
        label_map: Path,
        cache: Path,
        input_size: int,
        on_picture: Callable[[], None],
    ) -> RunData:
        data = load_data(records, label_map, cache, THUMBNAIL, on_picture)
        train = EncodedSplit.of(data.train, data.train_paths, cache / "train.pictures")
        val = None
        if data.val is not None:
            val = EncodedSplit.of(data.val, data.val_paths, cache / "val.pictures")
        return replace(data, train=train, val=val)

    def start_model(
        self,
        num_classes: int,
        settings: TrainingSettings,
        input_size: int,
        batch_size: int,
        *,
        data: RunData,
        state: dict[str, NDArray[Any]] | None,
    ) -> FasterRcnn:
        config = run_config(settings.base, num_classes, input_size)
        with dtype_policy(precision_policy(settings.precision)):
            model = FasterRcnn(config)
        with opened(weights_dir(settings.base)) as (prefix, _):
            load_checkpoint(model, prefix, new_classes=True)
        return model

    def about_start(self, model: keras.Model) -> str:
        return ""

    def make_step(
        self,
        model: keras.Model,
        settings: TrainingSettings,
        input_size: int,
        strategy: tf.distribute.Strategy,
    ) -> FasterRcnnStep:
        return FasterRcnnStep(model, settings.seed, strategy)

    def batches(
        self,
        split: CachedSplit,
        order: NDArray[np.int64],
        settings: TrainingSettings,
        *,
        input_size: int,
        batch_size: int,
        first_sample: int,
    ) -> Iterable[Batch]:
        assert isinstance(split, EncodedSplit)
        return training_batches(
            split,
            order,
            _resized_to(base_config(settings.base), input_size),
            batch_size=batch_size,
            seed=settings.seed,
            flip=settings.flip,
            vertical_flip=settings.vertical_flip,
            colour=settings.colour,
            first_sample=first_sample,
        )

    def make_judge(
        self, model: keras.Model, label_map: LabelMap, settings: TrainingSettings, input_size: int
    ) -> Judge:
        return Judge(FasterRcnn(run_config(settings.base, len(label_map), input_size)), label_map)

    def seconds_to_finish(self, a_picture: float, input_size: int, data: RunData) -> float:
        an_answer = a_picture * EVALUATION_SHARE
        asked = min(data.num_samples, max(LEAST_PICTURES, int(SECONDS / an_answer)))
        # The trained model and its export are asked, one after the other.
        return CONVERTING_SECONDS + (data.num_val + 2 * asked) * an_answer

    def export(
        self,
        model: keras.Model,
        *,
        folder: Path,
        base: str,
        input_size: int,
        label_map: LabelMap,
        metrics: dict[str, Any],
        score_threshold: float,
        revision: str | None,
        samples: Sequence[Sample],
    ) -> None:
        assert isinstance(model, FasterRcnn)
        facts = {
            "base": base,
            "input_size": input_size,
            "score_threshold": score_threshold,
            "map_50": metrics.get("map_50"),
            "map_50_95": metrics.get("map_50_95"),
            "revision": revision,
        }
        export_bundle(
            model, folder=folder, facts=facts, metrics=metrics, label_map=label_map,
            samples=samples,
        )  # fmt: skip

    def prepare_base(self, base: Base, weights: Path, folder: Path) -> None:
        detector: CheckpointDetector = load_checkpoint_detector(weights)
        facts = {
            "base": base.name,
            "input_size": detector.model.config.min_dimension,
            "score_threshold": BASE_SCORE_THRESHOLD,
            "map_50": None,
            "map_50_95": base.coco_ap,
            "revision": None,
        }
        export_bundle(
            detector.model, folder=folder, facts=facts, metrics={}, label_map=detector.label_map,
            samples=(),
        )  # fmt: skip


def base_config(base: str) -> FasterRcnnConfig:
    """The pipeline.config of a base on this machine. Raises BaseError and ConfigError."""
    with opened(weights_dir(base)) as (_, path):
        if path is None:
            raise ConfigError(f"The base {base} has no pipeline.config. Add it anew, with one.")
        return read_config(path)


def run_config(base: str, num_classes: int, input_size: int) -> FasterRcnnConfig:
    """The configuration of a run: the base's, for its own classes and input size."""
    return replace(_resized_to(base_config(base), input_size), num_classes=num_classes)


def _resized_to(config: FasterRcnnConfig, input_size: int) -> FasterRcnnConfig:
    """The shorter side becomes ``input_size``, the longest allowed one grows along."""
    if config.fixed_size is not None:
        height, width = config.fixed_size
        scale = input_size / min(height, width)
        return replace(config, fixed_size=(round(height * scale), round(width * scale)))
    longest = round(config.max_dimension * input_size / config.min_dimension)
    return replace(config, min_dimension=input_size, max_dimension=longest)


ARCHITECTURE = FasterRcnnKind()
