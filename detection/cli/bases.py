"""`bases`: which pretrained detectors there are, and fetching them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from detection.bases import BASES, BaseError, fetch_base


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "bases",
        help="list the pretrained bases, or fetch one",
        description="List the pretrained detectors that training can start from, or fetch one.",
    )
    parser.add_argument("--fetch", metavar="NAME", help="make this base ready on this machine")
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="with --fetch: the tarball, or a folder, instead of the download",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.fetch is not None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            folder = fetch_base(options.fetch, options.source, lambda words: _say(words))
        except (BaseError, ValueError, OSError) as error:
            print(f"bases: {error}", file=sys.stderr)
            return 1
        _say(f"{options.fetch} is ready in {folder}")
        return 0
    if options.json:
        rows = [asdict(base) | {"present": base.is_present} for base in BASES.values()]
        print(json.dumps(rows, indent=1))
        return 0
    for base in BASES.values():
        state = "on this machine" if base.is_present else "not fetched"
        print(f"{base.name}  ({state})")
        print(f"  {base.title}: {base.about}")
        print(
            f"  {base.licence}, {base.download_bytes / 1e6:.0f} MB, COCO AP {base.coco_ap:.2f}, "
            f"{base.num_labels} labels; {base.source}"
        )
    return 0


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
