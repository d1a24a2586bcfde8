"""How long detection takes in LiteRT: each stage, a decoded photo, and a JPEG, an artefact.

    ./boxloop bench detect [--model MODEL] [--runs 100] [--threads N] [--json FILE]

The photo is a generated JPEG of 640 x 480. The model is a run's folder, a model's folder or the
name of a base, which must be on this machine; each LiteRT file in its bundle is timed. The bars:
8 ms (p50) for a decoded photo in float32 and 5 ms in int8, on two cores that have nothing else to
do.
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
WARM_UP = 10
BARS_MS = {"model.tflite": 8.0, "model_int8.tflite": 5.0}
LITERT = ("model.tflite", "model_float16.tflite", "model_int8.tflite")
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

    detector = Detector(bundle, threads, litert)
    data = make_photo()
    picture = np.asarray(open_upright(io.BytesIO(data)))
    square = detector._as_input(picture)
    outputs = detector._runner(image=square)
    boxes, scores = outputs["boxes"][0].copy(), outputs["scores"][0].copy()
    stages: dict[str, Callable[[], Any]] = {
        "decode": lambda: np.asarray(open_upright(io.BytesIO(data))),
        "resize": lambda: detector._as_input(picture),
        "model": lambda: detector._runner(image=square),
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


def main() -> int:
    from detection.bases import DEFAULT_BASE
    from detection.inference import DetectorError

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
    artefacts = {}
    for litert in LITERT:
        if (bundle / litert).is_file():
            times = time_stages(bundle, litert, options.runs, options.threads)
            artefacts[litert] = percentiles(times)
            print_table(litert, artefacts[litert])
    if options.json is not None:
        report = {
            "model": options.model,
            "runs": options.runs,
            "cores": os.cpu_count(),
            "threads": options.threads or os.cpu_count(),
            "bars_ms": BARS_MS,
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
    if litert in BARS_MS:
        print(f"The bar for a decoded photo is {BARS_MS[litert]:.0f} ms.")


if __name__ == "__main__":
    sys.exit(main())
