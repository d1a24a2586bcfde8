"""What training costs by the number of images: time to prepare, a step, memory, disk.

    python benchmarks/scaling.py [--images 200 1000 5000] [--steps 10] [--json FILE]

Each size runs in a process of its own, so that its peak memory is its own. The pictures are noise
of 640 x 480 with twelve boxes each, written as the records that `train` reads; then they are
decoded, looked through for near-duplicates and put into batches as in a run, and some steps are
taken. The bar: steps take the same at any size, and memory at the largest is within 30 % of that at
the smallest. Memory is the process's own (Linux's RssAnon, looked at every 50 ms): the decoded
pictures lie in a mapped file, which the system may drop at any time. Where the system does not tell
it, it is the peak less that file.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WIDTH, HEIGHT, BOXES = 640, 480, 12
INPUT_SIZE, BATCH = 300, 8
VAL_SHARE = 0.2
GROWTH_BAR = 1.3
DISTINCT = 200  # pictures; noise of its own for each would take longer than all the rest


def write_records(folder: Path, num_images: int) -> None:
    """Train and val records of ``num_images`` in all, and a label map."""
    from PIL import Image

    from detection.formats.tfrecord import RecordWriter, encode_example
    from detection.label_map import LabelMap, write_label_map
    from detection.types import Box, LabelledImage

    random = np.random.default_rng(0)
    labels = LabelMap.from_names(["thing"])
    (folder / "label_map.pbtxt").write_text(write_label_map(labels))
    encoded = []
    for _ in range(min(DISTINCT, num_images)):
        noise = random.integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).resize((WIDTH, HEIGHT)).save(file, "JPEG")
        encoded.append(file.getvalue())
    num_val = round(VAL_SHARE * num_images)
    for split, count in (("train", num_images - num_val), ("val", num_val)):
        with RecordWriter(folder / split, -(-count // 500)) as writer:
            for number in range(count):
                corners = random.uniform(0, 0.8, (BOXES, 2)) * (WIDTH, HEIGHT)
                boxes = tuple(Box("thing", x, y, x + 90, y + 80) for x, y in corners.tolist())
                image = LabelledImage(f"{split}_{number}.jpg", WIDTH, HEIGHT, boxes)
                data = encoded[number % len(encoded)]
                writer.write(encode_example(image, data, "jpeg", labels))


class OwnMemory:
    """The greatest memory of this process, without mapped files, in bytes; None where untold."""

    def __init__(self) -> None:
        self.peak: int | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            try:
                text = Path("/proc/self/status").read_text()
            except OSError:
                return
            found = re.search(r"^RssAnon:\s+(\d+) kB", text, re.MULTILINE)
            if found:
                self.peak = max(self.peak or 0, 1024 * int(found[1]))

    def stop(self) -> int | None:
        self._done.set()
        self._thread.join()
        return self.peak


def measure(num_images: int, steps: int) -> dict[str, float]:
    """Prepare and train as a run does; to be called in a process of its own."""
    from detection.training.cpu import prepare_cpu

    prepare_cpu()
    from detection.augmentation import Augmentation
    from detection.input_pipeline import sample_order, training_batches
    from detection.models.ssd.detector import build_detector, freeze_early_layers
    from detection.training.data import load_data
    from detection.training.pointwise import learn_by_matrix_products
    from detection.training.step import TrainingStep

    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        write_records(folder, num_images)
        memory = OwnMemory()
        began, began_cpu = time.perf_counter(), time.process_time()
        data = load_data(folder, folder / "label_map.pbtxt", folder / "cache", INPUT_SIZE)
        data.near_duplicates()
        prepared, prepared_cpu = time.perf_counter() - began, time.process_time() - began_cpu
        model = build_detector(1, INPUT_SIZE)
        freeze_early_layers(model)
        learn_by_matrix_products(model)
        step = TrainingStep(model, INPUT_SIZE)
        order = sample_order(data.train.num_images, (steps + 3) * BATCH, 0)
        times = []
        batches = training_batches(
            data.train, order, batch_size=BATCH, input_size=INPUT_SIZE, seed=0,
            augmentation=Augmentation(),
        )  # fmt: skip
        for batch in step.ahead(batches):
            began_cpu = time.process_time()
            step(batch, 1e-4)
            times.append(time.process_time() - began_cpu)
        own = memory.stop()
        disk = sum(path.stat().st_size for path in (folder / "cache").iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "images": num_images,
        "seconds_to_prepare": prepared,
        "cpu_seconds_to_prepare": prepared_cpu,
        "cpu_seconds_a_step": float(np.median(times[3:])),
        "memory_bytes": own if own is not None else peak - disk,
        "disk_bytes": disk,
    }


def in_a_process(num_images: int, steps: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", str(num_images), "--steps", str(steps)]
    done = subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="What training costs by the number of images.")
    parser.add_argument("--images", type=int, nargs="+", default=[200, 1000, 5000], metavar="N")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if options.one is not None:
        print(json.dumps(measure(options.one, options.steps)))
        return 0
    print(
        f"{'images':>8}{'prepare':>12}{'its CPU':>12}{'CPU a step':>13}{'memory':>11}{'disk':>10}"
    )
    found = []
    for count in options.images:
        found.append(one := in_a_process(count, options.steps))
        print(
            f"{count:>8}{one['seconds_to_prepare']:>10.1f} s"
            f"{one['cpu_seconds_to_prepare']:>10.1f} s{one['cpu_seconds_a_step']:>11.3f} s"
            f"{one['memory_bytes'] / 1e9:>8.2f} GB"
            f"{one['disk_bytes'] / 1e9:>7.2f} GB",
            flush=True,
        )
    growth = found[-1]["memory_bytes"] / found[0]["memory_bytes"]
    print(f"memory, largest to smallest: {growth:.2f} (bar {GROWTH_BAR})")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
