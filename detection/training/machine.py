"""How fast a machine is before it has trained anything: by one matrix product. Needs no TensorFlow.

A step of training is for the most part matrix products, so that it takes longer and shorter as they
do: on slower and faster cores, and on cores that have other things to do.
"""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np

PRODUCT_SIZE, PRODUCT_RUNS = 1024, 4
# Of the SSD at 300 pixels and a batch of 8 on two cores, judging val images included: pictures a
# second, for each thousand million multiply-adds a second of the product below.
PICTURES_A_GIGAPRODUCT = 0.34


def products_a_second(size: int = PRODUCT_SIZE, runs: int = PRODUCT_RUNS) -> float:
    """Multiply-adds a second of a float32 matrix product on all cores: the best of some runs."""
    matrix = np.random.default_rng(0).random((size, size), np.float32)
    product = matrix @ matrix  # starts the library's threads
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        np.matmul(matrix, matrix, out=product)
        times.append(time.perf_counter() - start)
    return float(size**3 / min(times))


@lru_cache(maxsize=1)
def guessed_images_per_second() -> float:
    """Images a second that this machine's CPU will train at, measured once in a tenth of a second.

    As in `PICTURES_A_GIGAPRODUCT`: for the SSD at 300 pixels.
    """
    return PICTURES_A_GIGAPRODUCT * products_a_second() / 1e9
