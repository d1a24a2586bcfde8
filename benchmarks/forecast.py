"""What a training forecasts before it starts, against what happens: time and memory.

    ./boxloop bench forecast [--images 200] [--epochs 8] [--json FILE]

A whole run, as `train` does it, on generated records: preparing, training, judging, exporting. The
default base must be on this machine. Time is counted from the forecast on, as it is meant; memory
is the process's peak. The bar: each within 30 % of what happens.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

BAR = 0.3


class Told:
    """Keeps the time and the facts of each event."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.facts: dict[str, dict[str, Any]] = {}

    def tell(self, event: str, **facts: Any) -> None:
        name = facts["phase"] if event == "phase" else event
        self.at[name], self.facts[name] = time.monotonic(), facts
        if event == "epoch":
            print(f"epoch {facts['epoch']:>3}, {facts['seconds']:.0f} s", file=sys.stderr)


def measure(num_images: int, epochs: int) -> dict[str, float]:
    """Train and export once; the forecast's figures beside the real ones."""
    from detection.training.cpu import prepare_cpu

    prepare_cpu()
    from benchmarks.scaling import INPUT_SIZE, write_records
    from detection.training.loop import train
    from detection.training.pace import peak_memory
    from detection.training.settings import TrainingSettings

    told = Told()
    with tempfile.TemporaryDirectory() as work:
        records = Path(work) / "records"
        records.mkdir()
        write_records(records, num_images)
        settings = TrainingSettings(epochs=epochs, input_size=INPUT_SIZE, patience=0)
        out, label_map = Path(work) / "run", records / "label_map.pbtxt"
        train(out, records, label_map, settings, told, threading.Event())
    began = told.at["forecast"]
    return {
        "forecast_seconds": told.facts["forecast"]["seconds"],
        "seconds": told.at["finished"] - began,
        "forecast_memory_bytes": told.facts["forecast"]["memory_bytes"],
        "memory_bytes": peak_memory(),
        "seconds_training": told.at["evaluating"] - began,
        "seconds_judging_and_exporting": told.at["finished"] - told.at["evaluating"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    found = measure(options.images, options.epochs)
    print(f"{options.images} images (a fifth of them val), {options.epochs} epochs")
    print(f"{'':8}{'forecast':>12}{'happened':>12}{'off by':>9}   (bar {BAR:.0%})")
    for name, scale, unit in (("seconds", 1.0, "s "), ("memory_bytes", 1e9, "GB")):
        forecast, real = found[f"forecast_{name}"] / scale, found[name] / scale
        off = f"{forecast / real - 1:+.0%}"
        print(f"{name.split('_')[0]:8}{forecast:>9.2f} {unit}{real:>9.2f} {unit}{off:>9}")
    training, rest = found["seconds_training"], found["seconds_judging_and_exporting"]
    print(f"training {training:.1f} s, judging and exporting {rest:.1f} s")
    if options.json is not None:
        options.json.write_text(json.dumps(vars(options) | found, indent=1, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
