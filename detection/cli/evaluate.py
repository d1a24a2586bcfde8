"""`evaluate`: COCO metrics of a model on labelled images."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from detection.formats.dataset import DatasetError
from detection.formats.voc import VocFolder, read_voc
from detection.images import ImageRefused, open_upright
from detection.inference import Detector, DetectorError, load_detector
from detection.splits import SplitError, read_split_file
from detection.types import Detection, LabelledImage, Problem


class EvaluationError(Exception):
    """Data that a model cannot be measured on; the message says why and the way out."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on labelled images",
        description=(
            "COCO metrics (AP, AP50, per label) of a model on labelled images, measured with the "
            "exported model that `detect` uses."
        ),
    )
    parser.add_argument(
        "--model", required=True, help="a run's folder, a model's folder, or the name of a base"
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of images and annotations"
    )
    parser.add_argument("--format", choices=["voc"], default="voc", help="the annotations' format")
    parser.add_argument(
        "--split", type=Path, metavar="FILE", help="image stems, one a line; all labelled images"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        metrics = _evaluate(options)
    except (DetectorError, DatasetError, SplitError, EvaluationError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    if options.json:
        json.dump(metrics, sys.stdout, indent=1, ensure_ascii=False)
        print()
    else:
        _print_table(metrics)
    return 0


def _evaluate(options: argparse.Namespace) -> dict[str, Any]:
    from detection.evaluation import evaluate

    detector = load_detector(options.model)
    folder = VocFolder(options.data)
    stems = read_split_file(options.split) if options.split is not None else None
    problems: list[Problem] = []
    truth: list[LabelledImage] = []
    found: list[list[Detection]] = []
    for image, noticed in read_voc(folder, stems, problems):
        problems += noticed
        _refuse_unknown_labels(image, detector)
        assert image.source is not None
        try:
            picture = np.asarray(open_upright(image.source))
        except (ImageRefused, OSError) as error:
            problems.append(Problem(image.name, f"{error} Left out.", "refused"))
            continue
        truth.append(image)
        found += detector.detect([picture])
    for problem in problems:
        print(problem, file=sys.stderr)
    if not any(image.boxes for image in truth):
        raise EvaluationError(f"{options.data}: there are no boxes to measure the model by.")
    return evaluate(truth, found, detector.label_map)


def _refuse_unknown_labels(image: LabelledImage, detector: Detector) -> None:
    for box in image.boxes:
        if box.label not in detector.label_map.by_name:
            known = ", ".join(detector.labels[:8]) + (", …" if len(detector.labels) > 8 else "")
            raise EvaluationError(
                f"{image.name}: the model has no label {box.label!r} (it knows {known}). "
                "Measure a model on the labels that it was trained for."
            )


def _print_table(metrics: dict[str, Any]) -> None:
    print(f"{metrics['num_images']} images, {metrics['num_boxes']} boxes")
    print(f"AP    {_percent(metrics['map_50_95'])}   (mean over IoU 0.50 to 0.95)")
    print(f"AP50  {_percent(metrics['map_50'])}")
    print(f"AP75  {_percent(metrics['map_75'])}")
    if metrics["score_threshold"] is not None:
        print(f"Best score threshold: {metrics['score_threshold']:.2f}")
    width = max([5, *(len(row["label"]) for row in metrics["per_label"])])
    print(f"\n{'label':<{width}}  {'AP':>7}  {'AP50':>7}  {'boxes':>6}")
    for row in metrics["per_label"]:
        ap, ap_50 = _percent(row["ap"]), _percent(row["ap_50"])
        print(f"{row['label']:<{width}}  {ap:>7}  {ap_50:>7}  {row['num_boxes']:>6}")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
