"""How long detection takes in LiteRT: each stage, a decoded photo, and a JPEG, an artefact.

    ./boxloop bench detect [--model MODEL] [--runs 100] [--threads N] [--json FILE]

The photo is a generated JPEG of 640 x 480. The model is a run's folder, a model's folder or the
name of a base, which must be on this machine; each LiteRT file in its bundle is timed. The bars:
8 ms (p50) for a decoded photo in float32 and 5 ms in int8, on two cores that have nothing else to
do.

Beside them stands the limit of this machine: the model's multiplications, at the speed of a large
matrix product in float32 on the same cores, timed in the same run. A model cannot be faster, and a
bar below the limit cannot be met here. For int8 the limit is that of AVX2 (or of AVX-512 without
VNNI): 16-bit products, twice as many at once as float32's.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WIDTH, HEIGHT = 640, 480
PRODUCT_SIZE = 1536
WARM_UP = 10
BARS_MS = {"model.tflite": 8.0, "model_int8.tflite": 5.0}
LITERT = ("model.tflite", "model_float16.tflite", "model_int8.tflite")
# Multiplications at once, against float32's; where a CPU has no instruction for int8 products.
SPEED_UP = {"model_int8.tflite": 2.0}
MILLISECONDS = dict[str, list[float]]


def make_photo() -> bytes:
    """A JPEG with gradients, shapes and grain, of a size as cameras' JPEGs have."""
    rng = np.random.default_rng(0)
    across, down = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    light = np.stack([across, down, 1 - across], axis=-1) * 160 + 40
    grain = rng.normal(0, 6, light.shape)
    photo = Image.fromarray(np.clip(light + grain, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(photo)
    for _ in range(12):
        x, y, size = rng.integers(0, WIDTH), rng.integers(0, HEIGHT), rng.integers(30, 160)
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        draw.ellipse((int(x), int(y), int(x + size), int(y + size)), fill=colour)
    data = io.BytesIO()
    photo.save(data, "JPEG", quality=88)
    return data.getvalue()


def find_bundle(model: str) -> Path:
    """The bundle's folder. Raises DetectorError where there is none."""
    from detection.bases import BASES, base_dir
    from detection.inference import load_detector

    load_detector(model)
    folder = base_dir(model) / "model" if model in BASES else Path(model)
    return folder if (folder / "model.json").is_file() else folder / "model"


def time_stages(bundle: Path, litert: str, runs: int, threads: int | None) -> MILLISECONDS:
    """Milliseconds of each run of each stage, with the model's own parts.

    ``photo`` is resize, model and suppression; ``end to end`` starts with the JPEG's bytes.
    """
    from detection.images import open_upright
    from detection.inference import Detector
    from detection.models.ssd.postprocessing import select_detections
    from detection.squares import squared

    detector = Detector(bundle, threads, litert)
    data = make_photo()
    picture = np.asarray(open_upright(io.BytesIO(data)))
    square = squared(picture, detector.input_size)
    boxes, scores = detector._candidates(square)
    stages: dict[str, Callable[[], Any]] = {
        "decode": lambda: np.asarray(open_upright(io.BytesIO(data))),
        "resize": lambda: squared(picture, detector.input_size),
        "model": lambda: detector._candidates(square),
        "nms": lambda: select_detections(boxes, scores),
        "photo": lambda: detector.detect([picture]),
        "end to end": lambda: detector.detect([np.asarray(open_upright(io.BytesIO(data)))]),
    }
    return {name: time_calls(call, runs) for name, call in stages.items()}


def time_calls(call: Callable[[], Any], runs: int) -> list[float]:
    """Milliseconds of each of ``runs`` calls, after some that warm up."""
    for _ in range(WARM_UP):
        call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return times


def multiplications(litert: Path) -> int:
    """Multiply-adds of a flatbuffer's convolutions: nearly all that it computes."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # Without delegates, which would hide the operations.
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=str(litert), experimental_op_resolver_type=plain)
    shapes = {tensor["index"]: tensor["shape"] for tensor in interpreter.get_tensor_details()}
    total = 0
    for operation in interpreter._get_ops_details():
        # Kernels are [out, height, width, in], and [1, height, width, channels] of a depthwise one.
        if operation["op_name"] in {"CONV_2D", "DEPTHWISE_CONV_2D"}:
            kernel = shapes[operation["inputs"][1]][1:]
            each = kernel if operation["op_name"] == "CONV_2D" else kernel[:2]
            total += int(np.prod(shapes[operation["outputs"][0]])) * int(np.prod(each))
    return total


def main() -> int:
    from detection.bases import DEFAULT_BASE
    from detection.inference import DetectorError
    from detection.training.machine import products_a_second

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_BASE)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--threads", type=int, help="of the model; as many as there are cores")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    try:
        bundle = find_bundle(options.model)
    except DetectorError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{WIDTH} x {HEIGHT} JPEG, {options.model}, {options.runs} runs, {os.cpu_count()} cores")
    cores = os.cpu_count() or 1
    threads = min(options.threads or cores, cores)
    speed = products_a_second(PRODUCT_SIZE)
    artefacts, counts = {}, {}
    for litert in LITERT:
        if (bundle / litert).is_file():
            times = time_stages(bundle, litert, options.runs, options.threads)
            artefacts[litert] = percentiles(times)
            print_table(litert, artefacts[litert])
            counts[litert] = multiplications(bundle / litert)
            speed = max(speed, products_a_second(PRODUCT_SIZE))
    speed *= threads / cores
    limits = {
        name: 1000 * count / (speed * SPEED_UP.get(name, 1.0)) for name, count in counts.items()
    }
    print_limits(speed, threads, counts, limits, artefacts)
    if options.json is not None:
        report = {
            "model": options.model,
            "runs": options.runs,
            "cores": os.cpu_count(),
            "threads": options.threads or os.cpu_count(),
            "bars_ms": BARS_MS,
            "matrix_product_gflops": 2 * speed / 1e9,
            "limits_ms": limits,
            "artefacts": artefacts,
        }
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def percentiles(times: MILLISECONDS) -> dict[str, dict[str, float]]:
    return {
        name: {
            "p50_ms": round(float(np.percentile(values, 50)), 3),
            "p95_ms": round(float(np.percentile(values, 95)), 3),
        }
        for name, values in times.items()
    }


def print_table(litert: str, stages: dict[str, dict[str, float]]) -> None:
    print(f"\n{litert:<22}{'p50':>12}{'p95':>12}")
    for name, row in stages.items():
        print(f"{name:<22}{row['p50_ms']:>9.2f} ms{row['p95_ms']:>9.2f} ms")


def print_limits(
    speed: float,
    threads: int,
    counts: dict[str, int],
    limits: dict[str, float],
    artefacts: dict[str, dict[str, dict[str, float]]],
) -> None:
    """What the machine allows, against the model alone and the bar of a photo."""
    print(f"\nA large product, {threads} threads: {2 * speed / 1e9:.0f} GFLOP/s in float32")
    print(f"{'':<22}{'mult.':>8}{'limit':>12}{'model':>12}{'to limit':>10}{'photo to bar':>14}")
    for name, limit in limits.items():
        model, photo = (artefacts[name][stage]["p50_ms"] for stage in ("model", "photo"))
        bar = f"{photo / BARS_MS[name]:.2f}" if name in BARS_MS else ""
        print(
            f"{name:<22}{counts[name] / 1e6:>6.0f} M{limit:>9.2f} ms{model:>9.2f} ms"
            f"{model / limit:>10.2f}{bar:>14}"
        )


if __name__ == "__main__":
    sys.exit(main())
