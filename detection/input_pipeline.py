"""From decoded pictures to training batches: shuffle, mosaic, crop, flip, colour, pad.

The whole run is one stream of sample numbers: sample ``p`` of the run is always the same picture
with the same augmentation, whatever came before. That makes a resumed run equal to one that was
never cut off, and needs no state to be saved but the step.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from detection.augmentation import (
    HALF_RANGE,
    NUM_RANDOM,
    Augmentation,
    flip_and_recolour,
    mosaic,
    sample_of,
    through_a_window,
)
from detection.picture_cache import BOX, CachedSplit

PREFETCH_BATCHES = 4
# Half of the samples are mosaics, but none towards the end: there pictures are as they are.
MOSAIC_SHARE, MOSAIC_UNTIL = 0.5, 0.7
# Labels in fewer than this share of the pictures are shown more often, up to so many times.
RARE, MOST_REPEATS = 0.1, 4.0


def repeat_factors(split: CachedSplit, num_labels: int) -> NDArray[np.float64]:
    """How often each picture is to be shown a pass: 1, or more where it holds a rare label.

    Repeat-factor sampling (Gupta et al. 2019, "LVIS", appendix B): the root of ``RARE`` over the
    share of pictures that hold the rarest of its labels. ``[N]``.
    """
    learnt = split.kinds[..., BOX] > 0
    holds = np.zeros((split.num_images, num_labels), bool)
    rows, columns = np.nonzero(learnt)
    holds[rows, split.classes[rows, columns]] = True
    share = np.maximum(holds.mean(axis=0), 1e-9)
    of_label = np.clip(np.sqrt(RARE / share), 1.0, MOST_REPEATS)
    factors: NDArray[np.float64] = np.where(holds, of_label, 1.0).max(axis=1, initial=1.0)
    return factors


def sample_order(
    num_images: int,
    num_samples: int,
    seed: int,
    repeats: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Which picture each sample of the run shows: one shuffled pass over all after another.

    With ``repeats`` ``[num_images]`` a pass shows picture *i* that often; what is left of a whole
    number is drawn anew each pass.
    """
    random = np.random.default_rng([seed, 0x0B0E])
    order: list[NDArray[np.int64]] = []
    count = 0
    while count < num_samples:
        one_pass = np.arange(num_images)
        if repeats is not None and (repeats > 1).any():
            whole = np.floor(repeats + random.random(num_images)).astype(np.int64)
            one_pass = np.repeat(one_pass, whole)
        order.append(random.permutation(one_pass))
        count += len(one_pass)
    return np.concatenate(order)[:num_samples].astype(np.int64)


def training_batches(
    split: CachedSplit,
    order: NDArray[np.int64],
    *,
    batch_size: int,
    input_size: int,
    seed: int,
    augmentation: Augmentation,
    first_sample: int = 0,
) -> tf.data.Dataset:
    """Batches of ``order`` from ``first_sample`` on, as dictionaries of tensors.

    ``images`` ``[B, S, S, 3]`` float32 in -1..1; ground truth padded to the batch's M boxes:
    ``boxes_xyxy`` ``[B, M, 4]`` relative, ``classes`` ``[B, M]`` int32 model indices, ``is_box``
    and ``is_ignored`` ``[B, M]`` float32; ``picture`` ``[B]`` int64, the row in the split.
    """
    mosaic_until = int(MOSAIC_UNTIL * len(order)) if augmentation.mosaic else 0

    def prepare(picture: int, number: int) -> tuple[NDArray[np.generic], ...]:
        random = np.random.default_rng([seed, number]).random(NUM_RANDOM, np.float32)
        if number < mosaic_until and random[13] < MOSAIC_SHARE:
            others = (random[10:13] * split.num_images).astype(np.int64).tolist()
            samples = [sample_of(split, row) for row in (picture, *others)]
            sample = mosaic(samples, random, input_size)
        else:
            sample = sample_of(split, picture)
            sample = through_a_window(sample, random, input_size, crop=augmentation.crop)
        sample = flip_and_recolour(sample, random, augmentation)
        # One empty box is always there: what follows cannot do with none.
        there = sample.kinds.max(axis=1) > 0
        there[-1] = True
        boxes, kinds = sample.boxes_xyxy[there], sample.kinds[there]
        return np.asarray(sample.image), boxes, sample.classes[there], kinds

    def load(picture: tf.Tensor, number: tf.Tensor) -> dict[str, tf.Tensor]:
        image, boxes, classes, kinds = tf.numpy_function(
            prepare, [picture, number], [tf.uint8, tf.float32, tf.int32, tf.float32]
        )
        image.set_shape((input_size, input_size, 3))
        boxes.set_shape((None, 4))
        classes.set_shape((None,))
        kinds.set_shape((None, 2))
        return {
            "images": image,
            "boxes_xyxy": boxes,
            "classes": classes,
            "is_box": kinds[:, 0],
            "is_ignored": kinds[:, 1],
            "picture": picture,
        }

    def normalise(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {**batch, "images": tf.cast(batch["images"], tf.float32) / HALF_RANGE - 1.0}

    samples = np.arange(len(order), dtype=np.int64)
    dataset = tf.data.Dataset.from_tensor_slices((order[first_sample:], samples[first_sample:]))
    dataset = dataset.map(load, num_parallel_calls=2, deterministic=True)
    dataset = dataset.padded_batch(batch_size, drop_remainder=True)
    return dataset.map(normalise).prefetch(PREFETCH_BATCHES)
