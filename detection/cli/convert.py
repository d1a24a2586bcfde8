"""`convert`: annotations from one format to another."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from detection.checks.finding import counted
from detection.convert import AUTO, ConversionError, convert
from detection.formats.dataset import Problems, WriteReport
from detection.formats.registry import FORMATS

MOST_PROBLEMS = 50


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "convert",
        help="annotations from one format to another",
        description="Read labelled images in one format and write them in another.",
    )
    parser.add_argument(
        "--from", dest="source_format", default=AUTO, choices=[AUTO, *sorted(FORMATS)],
        help="what to read; auto (the default) looks inside",
    )  # fmt: skip
    parser.add_argument("--to", dest="target_format", required=True, choices=sorted(FORMATS))
    parser.add_argument("--label-map", type=Path, metavar="FILE", help="names and ids of labels")
    parser.add_argument(
        "--images", default="copy", choices=["copy", "link", "none"],
        help="pictures are copied (the default), linked to, or not written",
    )  # fmt: skip
    parser.add_argument("source", type=Path, metavar="IN", help="folder, zip or file to read")
    parser.add_argument("target", type=Path, metavar="OUT", help="new folder to write")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        report = convert(
            options.source_format,
            options.target_format,
            options.source,
            options.target,
            label_map=options.label_map,
            images=options.images,
            on_progress=_progress if sys.stderr.isatty() else None,
        )
    except ConversionError as error:
        print(f"convert: {error}", file=sys.stderr)
        return 1
    _print_problems(report)
    for words in report.losses(FORMATS[options.target_format].holds):
        print(words, file=sys.stderr)
    splits = ", ".join(f"{split} {count}" for split, count in report.images.items())
    print(
        f"{counted(report.num_images, 'image')} ({splits}), "
        f"{counted(report.boxes, 'box', 'boxes')}: {options.target}"
    )
    return 0


def _print_problems(report: WriteReport) -> None:
    for problem in report.problems[:MOST_PROBLEMS]:
        print(problem, file=sys.stderr)
    if len(report.problems) > MOST_PROBLEMS:
        print(f"and {len(report.problems) - MOST_PROBLEMS} more like these", file=sys.stderr)
    if isinstance(report.problems, Problems) and report.problems.counts:
        counts = report.problems.counts
        print(
            f"In all: {counts['refused']:,} left out, {counts['mended']:,} mended (clipped, "
            f"merged, turned), {counted(counts['note'], 'note')}.",
            file=sys.stderr,
        )


def _progress(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    print(f"\r{done} of {total} images", end=end, file=sys.stderr, flush=True)
