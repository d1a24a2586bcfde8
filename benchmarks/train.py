"""How fast training is: images a second, how long a step waits for data, and memory.

    python benchmarks/train.py [--steps 40] [--batch-size 8] [--input-size 300] [--json FILE]

The pictures are generated. The base's weights are not needed: random ones take as long. The bar:
24 images a second at 300 pixels and batch 8, on two cores that have nothing else to do, and at most
5 % of the time spent waiting for data.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

NUM_PICTURES, BOXES_A_PICTURE, NUM_LABELS = 64, 12, 3
WARM_UP = 4
BAR_IMAGES_A_SECOND, BAR_WAITING = 24.0, 0.05


def make_split(side: int) -> Any:
    """Noise with boxes anywhere, as the trainer keeps its pictures."""
    from detection.picture_cache import CachedSplit

    random = np.random.default_rng(0)
    corners = np.sort(random.random((NUM_PICTURES, BOXES_A_PICTURE, 2, 2), np.float32), axis=2)
    kinds = np.zeros((NUM_PICTURES, BOXES_A_PICTURE, 2), np.float32)
    kinds[..., 0] = 1
    return CachedSplit(
        pixels=random.integers(0, 256, (NUM_PICTURES, side, side, 3), np.uint8),
        boxes_rel_xyxy=corners.reshape(NUM_PICTURES, BOXES_A_PICTURE, 4),
        classes=random.integers(0, NUM_LABELS, (NUM_PICTURES, BOXES_A_PICTURE)).astype(np.int32),
        kinds=kinds,
        names=[f"noise_{number}" for number in range(NUM_PICTURES)],
        sizes=np.full((NUM_PICTURES, 2), side, np.int32),
    )


def measure(
    steps: int, batch_size: int, input_size: int, widths: dict[str, int] | None = None
) -> dict[str, float]:
    """Train ``steps`` steps as a run does; with ``widths``, as one whose model was pruned so."""
    from detection.training.cpu import prepare_cpu

    prepare_cpu()
    from detection.augmentation import Augmentation
    from detection.input_pipeline import sample_order, training_batches
    from detection.models.ssd.detector import build_detector, freeze_early_layers
    from detection.training.data import CROP_RESERVE
    from detection.training.machine import products_a_second
    from detection.training.pointwise import learn_by_matrix_products
    from detection.training.step import TrainingStep

    model = build_detector(NUM_LABELS, input_size, widths=widths)
    freeze_early_layers(model)
    learn_by_matrix_products(model)
    step = TrainingStep(model, input_size)
    batches = step.ahead(
        training_batches(
            make_split(round(CROP_RESERVE * input_size)),
            sample_order(NUM_PICTURES, (WARM_UP + steps) * batch_size, 0),
            batch_size=batch_size,
            input_size=input_size,
            seed=0,
            augmentation=Augmentation(),
        )
    )
    began = time.perf_counter()
    for _ in range(WARM_UP):
        step(next(batches), 1e-4)
    first = time.perf_counter() - began
    waiting = 0.0
    began, began_cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(batches)
        waiting += time.perf_counter() - asked
        step(batch, 1e-4)
    seconds = time.perf_counter() - began
    return {
        "images_per_second": steps * batch_size / seconds,
        "seconds_a_step": seconds / steps,
        "cpu_seconds_a_step": (time.process_time() - began_cpu) / steps,
        "share_waiting_for_data": waiting / seconds,
        "seconds_to_start": first,
        "matrix_product_gflops": 2 * products_a_second() / 1e9,
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def widths_of_run(folder: Path) -> dict[str, int]:
    """The widths that pruning left in a run's model. Raises ExportError where there is none."""
    from detection.export import load_trained
    from detection.models.ssd.pruning import widths_of

    bundle = folder if (folder / "model.json").is_file() else folder / "model"
    return widths_of(load_trained(bundle)[0])


def main() -> int:
    parser = argparse.ArgumentParser(description="How fast training is.")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--input-size", type=int, default=300)
    parser.add_argument(
        "--pruned", type=Path, metavar="RUN", help="measure a model as thin as that of RUN, too"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    found = measure(options.steps, options.batch_size, options.input_size)
    print(f"input {options.input_size}, batch {options.batch_size}, {options.steps} steps")
    print(
        f"images a second     {found['images_per_second']:8.1f}   (bar {BAR_IMAGES_A_SECOND:.0f})"
    )
    waiting = 100 * found["share_waiting_for_data"]
    print(f"waiting for data    {waiting:7.1f} %   (bar {100 * BAR_WAITING:.0f} %)")
    print(f"a step              {found['seconds_a_step']:8.3f} s")
    print(f"CPU time of a step  {found['cpu_seconds_a_step']:8.3f} s")
    print(f"images a CPU second {options.batch_size / found['cpu_seconds_a_step']:8.1f}")
    # The machine's speed at that moment, to compare runs by: shared cores vary.
    print(f"a matrix product    {found['matrix_product_gflops']:8.0f} GFLOP/s")
    print(f"until the 5th step  {found['seconds_to_start']:8.1f} s")
    print(f"memory at most      {found['memory_bytes'] / 1e9:8.2f} GB")
    if options.pruned is not None:
        widths = widths_of_run(options.pruned)
        thin = measure(options.steps, options.batch_size, options.input_size, widths)
        ratio = thin["seconds_a_step"] / found["seconds_a_step"]
        cpu_ratio = thin["cpu_seconds_a_step"] / found["cpu_seconds_a_step"]
        print(
            f"pruned as {options.pruned}: {thin['images_per_second']:.1f} images a second; a step "
            f"takes {ratio:.2f} of the time, {cpu_ratio:.2f} of the CPU time"
        )
        found |= {f"pruned_{name}": value for name, value in thin.items()}
    if options.json is not None:
        options.json.write_text(json.dumps(vars(options) | found, indent=1, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
