"""What the engine asks of a kind of detector: the one thing that a new kind has to bring.

A kind lives in a package `detection/models/NAME/` whose module `architecture` has an
``ARCHITECTURE``; a row of `detection.bases.BUILT_IN` names it. The run, its folder, its events,
its measures and its commands are the same for all.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.exports.samples import Sample
from detection.label_map import LabelMap
from detection.picture_cache import CachedSplit
from detection.types import Detection

if TYPE_CHECKING:
    from detection.bases import Base
    from detection.training.data import RunData
    from detection.training.settings import TrainingSettings

Batch = dict[str, tf.Tensor]


class Step(Protocol):
    """Trains a model a batch at a time; see ``detection.training.step.TrainingStep``."""

    def __call__(self, batch: Batch, learning_rate: float) -> float: ...
    def ahead(self, batches: Iterable[Batch]) -> Iterator[Batch]: ...
    def state(self) -> dict[str, np.ndarray]: ...
    def restore(self, arrays: dict[str, np.ndarray]) -> None: ...
    def averaged_weights(self) -> dict[str, np.ndarray]: ...


class Judge(Protocol):
    """Detects with averaged weights; see ``detection.training.validator.Validator``."""

    model: keras.Model

    def take_weights(self, weights: dict[str, np.ndarray]) -> None: ...
    def detect(self, split: CachedSplit) -> list[list[Detection]]: ...


class Architecture(Protocol):
    """A kind of detector. ``settings.base`` names the base that a run starts from.

    ``input_size`` is the side of a square for the SSD, and the shorter side for Faster R-CNN.
    """

    def choose_input_size(self, records: Path, settings: TrainingSettings) -> tuple[int, str]:
        """The input size of a run for which none was asked, and why that one, in words."""
        ...

    def load_data(
        self,
        records: Path,
        label_map: Path,
        cache: Path,
        input_size: int,
        on_picture: Callable[[], None],
    ) -> RunData:
        """The run's records; what is decoded or copied of them lies in ``cache``."""
        ...

    def start_model(
        self,
        num_classes: int,
        settings: TrainingSettings,
        input_size: int,
        batch_size: int,
        *,
        data: RunData,
        state: dict[str, np.ndarray] | None,
    ) -> keras.Model:
        """The base with new class predictors; ``batch_size`` is that of one device.

        It may be fitted to the run's ``data``. ``state`` is that of a run that goes on
        (``Step.state``), which is restored afterwards: the model must be one that it fits.
        """
        ...

    def about_start(self, model: keras.Model) -> str:
        """A sentence on what ``start_model`` made, for the run's log, or none."""
        ...

    def make_step(
        self,
        model: keras.Model,
        settings: TrainingSettings,
        input_size: int,
        strategy: tf.distribute.Strategy,
    ) -> Step: ...

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
        """Batches of the pictures ``order`` from ``first_sample`` on; each has ``picture``."""
        ...

    def make_judge(
        self, model: keras.Model, label_map: LabelMap, settings: TrainingSettings, input_size: int
    ) -> Judge:
        """One that takes the weights of ``model``, as ``start_model`` made it."""
        ...

    def seconds_to_finish(self, a_picture: float, input_size: int, data: RunData) -> float:
        """About how long the best epoch is judged on val, converted and checked at a run's end.

        ``a_picture``: the seconds that learning from one picture takes.
        """
        ...

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
        """Write the bundle ``folder`` (see ``detection.bundle``), its artefacts checked."""
        ...

    def prepare_base(self, base: Base, weights: Path, folder: Path) -> None:
        """Check a base's published ``weights`` and write its bundle to ``folder``.

        Raises ValueError in words where they do not fit.
        """
        ...


def architecture_named(name: str) -> Architecture:
    """The architecture of the package `detection/models/NAME`."""
    module = importlib.import_module(f"detection.models.{name}.architecture")
    found: Architecture = module.ARCHITECTURE
    return found
