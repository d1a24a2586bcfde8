"""`detect`: boxes, labels and confidences for images."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detection.drawing import draw_detections
from detection.images import ImageRefused, open_upright
from detection.inference import DetectorError, load_detector
from detection.label_map import LabelMapError
from detection.models.faster_rcnn.checkpoint_files import is_checkpoint
from detection.names import visible
from detection.training.cpu import prepare_cpu
from detection.types import Detection


class AnyDetector(Protocol):
    """What a detector must be able to do, whatever runs it."""

    score_threshold: float
    score_thresholds: dict[int, float]
    batch_size: int

    def detect(
        self, images: Sequence[NDArray[np.uint8]], score_threshold: float = ...
    ) -> list[list[Detection]]: ...


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "detect",
        help="boxes, labels and confidences for images",
        description=(
            "Detect things in images. Boxes are in pixels of the upright image (its EXIF turn "
            "applied). An image that cannot be read is named, and the others go on."
        ),
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument(
        "--model",
        required=True,
        help=(
            "a run's folder, a model's folder, the name of a base, or a checkpoint of the "
            "detection zoo's faster_rcnn_inception_v2: its folder, .tar.gz, or prefix"
        ),
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="with a checkpoint: its pipeline.config; that beside it",
    )
    parser.add_argument(
        "--label-map", type=Path, metavar="FILE",
        help="with a checkpoint: the names of its classes; COCO's where it has 90",
    )  # fmt: skip
    parser.add_argument(
        "--threshold", type=float, metavar="SCORE",
        help="least confidence, 0 to 1; each label's own as measured with the model",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--draw", type=Path, metavar="DIR", help="write the drawn photos there")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        print(f"detect: --threshold is {options.threshold}; it lies from 0 to 1.", file=sys.stderr)
        return 2
    try:
        detector = _load(options)
    except (DetectorError, LabelMapError, ValueError) as error:
        print(f"detect: {error}", file=sys.stderr)
        return 1
    results = []
    waiting = list(options.images)
    while waiting:
        names, waiting = waiting[: detector.batch_size], waiting[detector.batch_size :]
        photos = [(name, picture) for name in names if (picture := _open(name)) is not None]
        boxes = _detect(detector, [picture for _, picture in photos], options.threshold)
        for (name, picture), found in zip(photos, boxes, strict=True):
            results.append(_as_json(name, picture, found))
            if not options.json:
                _print_table(name, picture, found)
            if options.draw is not None:
                _draw(picture, found, name, options.draw)
    if options.json:
        json.dump(results, sys.stdout, indent=1, ensure_ascii=False)
        print()
    return 0 if len(results) == len(options.images) else 1


def _open(name: str) -> Image.Image | None:
    """The picture, or None where it cannot be read, which is told."""
    try:
        return open_upright(Path(name))
    except (ImageRefused, OSError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else error
        print(f"detect: {visible(name)}: {words}", file=sys.stderr)
        return None


def _load(options: argparse.Namespace) -> AnyDetector:
    """The detector that --model names. Raises DetectorError or ValueError in words."""
    source = Path(options.model)
    if options.config is None and not is_checkpoint(source):
        return load_detector(options.model, use_gpu=True)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    prepare_cpu()
    from detection.models.faster_rcnn.serving import load_checkpoint_detector

    return load_checkpoint_detector(source, options.config, options.label_map)


def _detect(
    detector: AnyDetector, pictures: Sequence[Image.Image], threshold: float | None
) -> list[list[Detection]]:
    """Detections over ``threshold``, or over each label's own where it is None."""
    own = detector.score_thresholds if threshold is None else {}
    default = detector.score_threshold if threshold is None else threshold
    least = min([default, *own.values()])
    found = detector.detect([np.asarray(picture) for picture in pictures], score_threshold=least)
    return [
        [box for box in boxes if box.score >= own.get(box.class_id, default)] for boxes in found
    ]


def _as_json(name: str, picture: Image.Image, found: Sequence[Detection]) -> dict[str, Any]:
    return {
        "image": name,
        "width": picture.width,
        "height": picture.height,
        "detections": [
            {
                "label": box.label,
                "class_id": box.class_id,
                "score": round(box.score, 6),
                "xmin": round(box.xmin, 4),
                "ymin": round(box.ymin, 4),
                "xmax": round(box.xmax, 4),
                "ymax": round(box.ymax, 4),
            }
            for box in found
        ],
    }


def _print_table(name: str, picture: Image.Image, found: Sequence[Detection]) -> None:
    print(f"{visible(name)}  {picture.width} x {picture.height}")
    width = max([5, *(len(box.label) for box in found)])
    for box in found:
        corners = "  ".join(f"{value:7.1f}" for value in box.xyxy)
        print(f"  {box.label:<{width}}  {100 * box.score:5.1f} %  {corners}")
    if not found:
        print("  nothing found")


def _draw(picture: Image.Image, found: Sequence[Detection], name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{Path(name).stem}.jpg"
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{Path(name).stem}-{number}.jpg"
    draw_detections(picture, found).save(target, quality=92)
    print(f"drawn: {target}", file=sys.stderr)
