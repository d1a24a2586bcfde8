"""How long Faster R-CNN takes: a photo by its frozen graph, and a step of training.

    python benchmarks/faster_rcnn.py --checkpoint DIR [--config FILE] [--runs 20] [--steps 5]
                                     [--beside GRAPH] [--json FILE]

The checkpoint is one of the zoo's faster_rcnn_inception_v2, the photo a generated one of
640 x 480. CPU time is that of all threads of the process. The bar: the Object Detection API's own
frozen graph at 600/1024 and 300 proposals, 536 CPU-ms a photo on the machine where it was measured;
compare on one machine only: --beside takes another frozen graph, the API's own for instance, and
times the two in turn. The limit is what the photo's multiplications (109 GFLOP, done plainly) would
take at the speed at which this machine multiplies matrices meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WARM_UP = 2
# Convolutions and dense layers at 600 x 800 and 300 proposals, multiplied plainly.
PHOTO_GFLOP = 109.4
BAR_CPU_MS, BAR_WALL_MS = 536.0, 871.0


def timed(call: Callable[[], object], runs: int) -> dict[str, float]:
    """Medians in milliseconds, of the clock and of the CPU."""
    return timed_in_turn([call], runs)[0]


def timed_in_turn(calls: Sequence[Callable[[], object]], runs: int) -> list[dict[str, float]]:
    """As ``timed``, of several that take turns, so that what else runs slows all of them."""
    for call in calls:
        for _ in range(WARM_UP):
            call()
    wall: list[list[float]] = [[] for _ in calls]
    cpu: list[list[float]] = [[] for _ in calls]
    for _ in range(runs):
        for call, walls, cpus in zip(calls, wall, cpu, strict=True):
            began, used = time.perf_counter(), time.process_time()
            call()
            walls.append(1000 * (time.perf_counter() - began))
            cpus.append(1000 * (time.process_time() - used))
    return [
        {"wall_ms": float(np.median(walls)), "cpu_ms": float(np.median(cpus))}
        for walls, cpus in zip(wall, cpu, strict=True)
    ]


def time_photo(
    checkpoint: Path, config: Path | None, beside: Path | None, runs: int
) -> dict[str, dict[str, float]]:
    """The frozen graph, as it is exported, on one photo; and the one ``beside`` it."""
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
        graphs = {"photo": FrozenGraph(path)}
    if beside is not None:
        graphs["photo_beside"] = FrozenGraph(beside)
    calls = [lambda graph=graph: graph(photo) for graph in graphs.values()]
    return dict(zip(graphs, timed_in_turn(calls, runs), strict=True))


def time_step(checkpoint: Path, config: Path | None, steps: int) -> dict[str, float]:
    """A step of training on a batch of one generated photo with three boxes."""
    import tensorflow as tf
    from detect import make_photo

    from detection.images import open_upright
    from detection.models.faster_rcnn.checkpoint import load_checkpoint
    from detection.models.faster_rcnn.checkpoint_files import opened
    from detection.models.faster_rcnn.config import read_config
    from detection.models.faster_rcnn.detector import FasterRcnn
    from detection.models.faster_rcnn.resize import normalise, resize_images
    from detection.models.faster_rcnn.step import FasterRcnnStep

    with opened(checkpoint) as (prefix, beside):
        chosen = config or beside
        if chosen is None:
            raise SystemExit(
                f"{checkpoint}: there is no pipeline.config beside it. Name it: --config."
            )
        model = FasterRcnn(read_config(chosen))
        load_checkpoint(model, prefix)
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
    parser.add_argument("--beside", type=Path, metavar="GRAPH", help="a frozen graph to compare")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from detection.training.cpu import prepare_cpu

    prepare_cpu()
    result: dict[str, Any] = {"matrix_gflop_per_cpu_second": matrix_gflops()}
    result |= time_photo(options.checkpoint, options.config, options.beside, options.runs)
    print(f"{'':<22}{'CPU ms':>9}{'wall ms':>9}")
    for key, words in (("photo", "a photo"), ("photo_beside", "  by the graph beside")):
        if key in result:
            print(f"{words:<22}{result[key]['cpu_ms']:>9.0f}{result[key]['wall_ms']:>9.0f}")
    limit = result["photo_limit_cpu_ms"] = (
        1000 * PHOTO_GFLOP / result["matrix_gflop_per_cpu_second"]
    )
    print(f"{'  limit, plainly':<22}{limit:>9.0f}")
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
