"""SSDLite as the engine sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.augmentation import Augmentation
from detection.bases import Base
from detection.export import export_bundle
from detection.exports.samples import Sample
from detection.input_pipeline import repeat_factors, sample_order, training_batches
from detection.label_map import LabelMap
from detection.models.architecture import Batch
from detection.models.ssd.detector import build_detector
from detection.models.ssd.postprocessing import DEFAULT_IOU_THRESHOLD
from detection.models.ssd.pruning import BATCH, PICTURES, hold_back, share_kept, widths_of
from detection.models.ssd.published import write_base_bundle
from detection.picture_cache import CachedSplit
from detection.training.data import RunData, load_data, relative_sides
from detection.training.input_size import choose_input_size
from detection.training.pace import EVALUATION_SHARE
from detection.training.settings import TrainingSettings
from detection.training.start import start_model
from detection.training.step import TrainingStep
from detection.training.validator import Validator

# Converting and checking the exports takes as long as learning from so many pictures at the usual
# size, but at least so many seconds: a GPU does not hasten it.
CONVERTING_PICTURES, LEAST_CONVERTING_SECONDS, USUAL_SIZE = 510, 20.0, 300


class Ssd:
    """Square pictures, anchors on six feature maps, one sigmoid a label."""

    def choose_input_size(self, records: Path, settings: TrainingSettings) -> tuple[int, str]:
        return choose_input_size(relative_sides(records)), "by the size of the boxes"

    def load_data(
        self,
        records: Path,
        label_map: Path,
        cache: Path,
        input_size: int,
        on_picture: Callable[[], None],
    ) -> RunData:
        return load_data(records, label_map, cache, input_size, on_picture)

    def start_model(
        self,
        num_classes: int,
        settings: TrainingSettings,
        input_size: int,
        batch_size: int,
        *,
        data: RunData,
        state: dict[str, NDArray[Any]] | None,
    ) -> keras.Model:
        repeats = repeat_factors(data.train, num_classes)
        order = sample_order(data.train.num_images, PICTURES, settings.seed, repeats)

        def views(samples: NDArray[np.int64]) -> Iterator[tf.Tensor]:
            for batch in self.batches(
                data.train, samples, settings, input_size=input_size, batch_size=BATCH,
                first_sample=0,
            ):  # fmt: skip
                yield batch["images"]

        seen, others = map(views, hold_back(order))
        return start_model(num_classes, settings, input_size, batch_size, seen, others, state)

    def about_start(self, model: keras.Model) -> str:
        share = share_kept(model)
        if share == 1.0:
            return ""
        return (
            f"{share:.0%} of the channels inside the base's blocks are kept; these pictures hardly "
            "use the others."
        )

    def make_step(
        self,
        model: keras.Model,
        settings: TrainingSettings,
        input_size: int,
        strategy: tf.distribute.Strategy,
    ) -> TrainingStep:
        return TrainingStep(model, input_size, strategy)

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
        changes = Augmentation(
            crop=settings.crop,
            flip=settings.flip,
            vertical_flip=settings.vertical_flip,
            colour=settings.colour,
            mosaic=settings.mosaic,
        )
        return training_batches(
            split,
            order,
            batch_size=batch_size,
            input_size=input_size,
            seed=settings.seed,
            augmentation=changes,
            first_sample=first_sample,
        )

    def make_judge(
        self, model: keras.Model, label_map: LabelMap, settings: TrainingSettings, input_size: int
    ) -> Validator:
        copy = build_detector(len(label_map), input_size, widths=widths_of(model))
        return Validator(copy, label_map, input_size)

    def seconds_to_finish(self, a_picture: float, input_size: int, data: RunData) -> float:
        usual = a_picture * (USUAL_SIZE / input_size) ** 2
        judging = data.num_val * a_picture * EVALUATION_SHARE
        return judging + max(LEAST_CONVERTING_SECONDS, CONVERTING_PICTURES * usual)

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
        export_bundle(
            model,
            folder=folder,
            base=base,
            input_size=input_size,
            label_map=label_map,
            metrics=metrics,
            score_threshold=score_threshold,
            iou_threshold=DEFAULT_IOU_THRESHOLD,
            revision=revision,
            samples=samples,
        )

    def prepare_base(self, base: Base, weights: Path, folder: Path) -> None:
        write_base_bundle(base, weights, folder)


ARCHITECTURE = Ssd()
