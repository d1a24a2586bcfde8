"""`train`: fine-tune a base on labelled images."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

from detection.bases import BASES, DEFAULT_BASE, BaseError
from detection.formats.dataset import DatasetError, WriteReport
from detection.training.cpu import prepare_cpu
from detection.training.reporting import Console, EventLines, Reporter
from detection.training.settings import TrainingError, TrainingSettings
from detection.types import Problem

NOTHING_TO_KEEP = 3
MOST_PROBLEMS = 20


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "train",
        help="fine-tune a base on your images",
        description=(
            "Fine-tune a pretrained base. Give labelled images (--data) or TFRecords (--records). "
            "The same command on the same --out goes on where it was cut off. Ctrl-C stops the "
            "training and keeps the best so far."
        ),
    )
    data = parser.add_argument_group("what to learn from")
    data.add_argument("--data", type=Path, metavar="DIR", help="folder of images and annotations")
    data.add_argument("--format", choices=["voc"], default="voc", help="the annotations' format")
    data.add_argument(
        "--train-split", type=Path, metavar="FILE", help="image stems to learn from, one a line"
    )
    data.add_argument(
        "--val-split", type=Path, metavar="FILE", help="image stems to be judged by, one a line"
    )
    data.add_argument(
        "--records", type=Path, metavar="DIR", help="folder of train-* and val-* TFRecords"
    )
    data.add_argument("--label-map", type=Path, metavar="FILE", help="label_map.pbtxt")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    parser.add_argument("--base", default=DEFAULT_BASE, help=f"one of {', '.join(BASES)}")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int, help="passes over the training images")
    length.add_argument("--minutes", type=float, help="about how long it may take in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--input-size", type=int, default=300, metavar="PX")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="RATE")
    parser.add_argument(
        "--no-flip", action="store_true", help="do not mirror images (digits, text, left and right)"
    )
    parser.add_argument("--revision", help=argparse.SUPPRESS)
    parser.add_argument(
        "--events", action="store_true", help="one JSON object a line, for programs"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    reporter: Reporter = EventLines(sys.stdout) if options.events else Console()
    if options.events:
        _die_with_parent()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _ask_to_stop(stop, options.events))
    try:
        return _train(options, reporter, stop)
    except (TrainingError, BaseError, DatasetError, ValueError, OSError) as error:
        return _failed(str(error), options, reporter)
    except MemoryError:
        words = "There is not enough memory. Train with a smaller --batch-size or --input-size."
        return _failed(words, options, reporter)


def _train(options: argparse.Namespace, reporter: Reporter, stop: threading.Event) -> int:
    settings = TrainingSettings(
        base=options.base,
        epochs=options.epochs,
        minutes=options.minutes,
        input_size=options.input_size,
        batch_size=options.batch_size,
        seed=options.seed,
        flip=not options.no_flip,
        learning_rate=options.learning_rate,
        revision=options.revision,
    )
    records, label_map = _records(options, reporter)
    # TensorFlow is loaded only now: what is wrong above is said at once.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    prepare_cpu()
    from detection.training.loop import Stopped, train

    try:
        train(options.out, records, label_map, settings, reporter, stop)
    except Stopped:
        reporter.tell("stopped")
        if not options.events:
            print("Stopped before the first epoch was done: nothing to keep.", file=sys.stderr)
        return NOTHING_TO_KEEP
    return 0


def _records(options: argparse.Namespace, reporter: Reporter) -> tuple[Path, Path]:
    """The folder of records and the label map; written from --data where that is given."""
    if (options.data is None) == (options.records is None):
        raise TrainingError("Give either --data DIR or --records DIR.")
    if options.records is not None:
        return options.records, options.label_map or options.records / "label_map.pbtxt"
    if options.train_split is None and options.val_split is not None:
        raise TrainingError("--val-split without --train-split: give both, or neither.")
    folder = options.out / "records"
    if not (folder / "label_map.pbtxt").exists():
        from detection.training.from_folder import write_run_records

        report = write_run_records(
            options.data, folder, options.train_split, options.val_split, options.label_map,
            options.seed,
        )  # fmt: skip
        _tell_problems(report, reporter)
    return folder, folder / "label_map.pbtxt"


def _tell_problems(report: WriteReport, reporter: Reporter) -> None:
    told: list[Problem] = report.problems[:MOST_PROBLEMS]
    for problem in told:
        reporter.tell("log", message=str(problem))
    more = len(report.problems) - len(told)
    if more:
        reporter.tell("log", message=f"and {more} more like these")


def _failed(reason: str, options: argparse.Namespace, reporter: Reporter) -> int:
    reporter.tell("failed", reason=reason)
    if not options.events:
        print(f"train: {reason}", file=sys.stderr)
    return 1


def _ask_to_stop(stop: threading.Event, quiet: bool) -> None:
    if stop.is_set() and not quiet:
        raise KeyboardInterrupt  # asked twice: at once
    stop.set()
    if not quiet:
        print("\nStopping; keeping the best so far. Once more to stop at once.", file=sys.stderr)


def _die_with_parent() -> None:
    """Whoever started this to read its events is gone: so is the reason to train."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    threading.Thread(target=watch, daemon=True).start()
