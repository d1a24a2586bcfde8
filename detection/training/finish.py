"""The end of a run: its best epoch, judged thoroughly and exported."""

from __future__ import annotations

from typing import Any

from detection.evaluation import evaluate
from detection.models.architecture import Architecture, Judge
from detection.training.data import RunData
from detection.training.progress import Progress
from detection.training.reporting import Reporter
from detection.training.run_folder import RunFolder
from detection.training.settings import TrainingSettings

MOST_NEAR_SHOWN = 20
# The score threshold of a model that no image judged.
UNJUDGED_THRESHOLD = 0.5


def finish(
    architecture: Architecture,
    folder: RunFolder,
    data: RunData,
    judge: Judge,
    settings: TrainingSettings,
    input_size: int,
    progress: Progress,
    near: list[tuple[str, str]],
    reporter: Reporter,
) -> dict[str, Any]:
    """Judge the best checkpoint on val and write the bundle; returns the finished event's facts.

    ``near``: the pairs of `RunData.near_duplicates`.
    """
    reporter.tell("phase", phase="evaluating")
    judge.take_weights(folder.best_weights())
    found = judge.detect(data.val) if data.val is not None else []
    metrics = evaluate(data.val_truth(), found, data.label_map)
    metrics["epochs"] = progress.epochs
    metrics["near_duplicates"] = {"count": len(near), "pairs": near[:MOST_NEAR_SHOWN]}
    if metrics.get("worst"):
        reporter.tell("worst", items=metrics["worst"])
    threshold = metrics.get("score_threshold")
    threshold = UNJUDGED_THRESHOLD if threshold is None else float(threshold)
    reporter.tell("phase", phase="exporting")
    architecture.export(
        judge.model,
        folder=folder.path / "model",
        base=settings.base,
        input_size=input_size,
        label_map=data.label_map,
        metrics=metrics,
        score_threshold=threshold,
        revision=settings.revision,
        samples=data.samples(),
    )
    return {
        "map_50": metrics.get("map_50"),
        "map_50_95": metrics.get("map_50_95"),
        "epoch": progress.best_epoch,
        "score_threshold": threshold,
    }
