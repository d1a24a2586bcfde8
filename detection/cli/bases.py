"""`bases`: which pretrained detectors there are; fetching, adding and removing them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from detection.bases import BASES, Base, BaseError, add_base, fetch_base, remove_base


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "bases",
        help="list the pretrained bases; fetch, add or remove one",
        description=(
            "List the pretrained detectors that training can start from, fetch one that is built "
            "in, or add a checkpoint of faster_rcnn_inception_v2, as the TensorFlow detection zoo "
            "gives it, under a name of your own."
        ),
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--fetch", metavar="NAME", help="make this base ready on this machine")
    what.add_argument("--add", metavar="NAME", help="add a checkpoint, --from FILE or --url")
    what.add_argument("--remove", metavar="NAME", help="take one that was added off this machine")
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="the tarball, the folder, or a checkpoint's prefix, instead of a download",
    )
    added = parser.add_argument_group("about one that is added")
    added.add_argument("--url", help="where its .tar.gz is fetched from")
    added.add_argument("--sha256", default="", help="the checksum that the file must have")
    added.add_argument(
        "--config", type=Path, metavar="FILE", help="its pipeline.config, where none is beside it"
    )
    added.add_argument("--title", default="", help="how it is shown")
    added.add_argument("--licence", default="", help="under which licence it may be used")
    added.add_argument("--origin", default="", help="where it comes from, in words")
    added.add_argument("--coco-ap", type=float, metavar="AP", help="its AP on COCO, 0 to 1")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        return _run(options)
    except (BaseError, ValueError, OSError) as error:
        print(f"bases: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if options.fetch is not None:
        folder = fetch_base(options.fetch, options.source, _say, options.config)
        _say(f"{options.fetch} is ready in {folder}")
    elif options.add is not None:
        if (options.source is None) == (options.url is None):
            print("bases: Give either --from FILE or --url with --add.", file=sys.stderr)
            return 2
        folder = add_base(_row(options), options.source, _say, options.config)
        _say(f"{options.add} is ready in {folder}")
    elif options.remove is not None:
        remove_base(options.remove)
        _say(f"{options.remove} was removed. Models that were trained from it stay.")
    elif options.json:
        rows = [asdict(base) | {"present": base.is_present} for base in BASES.values()]
        print(json.dumps(rows, indent=1))
    else:
        for base in BASES.values():
            _print(base)
    return 0


def _row(options: argparse.Namespace) -> Base:
    return Base(
        name=options.add,
        title=options.title or options.add,
        about="Added on this machine.",
        licence=options.licence or "not stated",
        architecture="faster_rcnn",
        url=options.url or "",
        sha256=options.sha256,
        input_size=600,
        coco_ap=options.coco_ap,
        source=options.origin or options.url or options.source.name,
        batch_size=1,
        learning_rate=3e-4,
    )


def _print(base: Base) -> None:
    if base.is_present:
        state = "added to this machine" if base.added else "on this machine"
    else:
        state = "not fetched"
    print(f"{base.name}  ({state})")
    print(f"  {base.title}: {base.about}")
    facts = [base.licence]
    if base.download_bytes:
        facts.append(f"{base.download_bytes / 1e6:.0f} MB")
    if base.coco_ap is not None:
        facts.append(f"COCO AP {base.coco_ap:.2f}")
    if base.speed:
        facts.append(f"{base.speed} a photo as published")
    if base.num_labels:
        facts.append(f"{base.num_labels} labels")
    print(f"  {', '.join(facts)}; {base.source}")


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
