"""`evaluate`: COCO metrics of a model on labelled images."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detection.bases import BASES
from detection.formats.dataset import DatasetError
from detection.formats.voc import VocFolder, read_voc
from detection.images import ImageRefused, open_upright
from detection.inference import Detector, DetectorError, load_detector
from detection.label_map import LabelMap
from detection.splits import SplitError, read_split_file
from detection.types import Detection, LabelledImage, Problem

# Of fewer boxes a score is little more than luck.
FEW_BOXES = 50


class EvaluationError(Exception):
    """Data that a model cannot be measured on; the message says why and the way out."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    except OSError as error:
        print(f"evaluate: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    if options.json:
        json.dump(_by_label(metrics), sys.stdout, indent=1, ensure_ascii=False)
        print()
    else:
        _print_table(metrics)
    return 0


def _evaluate(options: argparse.Namespace) -> dict[str, Any]:
    from detection.evaluation import evaluate

    detector = load_detector(options.model)
    stems = read_split_file(options.split) if options.split is not None else None
    folder = VocFolder(options.data)
    total = len(folder.labelled_names if stems is None else folder.select(stems))
    problems: list[Problem] = []
    truth: list[LabelledImage] = []
    found: list[list[Detection]] = []
    for image, noticed in read_voc(folder, stems, problems):
        problems += noticed
        assert image.source is not None
        try:
            picture = np.asarray(open_upright(image.source))
        except (ImageRefused, OSError) as error:
            problems.append(Problem(image.name, f"{error} Left out.", "refused"))
            continue
        truth.append(image)
        found += detector.detect([picture])
        _show_progress(len(truth), total)
    for problem in problems:
        print(problem, file=sys.stderr)
    return evaluate(truth, found, _measured_labels(options.model, detector, truth))


def _measured_labels(model: str, detector: Detector, truth: Sequence[LabelledImage]) -> LabelMap:
    """The labels to measure. What the model does not know is said; raises EvaluationError."""
    boxes = Counter(box.label for image in truth for box in image.boxes)
    if not boxes:
        raise EvaluationError("There are no boxes in the data to measure the model by.")
    known = detector.label_map.by_name
    unknown = [label for label in boxes if label not in known]
    if len(unknown) == len(boxes):
        raise EvaluationError(
            f"{model} knows no label of the data. The data has {_listed(boxes)}; the model knows "
            f"{_listed(detector.labels)}. Train it on such data first."
        )
    for label in unknown:
        count = f"{boxes[label]:,} box{'es' if boxes[label] != 1 else ''}"
        print(f"The model has no label {label!r}: {count} not measured.", file=sys.stderr)
    if model not in BASES:
        return detector.label_map
    # Nobody labelled all that a base knows: its other detections are no errors.
    return LabelMap(tuple(item for item in detector.label_map if item.name in boxes))


def _listed(labels: Iterable[str], most: int = 8) -> str:
    names = sorted(labels)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _show_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{done:,} of {total:,} images", end=end, file=sys.stderr, flush=True)


def _by_label(metrics: dict[str, Any]) -> dict[str, Any]:
    """For programs: ``per_label`` by the label's name."""
    per_label = {
        row["label"]: {name: row[name] for name in ("id", "ap", "ap_50", "num_boxes")}
        for row in metrics["per_label"]
    }
    return metrics | {"per_label": per_label}


def _print_table(metrics: dict[str, Any]) -> None:
    print(f"{metrics['num_images']} images, {metrics['num_boxes']} boxes")
    print(f"AP    {_percent(metrics['map_50_95'])}{_interval(metrics['map_50_95_interval'])}")
    print(f"AP50  {_percent(metrics['map_50'])}{_interval(metrics['map_50_interval'])}")
    print(f"AP75  {_percent(metrics['map_75'])}")
    for name, title in (("map", "AP"), ("recall", "AR")):
        sizes = [_percent(metrics[f"{name}_{size}"]) for size in ("small", "medium", "large")]
        print(f"{title} of small, medium, large things: {', '.join(sizes)}")
    print(f"AR    {_percent(metrics['recall'])}   (up to 100 detections an image)")
    if metrics["score_threshold"] is not None:
        print(f"Best score threshold: {metrics['score_threshold']:.2f}")
    if metrics["calibration"] is not None:
        print(f"Scores are off by {100 * metrics['calibration']['error']:.0f} points on average")
    width = max([5, *(len(row["label"]) for row in metrics["per_label"])])
    print(f"\n{'label':<{width}}  {'AP':>7}  {'AP50':>7}  {'boxes':>6}  threshold")
    for row in metrics["per_label"]:
        ap, ap_50 = _percent(row["ap"]), _percent(row["ap_50"])
        threshold = metrics["score_thresholds"].get(row["label"])
        own = f"{threshold:.2f}" if threshold is not None else "–"
        print(f"{row['label']:<{width}}  {ap:>7}  {ap_50:>7}  {row['num_boxes']:>6}  {own:>9}")
    for words in _warnings(metrics):
        print(f"Note: {words}", file=sys.stderr)


def _warnings(metrics: dict[str, Any]) -> list[str]:
    found = []
    if metrics["num_boxes"] < FEW_BOXES:
        found.append(
            f"{metrics['num_boxes']} boxes are few: other images may score quite otherwise."
        )
    without = [row["label"] for row in metrics["per_label"] if not row["num_boxes"]]
    if without:
        found.append(f"No box has the label {_listed(without)}: it is not judged.")
    return found


def _interval(pair: list[float] | None) -> str:
    if pair is None:
        return ""
    return f"   ({_percent(pair[0])} to {_percent(pair[1])} in 95 of 100 such sets of images)"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
