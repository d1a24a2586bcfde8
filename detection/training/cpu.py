"""What makes TensorFlow train faster on CPUs; to be called before TensorFlow is imported."""

from __future__ import annotations

import os


def prepare_cpu() -> None:
    """Use oneDNN's kernels.

    TensorFlow leaves them off on CPUs without AVX-512, where a step takes a quarter to a third less
    time with them all the same.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
