"""`train`: fine-tune a base on labelled images."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from detection.bases import BASES, DEFAULT_BASE, BaseError, find_base
from detection.formats.dataset import DatasetError, WriteReport
from detection.training.cpu import prepare_cpu
from detection.training.input_size import OFFERED_SIZES
from detection.training.reporting import Console, EventLines, Reporter
from detection.training.settings import PRECISIONS, Stopped, TrainingError, TrainingSettings
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
    parser.add_argument(
        "--input-size",
        type=_input_size,
        metavar="PX",
        help=f"{', '.join(map(str, OFFERED_SIZES))} or other; auto (default): by the boxes' sizes",
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="left open: the base's own")
    parser.add_argument(
        "--learning-rate", type=float, metavar="RATE", help="left open: the base's own"
    )
    parser.add_argument(
        "--patience",
        type=int,
        metavar="N",
        help="end after N evaluations without a better AP; 0: never; left open: 40 %% of them",
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    changes = parser.add_argument_group("random changes of the pictures")
    changes.add_argument(
        "--no-flip", action="store_true", help="do not mirror images (digits, text, left and right)"
    )
    changes.add_argument(
        "--vertical-flip",
        action="store_true",
        help="turn half of the images upside down, too (microscopes, photos from above)",
    )
    changes.add_argument("--no-crop", action="store_true", help="show whole images, at one scale")
    changes.add_argument("--no-colour", action="store_true", help="leave the colours as they are")
    changes.add_argument(
        "--mosaic", action="store_true", help="show half of the images as parts of four"
    )
    parser.add_argument(
        "--no-prune",
        action="store_true",
        help="keep the base's channels that these pictures hardly use (slower, more general)",
    )
    parser.add_argument("--revision", help=argparse.SUPPRESS)
    parser.add_argument(
        "--events", action="store_true", help="one JSON object a line, for programs"
    )
    parser.set_defaults(run=run)


def _input_size(text: str) -> int | None:
    return None if text == "auto" else int(text)


def run(options: argparse.Namespace) -> int:
    with _streams(options.events) as stream:
        reporter: Reporter = EventLines(stream) if options.events else Console(stream)
        return _run(options, reporter, stream.fileno())


@contextmanager
def _streams(for_program: bool) -> Iterator[TextIO]:
    """The stream to tell the run to, of which the libraries' own messages are kept away.

    For a program that is standard output, and what libraries print there goes to standard error.
    For a person it is standard error, and what libraries print there goes nowhere: TensorFlow
    greets with lines that no setting turns off. Python's own errors are still seen.
    """
    number = 1 if for_program else 2
    kept = os.dup(number)
    instead = os.dup(2) if for_program else os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    os.dup2(instead, number)
    os.close(instead)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8", errors="replace") as stream:
            yield stream
    finally:
        os.dup2(kept, number)
        os.close(kept)


def _run(options: argparse.Namespace, reporter: Reporter, descriptor: int) -> int:
    if options.events:
        _die_with_parent()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _ask_to_stop(stop, None if options.events else descriptor))
    try:
        return _train(options, reporter, stop)
    except Stopped:
        reporter.tell("stopped")
        return NOTHING_TO_KEEP
    except BrokenPipeError:
        raise  # nobody listens any more
    except OSError as error:
        words = f"{error.filename}: {error.strerror}." if error.filename else str(error)
        return _failed(words, reporter)
    except (TrainingError, BaseError, DatasetError, ValueError) as error:
        return _failed(str(error), reporter)
    except MemoryError:
        words = "There is not enough memory. Train with a smaller --batch-size or --input-size."
        return _failed(words, reporter)


def _train(options: argparse.Namespace, reporter: Reporter, stop: threading.Event) -> int:
    base = find_base(options.base)
    settings = TrainingSettings(
        base=options.base,
        epochs=options.epochs,
        minutes=options.minutes,
        input_size=options.input_size,
        batch_size=base.batch_size if options.batch_size is None else options.batch_size,
        seed=options.seed,
        flip=not options.no_flip,
        vertical_flip=options.vertical_flip,
        crop=not options.no_crop,
        colour=not options.no_colour,
        prune=not options.no_prune,
        mosaic=options.mosaic,
        patience=options.patience,
        precision=options.precision,
        learning_rate=(
            base.learning_rate if options.learning_rate is None else options.learning_rate
        ),
        revision=options.revision,
    )
    records, label_map = _records(options, reporter, stop)
    # TensorFlow is loaded only now: what is wrong above is said at once.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    prepare_cpu(mixed=options.precision == "mixed")
    from detection.training.loop import train

    train(options.out, records, label_map, settings, reporter, stop)
    return 0


def _records(
    options: argparse.Namespace, reporter: Reporter, stop: threading.Event
) -> tuple[Path, Path]:
    """The folder of records and the label map; written from --data where that is given."""
    if (options.data is None) == (options.records is None):
        raise TrainingError("Give either --data DIR or --records DIR.")
    if options.records is not None:
        return options.records, options.label_map or options.records / "label_map.pbtxt"
    if options.train_split is None and options.val_split is not None:
        raise TrainingError("--val-split without --train-split: give both, or neither.")
    from detection.training.from_folder import is_written_from, write_run_records

    folder = options.out / "records"
    source = (
        options.data, options.train_split, options.val_split, options.label_map, options.seed
    )  # fmt: skip
    if not is_written_from(folder, *source):
        if (options.out / "checkpoints" / "last.npz").exists():
            raise TrainingError(
                f"{options.out}: the run there was begun with other data or splits. Give what it "
                "was begun with to go on, or another --out to begin anew."
            )
        report = write_run_records(folder, *source, on_image=lambda: _leave_if(stop))
        _tell_problems(report, reporter)
    return folder, folder / "label_map.pbtxt"


def _leave_if(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped


def _tell_problems(report: WriteReport, reporter: Reporter) -> None:
    told: list[Problem] = report.problems[:MOST_PROBLEMS]
    for problem in told:
        reporter.tell("log", message=str(problem))
    more = len(report.problems) - len(told)
    if more:
        reporter.tell("log", message=f"and {more} more like these")


def _failed(reason: str, reporter: Reporter) -> int:
    reporter.tell("failed", reason=reason)
    return 1


def _ask_to_stop(stop: threading.Event, terminal: int | None) -> None:
    """A signal handler; ``terminal`` is the descriptor of a person's."""
    if stop.is_set() and terminal is not None:
        raise KeyboardInterrupt  # asked twice: at once
    stop.set()
    if terminal is not None:
        # Not by the stream: the signal may have come in the midst of a write to it.
        os.write(terminal, b"\nStopping; keeping the best so far. Once more to stop at once.\n")


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
