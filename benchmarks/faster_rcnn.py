"""How long Faster R-CNN takes, and how much memory: a photo by its frozen graph, a training step.

    python benchmarks/faster_rcnn.py --checkpoint DIR [--config FILE] [--runs 20] [--steps 5]
                                     [--beside GRAPH] [--json FILE]

The checkpoint is one of the zoo's faster_rcnn_inception_v2, the photo a generated one of
640 x 480. CPU time is that of all threads of the process; memory is the peak of a process that does
nothing else. The bar: the Object Detection API's own frozen graph at 600/1024 and 300 proposals,
536 CPU-ms a photo on the machine where it was measured; compare on one machine only: --beside takes
another frozen graph, the API's own for instance, and times the two in turn. The limit is what the
photo's multiplications (109 GFLOP, done plainly) would take at the speed at which this machine
multiplies matrices meanwhile. The API's training step of this model (momentum, batch 1) was timed
beside ours on one machine; its SSDs' are those of the machine of its frozen graph.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WARM_UP = 2
# Convolutions and dense layers at 600 x 800 and 300 proposals, multiplied plainly.
PHOTO_GFLOP = 109.4
BAR_CPU_MS, BAR_WALL_MS = 536.0, 871.0
# The API's training step of this model, and what ours took in turn with it: CPU ms, peak MB.
API_STEP, OUR_STEP_THEN_MS = {"cpu_ms": 1916.0, "memory_mb": 1504.0}, 1949
# Its SSDs' training steps at best, batch 8, two shared cores: images a second.
API_SSD_STEPS = {"SSD MobileNet V2 320": 21.0, "SSD MobileNet V2 FPNLite 320": 13.0}


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


def alone(call: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """What ``call`` returns in a fresh process, with that one's peak memory as ``memory_mb``."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(call, *arguments).result()
        return found | {"memory_mb": pool.submit(peak_memory_mb).result()}


def peak_memory_mb() -> float:
    """Of this process. Linux hands ``ru_maxrss`` on to what a process starts; VmHWM is its own."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1e3
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1e6 if sys.platform == "darwin" else 1e3)


def export(checkpoint: Path, config: Path | None, path: Path) -> dict[str, float]:
    """Write the checkpoint's frozen graph."""
    prepare()
    from detection.models.faster_rcnn.exporting import write_frozen_graph
    from detection.models.faster_rcnn.serving import load_checkpoint_detector

    detector = load_checkpoint_detector(checkpoint, config)
    write_frozen_graph(detector.model, detector.label_map, path)
    return {}


def time_photos(graphs: Sequence[Path], runs: int) -> list[dict[str, float]]:
    """Frozen graphs on one photo, in turn."""
    prepare()
    from detect import make_photo

    from detection.exports.saved_model import FrozenGraph
    from detection.images import open_upright

    photo = np.asarray(open_upright(make_photo()))
    loaded = [FrozenGraph(path) for path in graphs]
    return timed_in_turn([partial(graph, photo) for graph in loaded], runs)


def time_photo(graph: Path) -> dict[str, float]:
    """One frozen graph for itself: for its memory."""
    return time_photos([graph], 3)[0]


def prepare() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from detection.training.cpu import prepare_cpu

    prepare_cpu()


def time_step(checkpoint: Path, config: Path | None, steps: int) -> dict[str, float]:
    """A step of training on a batch of one generated photo with three boxes."""
    prepare()
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
    return found


def matrix_gflops() -> float:
    """What a multiplication of matrices reaches a CPU-second here and now, in GFLOP."""
    prepare()
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
    result = measure(options)
    print_table(result)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1))
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {"matrix_gflop_per_cpu_second": matrix_gflops()}
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "frozen_inference_graph.pb"
        alone(export, options.checkpoint, options.config, ours)
        graphs = {"photo": ours} | ({"photo_beside": options.beside} if options.beside else {})
        times = time_photos(list(graphs.values()), options.runs)
        for (name, graph), found in zip(graphs.items(), times, strict=True):
            result[name] = found | {"memory_mb": alone(time_photo, graph)["memory_mb"]}
    limit = 1000 * PHOTO_GFLOP / result["matrix_gflop_per_cpu_second"]
    result["photo_limit_cpu_ms"] = limit
    if options.steps:
        result["step"] = alone(time_step, options.checkpoint, options.config, options.steps)
    for found in result.values():
        if isinstance(found, dict):
            found["images_per_second"] = 1000 / found["wall_ms"]
    return result


def print_table(result: dict[str, Any]) -> None:
    def row(words: str, found: dict[str, float], note: str = "") -> None:
        names = ("cpu_ms", "wall_ms", "images_per_second", "memory_mb")
        digits = (0, 0, 2, 0)
        cells = [
            f"{found[name]:>10.{count}f}" if name in found else f"{'–':>10}"
            for name, count in zip(names, digits, strict=True)
        ]
        print(f"{words:<34}{''.join(cells)}  {note}".rstrip())

    print(f"{'':<34}{'CPU ms':>10}{'wall ms':>10}{'images/s':>10}{'peak MB':>10}")
    row("a photo", result["photo"])
    if "photo_beside" in result:
        ratio = result["photo"]["cpu_ms"] / result["photo_beside"]["cpu_ms"]
        row(
            "  by the graph beside",
            result["photo_beside"],
            f"ours takes {ratio:.2f} of its CPU time",
        )
    row("  the limit, plainly", {"cpu_ms": result["photo_limit_cpu_ms"]})
    api = {"cpu_ms": BAR_CPU_MS, "wall_ms": BAR_WALL_MS, "images_per_second": 1000 / BAR_WALL_MS}
    row("  the API's graph, elsewhere", api)
    if "step" in result:
        row("a training step, batch 1", result["step"])
        row("  the API's, elsewhere", API_STEP, f"where ours took {OUR_STEP_THEN_MS}")
        for name, speed in API_SSD_STEPS.items():
            row(f"  the API's, {name}", {"images_per_second": speed}, "elsewhere, batch 8")
    print(f"matrices: {result['matrix_gflop_per_cpu_second']:.0f} GFLOP a CPU-second")


if __name__ == "__main__":
    sys.exit(main())
