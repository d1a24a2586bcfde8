"""From which score on a detection is shown: each label's own threshold, or one for all."""

from dataclasses import dataclass, field
from typing import Any

from webapp.inference.models import Detection, DetectionRequest
from webapp.training.models import TrainedModel


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least scores from 0 to 1. `by_class` has class ids; the others have `default`."""

    default: float
    by_class: dict[int, float] = field(default_factory=dict)

    def of(self, class_id: int) -> float:
        return self.by_class.get(class_id, self.default)

    def shows(self, row: Detection) -> bool:
        return row.score >= self.of(row.class_id)


def own_thresholds(request: DetectionRequest) -> Thresholds:
    """Each label's own, as measured with the model; the recommended one for all others."""
    by_class = label_thresholds(request.model) if request.model else {}
    return Thresholds(request.score_threshold, by_class)


def label_thresholds(model: TrainedModel) -> dict[int, float]:
    """By class id, what maximises F1 of each label of `model`; empty where nothing was measured."""
    measured: dict[str, Any] = model.metrics.get("score_thresholds") or {}
    return {
        int(item["id"]): float(measured[item["name"]])
        for item in model.labels
        if item["name"] in measured
    }


def thresholds_asked(text: str, request: DetectionRequest) -> Thresholds:
    """One threshold in 0..1 for all labels, as an address or a form asks; else each label's own."""
    try:
        value = float(text)
    except ValueError:
        return own_thresholds(request)
    return Thresholds(value) if 0 <= value <= 1 else own_thresholds(request)
