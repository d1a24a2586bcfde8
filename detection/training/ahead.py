"""Compute a batch's fixed features while the step before learns.

Layers that stay as they are give a batch's features whatever the other layers have learnt. So they
can be computed one batch ahead, on cores that the step leaves idle where it has little to share
out. The numbers are the same, and so is every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import keras
import tensorflow as tf

from detection.models.ssd.backbone import LAST_EARLY_LAYER, is_early

Batch = dict[str, tf.Tensor]
Item = TypeVar("Item")


def split_at_fixed(model: keras.Model) -> tuple[keras.Model, keras.Model] | None:
    """The early layers of an SSD, and the others, with ``model``'s own layers and weights.

    None where the early layers learn, too.
    """
    if any(layer.trainable for layer in model.layers if is_early(layer.name)):
        return None
    last = model.get_layer(LAST_EARLY_LAYER).output
    return keras.Model(model.input, last), keras.Model(last, model.output)


def with_features(batches: Iterable[Batch], early: keras.Model) -> Iterator[Batch]:
    """``batches`` with ``features``, which ``early`` makes of their ``images``, in their place."""
    compute = tf.function(lambda images: early(images, training=False), autograph=False)

    def prepare(batch: Batch) -> Batch:
        rest = {name: values for name, values in batch.items() if name != "images"}
        return rest | {"features": compute(batch["images"])}

    return one_ahead(batches, prepare)


def one_ahead(items: Iterable[Item], prepare: Callable[[Item], Item]) -> Iterator[Item]:
    """``prepare`` each of ``items`` in a thread, one before it is asked for, in their order."""
    source = iter(items)

    def fetch() -> Item | None:
        item = next(source, None)
        return None if item is None else prepare(item)

    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(fetch)
        while (item := job.result()) is not None:
            job = thread.submit(fetch)
            yield item
