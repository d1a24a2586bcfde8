"""Revisions, runs and models for the tests of their pages."""

from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from webapp.datasets.models import DatasetRevision
from webapp.leases import Status
from webapp.training.models import EpochMetrics, LogLine, TrainedModel, TrainingRun

BASE = "ssdlite_mobilenet_v2_coco"


def make_revision(project: Any, number: int = 1) -> DatasetRevision:
    return DatasetRevision.objects.create(
        project=project,
        number=number,
        sha256=f"{number:064x}",
        num_images=4,
        num_boxes=5,
        counts={
            "splits": {
                "train": {"images": 3, "boxes": 4},
                "val": {"images": 1, "boxes": 1},
                "test": {"images": 0, "boxes": 0},
            },
            "labels": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        },
    )


def make_run(project: Any, number: int = 1, status: str = Status.RUNNING, **fields: Any) -> Any:
    revision = project.revisions.first() or make_revision(project)
    return TrainingRun.objects.create(
        project=project,
        number=number,
        revision=revision,
        base=BASE,
        status=status,
        started_at=None if status == Status.QUEUED else timezone.now(),
        **fields,
    )


def add_epochs(run: Any, scores: list[float]) -> None:
    for epoch, score in enumerate(scores, 1):
        EpochMetrics.objects.create(
            run=run,
            epoch=epoch,
            loss=1 / epoch,
            map_50=score,
            map_50_95=score / 2,
            per_label={"cat": score, "dog": None},
            best=score == max(scores[:epoch]),
        )
        LogLine.objects.create(run=run, text=f"{epoch}/9 loss {1 / epoch:.3f}")


METRICS = {
    "map_50_95": 0.61,
    "map_50": 0.934,
    "map_75": 0.7,
    "num_images": 28,
    "num_boxes": 30,
    "per_label": [
        {"id": 1, "label": "cat", "ap": 0.6, "ap_50": 0.98, "num_boxes": 16},
        {"id": 2, "label": "dog", "ap": 0.6, "ap_50": 0.87, "num_boxes": 14},
    ],
    "map_50_95_interval": [0.4, 0.7],
    "map_small": None,
    "map_medium": 0.5,
    "map_large": 0.7,
    "recall": 0.66,
    "recall_medium": 0.6,
    "recall_large": 0.75,
    "score_thresholds": {"cat": 0.33},
    "near_duplicates": {"count": 2, "pairs": [["one.jpg", "copy.jpg"], ["two.jpg", "too.jpg"]]},
    "calibration": {
        "bins": [
            {"low": 0.3, "high": 0.4, "count": 4, "score": 0.35, "right": 0.5},
            {"low": 0.9, "high": 1.0, "count": 20, "score": 0.93, "right": 0.95},
        ],
        "error": 0.05,
    },
    "precision_recall": {"cat": [[0, 1], [0.9, 1]], "dog": [[0, 1], [0.5, 0.8]]},
    "confusion": {
        "labels": ["cat", "dog", "background"],
        "matrix": [[15, 0, 1], [2, 12, 0], [1, 3, 0]],
    },
    "worst": [
        {
            "image": "tom.jpg",
            "kind": "wrong_label",
            "label": "cat",
            "score": 0.58,
            "iou": 0.8,
            "box": [5, 5, 20, 20.5],
            "boxes": [
                {"label": "cat", "xmin": 5, "ymin": 5, "xmax": 20, "ymax": 20},
                {"label": "dog", "score": 0.58, "xmin": 6, "ymin": 5, "xmax": 21, "ymax": 20},
            ],
        }
    ],
}
FILES = {
    "saved_model/saved_model.pb": b"graph",
    "saved_model/variables/variables.data": b"weights",
    "model.tflite": b"litert",
    "label_map.pbtxt": b"item {}",
    "metrics.json": b"{}",
    "model.json": b"{}",
}


def make_model(run: Any, number: int = 1, **fields: Any) -> TrainedModel:
    model = TrainedModel.objects.create(
        **{
            "project": run.project,
            "number": number,
            "run": run,
            "base": BASE,
            "input_size": 300,
            "labels": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "score_threshold": 0.46,
            "map_50": 0.934,
            "map_50_95": 0.61,
            "metrics": METRICS,
            "bytes": 1234,
            "artefacts": [
                {"name": "saved_model", "path": "saved_model", "bytes": 12},
                {"name": "litert", "path": "model.tflite", "bytes": 6},
            ],
            **fields,
        }
    )
    for name, content in FILES.items():
        default_storage.save(f"{model.storage_prefix}/{name}", ContentFile(content))
    return model
