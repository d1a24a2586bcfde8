"""How good a detector gets with default settings, and how long that takes.

    python benchmarks/quality.py [bccd] [microcontroller] [--data DIR] [--json FILE] [-- OPTIONS]

Needs two public sets, which are no part of the project, in DIR (default: ../shared/data):

- `bccd/BCCD`: https://github.com/Shenggan/BCCD_Dataset. Trained on train+val, measured on test.
  The bar: AP50 0.89 and AP 0.58 in at most 7 minutes of training.
- `microcontroller`: Gilbert Tanner's 149 photos of four boards, with Pascal VOC annotations, in
  `images`, and `splits/{train,val}.txt`. Trained on train, measured on val. The bar: AP50 0.90 in
  6 minutes.

Both on two cores that have nothing else to do. What stands after `--` goes to `train`, for
instance `--epochs 12` or `--input-size 448`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Bench:
    """A set, its splits relative to it, and what is asked of a model of it."""

    images: str
    learn: tuple[str, ...]
    val: str | None
    test: str
    ap_50: float
    ap: float
    seconds: float


_MAIN = "ImageSets/Main"
BENCHES = {
    "bccd/BCCD": Bench(
        ".", (f"{_MAIN}/train.txt", f"{_MAIN}/val.txt"), None, f"{_MAIN}/test.txt", 0.89, 0.58, 420
    ),
    "microcontroller": Bench(
        "images", ("splits/train.txt",), "splits/val.txt", "splits/val.txt", 0.90, 0.0, 360
    ),
}


def measure(folder: Path, bench: Bench, options: list[str]) -> dict[str, Any]:
    """Train and evaluate by the command line, in a folder that is removed after."""
    data = ["--data", str(folder / bench.images)]
    with tempfile.TemporaryDirectory() as work:
        learn, run = Path(work) / "learn.txt", Path(work) / "run"
        learn.write_text("\n".join((folder / name).read_text() for name in bench.learn))
        splits = ["--train-split", str(learn)]
        if bench.val is not None:
            splits += ["--val-split", str(folder / bench.val)]
        load, began = os.getloadavg()[0], time.monotonic()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _detection("train", *data, *splits, "--out", str(run), *options)
        seconds = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        test = ["--split", str(folder / bench.test)]
        metrics = json.loads(_detection("evaluate", "--model", str(run), *data, *test, "--json"))
        epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        "map_50": metrics["map_50"],
        "map_50_95": metrics["map_50_95"],
        "epochs": len(epochs),
        "training_seconds": epochs[-1]["seconds"],
        "seconds": seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "load_before": load,
        "memory_bytes": after.ru_maxrss * 1024,
    }


def _detection(*arguments: str) -> str:
    command = [sys.executable, "-m", "detection", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout


def _print_row(name: str, bench: Bench, found: dict[str, Any]) -> None:
    print(
        f"{name:<16}{found['map_50']:>7.3f}{found['map_50_95']:>7.3f}{found['epochs']:>8}"
        f"{found['training_seconds']:>10.0f} s{found['seconds']:>8.0f} s"
        f"{found['cpu_seconds']:>8.0f} s{found['memory_bytes'] / 1e9:>8.1f} GB"
    )
    print(f"{'  the bar':<16}{bench.ap_50:>7.2f}{bench.ap:>7.2f}{'':>8}{bench.seconds:>10.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(
        description="How good a detector gets with default settings.",
        epilog="What stands after -- goes to train.",
    )
    parser.add_argument("sets", nargs="*", metavar="SET", help="bccd, microcontroller; both")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:cut])
    chosen = {
        name: bench
        for name, bench in BENCHES.items()
        if not options.sets or name.split("/")[0] in options.sets
    }
    missing = [name for name in chosen if not (options.data / name).is_dir()]
    if missing or not chosen:
        print(
            f"{options.data}: {', '.join(missing) or 'such a set'} is not there. The sets are no "
            "part of the project; --help says where they come from.",
            file=sys.stderr,
        )
        return 1
    print(f"{'':<16}{'AP50':>7}{'AP':>7}{'epochs':>8}{'training':>12}{'in all':>10}"
          f"{'CPU':>10}{'memory':>11}", flush=True)  # fmt: skip
    results = {}
    for name, bench in chosen.items():
        results[name] = measure(options.data / name, bench, given[cut + 1 :])
        _print_row(name.split("/")[0], bench, results[name])
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
