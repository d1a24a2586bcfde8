"""How good a detector gets with default settings: BCCD, trained on train+val, measured on test.

    python benchmarks/quality.py --data BCCD [--json FILE] [TRAIN OPTIONS]

BCCD is https://github.com/Shenggan/BCCD_Dataset (the folder that has JPEGImages, Annotations and
ImageSets). All further options go to `train`, for instance `--epochs 12` or `--input-size 448`.
The bar: AP50 0.88 and AP 0.57 in at most 7 minutes of training on two cores that have nothing else
to do.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BAR_AP50, BAR_AP, BAR_SECONDS = 0.88, 0.57, 420


def measure(data: Path, options: list[str]) -> dict[str, Any]:
    """Train and evaluate by the command line, in a folder that is removed after."""
    splits = data / "ImageSets" / "Main"
    with tempfile.TemporaryDirectory() as work:
        run = Path(work) / "run"
        began = time.monotonic()
        _detection(
            "train",
            "--data",
            data,
            "--train-split",
            splits / "trainval.txt",
            "--out",
            run,
            *options,
        )
        seconds = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        shown = _detection(
            "evaluate", "--model", run, "--data", data, "--split", splits / "test.txt", "--json",
            answer=True,
        )  # fmt: skip
        settings = json.loads((run / "run.json").read_text())
        lines = (run / "metrics.jsonl").read_text().splitlines()
    metrics = json.loads(shown)
    return {
        "settings": settings,
        "epochs": len(lines),
        "seconds": seconds,
        "training_seconds": json.loads(lines[-1])["seconds"],
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "memory_bytes": used.ru_maxrss * 1024,
        "map_50": metrics["map_50"],
        "map_50_95": metrics["map_50_95"],
        "per_label": metrics["per_label"],
    }


def _detection(*arguments: object, answer: bool = False) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "detection", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE if answer else None,
        text=True,
        check=True,
    )
    return done.stdout or ""


def main() -> int:
    parser = argparse.ArgumentParser(description="How good a detector gets on BCCD.")
    parser.add_argument("--data", type=Path, required=True, metavar="BCCD")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options, more = parser.parse_known_args()
    found = measure(options.data.resolve(), more)
    size = found["settings"]["input_size"]
    print(f"\nBCCD, {found['epochs']} epochs at {size} pixels")
    print(f"AP50 on test  {found['map_50']:8.3f}   (bar {BAR_AP50})")
    print(f"AP on test    {found['map_50_95']:8.3f}   (bar {BAR_AP})")
    print(f"training      {found['training_seconds']:8.0f} s (bar {BAR_SECONDS} s)")
    print(f"in all        {found['seconds']:8.0f} s")
    print(f"CPU time      {found['cpu_seconds']:8.0f} s")
    print(f"memory        {found['memory_bytes'] / 1e9:8.2f} GB")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
