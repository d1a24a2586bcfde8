"""How long Faster R-CNN takes: a photo by its frozen graph, and a step of training.

    python benchmarks/faster_rcnn.py --checkpoint DIR [--config FILE] [--runs 20] [--steps 5]
                                     [--json FILE]

The checkpoint is one of the zoo's faster_rcnn_inception_v2, the photo a generated one of
640 x 480. CPU time is that of all threads of the process. The bar: the Object Detection API's own
frozen graph at 600/1024 and 300 proposals, 536 CPU-ms a photo on the machine where it was measured;
compare on one machine only. `flops` says how fast this one multiplies matrices meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WARM_UP = 2
BAR_CPU_MS, BAR_WALL_MS = 536.0, 871.0


def timed(call: Callable[[], object], runs: int) -> dict[str, float]:
    """Medians in milliseconds, of the clock and of the CPU."""
    for _ in range(WARM_UP):
        call()
    wall, cpu = [], []
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        call()
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - used))
    return {"wall_ms": float(np.median(wall)), "cpu_ms": float(np.median(cpu))}


def time_photo(checkpoint: Path, config: Path | None, runs: int) -> dict[str, float]:
    """The frozen graph, as it is exported, on one photo."""
    import tempfile

    from detect import make_photo

    from detection.exports.saved_model import FrozenGraph
    from detection.images import open_upright
    from detection.models.faster_rcnn.exporting import write_frozen_graph
    from detection.models.faster_rcnn.serving import load_checkpoint_detector

    detector = load_checkpoint_detector(checkpoint, config)
    photo = np.asarray(open_upright(make_photo()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frozen_inference_graph.pb"
        write_frozen_graph(detector.model, detector.label_map, path)
        graph = FrozenGraph(path)
    return timed(lambda: graph(photo), runs)


def time_step(checkpoint: Path, config: Path | None, steps: int) -> dict[str, float]:
    """A step of training on a batch of one generated photo with three boxes."""
    import tensorflow as tf
    from detect import make_photo

    from detection.images import open_upright
    from detection.models.faster_rcnn.resize import normalise, resize_images
    from detection.models.faster_rcnn.serving import load_checkpoint_detector
    from detection.models.faster_rcnn.step import FasterRcnnStep

    model = load_checkpoint_detector(checkpoint, config).model
    images = normalise(resize_images(np.asarray(open_upright(make_photo()))[None], model.config))
    boxes = [[0.1, 0.1, 0.4, 0.5], [0.5, 0.2, 0.9, 0.8], [0.3, 0.6, 0.5, 0.9]]
    batch = {
        "images": images,
        "shapes": tf.shape(images)[None, 1:3],
        "boxes_xyxy": tf.constant([boxes], tf.float32),
        "classes": tf.constant([[0, 1, 2]]),
        "is_box": tf.ones([1, 3]),
        "is_ignored": tf.zeros([1, 3]),
        "sample": tf.constant([0], tf.int64),
    }
    step = FasterRcnnStep(model, 0)
    found = timed(lambda: step(batch, 1e-5), steps)
    found["images_per_second"] = 1000 / found["wall_ms"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found["memory_mb"] = peak / (1e6 if sys.platform == "darwin" else 1e3)
    return found


def matrix_gflops() -> float:
    """What a multiplication of matrices reaches a CPU-second here and now, in GFLOP."""
    import tensorflow as tf

    a = tf.random.normal([2048, 2048])
    found = timed(lambda: tf.matmul(a, a).numpy(), 5)
    return 2 * 2048**3 / 1e6 / found["cpu_ms"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="its pipeline.config; that beside it")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=5, help="0: no training")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from detection.training.cpu import prepare_cpu

    prepare_cpu()
    result: dict[str, Any] = {"matrix_gflop_per_cpu_second": matrix_gflops()}
    result["photo"] = time_photo(options.checkpoint, options.config, options.runs)
    print(f"{'':<22}{'CPU ms':>9}{'wall ms':>9}")
    print(f"{'a photo':<22}{result['photo']['cpu_ms']:>9.0f}{result['photo']['wall_ms']:>9.0f}")
    print(f"{'  the API, elsewhere':<22}{BAR_CPU_MS:>9.0f}{BAR_WALL_MS:>9.0f}")
    if options.steps:
        step = result["step"] = time_step(options.checkpoint, options.config, options.steps)
        print(f"{'a step, batch 1':<22}{step['cpu_ms']:>9.0f}{step['wall_ms']:>9.0f}")
        print(f"{step['images_per_second']:.2f} images/s, {step['memory_mb']:.0f} MB at most")
    print(f"matrices: {result['matrix_gflop_per_cpu_second']:.0f} GFLOP a CPU-second")
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
