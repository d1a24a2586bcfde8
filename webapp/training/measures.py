"""What a model's page shows of its metrics.json. Older models may lack any part of it."""

from dataclasses import dataclass, field
from typing import Any

from webapp.training import charts
from webapp.training.errors_shown import KINDS, ShownError, shown_errors
from webapp.training.labels_shown import ShownLabel, shown_labels
from webapp.training.models import TrainedModel

# Below this many boxes a score is little more than luck.
FEW_BOXES = 50
BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class LabelScore:
    label: ShownLabel
    ap: float | None
    ap_50: float | None
    num_boxes: int | None
    found: int | None = None
    false: int | None = None
    threshold: float | None = None
    interval: tuple[float, float] | None = None

    @property
    def interval_style(self) -> str:
        """Places the interval's line on a bar that is 100 % wide."""
        low, high = self.interval or (0.0, 0.0)
        return f"left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the confusion matrix. `share` is the part of its row, for the diagonal's shade."""

    count: int
    kind: str
    share: int


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    label: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Totals:
    """Boxes at the recommended threshold, from the confusion matrix."""

    boxes: int
    found: int
    wrong_label: int
    missed: int
    false: int

    @property
    def precision(self) -> float | None:
        said = self.found + self.wrong_label + self.false
        return self.found / said if said else None

    @property
    def recall(self) -> float | None:
        return self.found / self.boxes if self.boxes else None


@dataclass(frozen=True, slots=True)
class SizeScore:
    """How well things of one size are found: up to 32 pixels a side, up to 96, or larger."""

    title: str
    pixels: str
    ap: float | None
    recall: float | None


@dataclass(frozen=True)
class Measures:
    map_50: float | None
    map_50_95: float | None
    map_75: float | None
    num_images: int | None
    num_boxes: int | None
    threshold: float
    interval: tuple[float, float] | None
    strict_interval: tuple[float, float] | None = None
    by_size: list[SizeScore] = field(default_factory=list)
    recall: float | None = None
    reliability: charts.Reliability | None = None
    warnings: list[str] = field(default_factory=list)
    scores: list[LabelScore] = field(default_factory=list)
    precision_recall: charts.PrecisionRecall | None = None
    columns: list[str] = field(default_factory=list)
    confusion: list[ConfusionRow] = field(default_factory=list)
    totals: Totals | None = None
    errors: list[ShownError] = field(default_factory=list)

    @property
    def threshold_is_measured(self) -> bool:
        """False where no detection on val was right, or none was looked at, to choose it by."""
        return bool(self.map_50)

    @property
    def own_thresholds(self) -> list[LabelScore]:
        """The labels that have a threshold of their own, where there is more than one."""
        own = [score for score in self.scores if score.threshold is not None]
        return own if len(self.scores) > 1 else []

    @property
    def weakest(self) -> LabelScore | None:
        scored = [score for score in self.scores if score.ap_50 is not None]
        if len(scored) < 2:
            return None
        return min(scored, key=lambda score: score.ap_50 or 0)

    @property
    def has_label_intervals(self) -> bool:
        return any(score.interval for score in self.scores)

    @property
    def error_kinds(self) -> list[tuple[str, str, int]]:
        """(kind, title, how many) of the kinds that occur."""
        counts = [
            (kind, KINDS[kind][0], sum(e.kind == kind for e in self.errors)) for kind in KINDS
        ]
        return [one for one in counts if one[2]]


def measures_of(model: TrainedModel) -> Measures:
    metrics = model.metrics
    labels = shown_labels(model.labels, model.project)
    matrix, names = _matrix(metrics)
    totals = _totals(matrix) if matrix else None
    return Measures(
        map_50=model.map_50 if model.map_50 is not None else metrics.get("map_50"),
        map_50_95=model.map_50_95 if model.map_50_95 is not None else metrics.get("map_50_95"),
        map_75=metrics.get("map_75"),
        num_images=metrics.get("num_images"),
        num_boxes=metrics.get("num_boxes"),
        threshold=model.score_threshold,
        interval=_interval(metrics, "map_50_interval"),
        strict_interval=_interval(metrics, "map_50_95_interval"),
        by_size=_by_size(metrics),
        recall=metrics.get("recall"),
        reliability=charts.reliability((metrics.get("calibration") or {}).get("bins") or []),
        warnings=_warnings(metrics, labels),
        scores=_scores(metrics, labels, matrix, names),
        precision_recall=_precision_recall(metrics, labels, totals),
        columns=[_shown(name, labels, "missed") for name in names],
        confusion=_confusion(matrix, names, labels),
        totals=totals,
        errors=shown_errors(metrics.get("worst") or [], model.project, model.labels, model.run_id),
    )


def _by_size(metrics: dict[str, Any]) -> list[SizeScore]:
    """COCO's three sizes; those of which val has no box are left out."""
    found = [
        SizeScore(title, pixels, metrics.get(f"map_{name}"), metrics.get(f"recall_{name}"))
        for name, title, pixels in (
            ("small", "Small", "under 32 px"),
            ("medium", "Medium", "32 to 96 px"),
            ("large", "Large", "over 96 px"),
        )
    ]
    return [one for one in found if one.ap is not None]


def _warnings(metrics: dict[str, Any], labels: dict[str, ShownLabel]) -> list[str]:
    """What makes the score say less than it seems to, in sentences."""
    found = []
    boxes = metrics.get("num_boxes")
    if boxes is not None and boxes < FEW_BOXES:
        noun, verb = ("box", "is") if boxes == 1 else ("boxes", "are")
        found.append(
            f"{boxes} validation {noun} {verb} few: as many others could give quite another score. "
            "Add images to val."
        )
    if boxes and metrics.get("map_50") == 0:
        found.append(
            "It finds nothing of what is there, so it has not learnt yet. Train longer, on more "
            "images."
        )
    near = metrics.get("near_duplicates") or {}
    if count := near.get("count"):
        first = (near.get("pairs") or [["", ""]])[0]
        found.append(
            f"{count} validation image{'s show' if count > 1 else ' shows'} almost the same as a "
            f"training image, such as {first[1]} and {first[0]}: the score flatters. Keep such "
            "images in one split."
        )
    without = [
        labels[item["label"]].shown if item.get("label") in labels else str(item.get("label"))
        for item in metrics.get("per_label") or []
        if item.get("num_boxes") == 0
    ]
    if boxes and without:
        names = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if without[5:] else "")
        found.append(f"No validation box has the label {names}: how well it is found is not known.")
    return found


def _interval(metrics: dict[str, Any], name: str) -> tuple[float, float] | None:
    pair = metrics.get(name)
    return (float(pair[0]), float(pair[1])) if isinstance(pair, list) and len(pair) == 2 else None


def _shown(name: str, labels: dict[str, ShownLabel], background: str) -> str:
    if name == BACKGROUND:
        return background
    return labels[name].shown if name in labels else name


def _matrix(metrics: dict[str, Any]) -> tuple[list[list[int]], list[str]]:
    """Rows: what is there; columns: what the model said; the last of each is the background."""
    confusion = metrics.get("confusion") or {}
    names, matrix = confusion.get("labels") or [], confusion.get("matrix") or []
    if not names or len(matrix) != len(names) or any(len(row) != len(names) for row in matrix):
        return [], []
    return matrix, [str(name) for name in names]


def _scores(
    metrics: dict[str, Any],
    labels: dict[str, ShownLabel],
    matrix: list[list[int]],
    names: list[str],
) -> list[LabelScore]:
    scores = []
    for item in metrics.get("per_label") or []:
        name = item.get("label", "")
        label = labels.get(name) or ShownLabel(item.get("id", 1), name, name, 1)
        at = names.index(name) if name in names else None
        scores.append(
            LabelScore(
                label=label,
                ap=item.get("ap"),
                ap_50=item.get("ap_50"),
                num_boxes=item.get("num_boxes"),
                found=matrix[at][at] if at is not None else None,
                false=matrix[-1][at] if at is not None else None,
                threshold=(metrics.get("score_thresholds") or {}).get(name),
                interval=_interval(item, "ap_50_interval"),
            )
        )
    return scores


def _totals(matrix: list[list[int]]) -> Totals:
    last = len(matrix) - 1
    found = sum(matrix[at][at] for at in range(last))
    missed = sum(matrix[at][last] for at in range(last))
    boxes = sum(sum(matrix[at]) for at in range(last))
    return Totals(
        boxes=boxes,
        found=found,
        wrong_label=boxes - found - missed,
        missed=missed,
        false=sum(matrix[last][:last]),
    )


def _confusion(
    matrix: list[list[int]], names: list[str], labels: dict[str, ShownLabel]
) -> list[ConfusionRow]:
    rows = []
    last = len(matrix) - 1
    for at, counts in enumerate(matrix):
        total = sum(counts) or 1
        cells = []
        for to, count in enumerate(counts):
            if at == to == last:
                kind = "none"
            elif not count:
                kind = "zero"
            else:
                kind = "right" if at == to else "wrong"
            cells.append(Cell(count, kind, 55 + round(45 * count / total)))
        rows.append(ConfusionRow(_shown(names[at], labels, "nothing"), cells))
    return rows


def _precision_recall(
    metrics: dict[str, Any], labels: dict[str, ShownLabel], totals: Totals | None
) -> charts.PrecisionRecall | None:
    curves = [
        charts.Curve(labels[name].shown, labels[name].palette, points)
        for name, points in (metrics.get("precision_recall") or {}).items()
        if name in labels and points
    ]
    if not curves:
        return None
    at = (totals.recall, totals.precision) if totals else (None, None)
    return charts.precision_recall(curves, *at)
