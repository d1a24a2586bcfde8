"""Geometry of the charts that the server draws: precision against recall, and a score's scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 356.0, 228.0
LEFT, RIGHT, TOP, BOTTOM = 36.0, 348.0, 10.0, 202.0
TICKS = (0, 25, 50, 75, 100)
# The line to the mark starts here, beside its words.
WORDS = (229.4, 112.0)
# More curves than this are a tangle: the weakest are drawn, and the head says so.
MAX_CURVES = 12


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision against recall of one label; points are (recall, precision), each 0..1."""

    label: str
    palette: int
    points: Sequence[Sequence[float]]

    @property
    def path(self) -> str:
        """An SVG path in steps: precision holds until the next recall."""
        pieces = []
        before = None
        for recall, precision in self.points:
            x, y = place(recall, precision)
            pieces.append(f"M{x:.1f} {y:.1f}" if before is None else f"H{x:.1f}V{y:.1f}")
            before = y
        return " ".join(pieces)


@dataclass(frozen=True, slots=True)
class Mark:
    """The point at the recommended threshold."""

    x: float
    y: float
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class Tick:
    value: int
    x: float
    y: float
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    curves: list[Curve]
    left_out: int
    mark: Mark | None

    @property
    def mark_from(self) -> tuple[float, float]:
        """Where the line from the mark's words ends: on the mark's edge."""
        if self.mark is None:
            return WORDS
        across, down = WORDS[0] - self.mark.x, WORDS[1] - self.mark.y
        length = max((across**2 + down**2) ** 0.5, 1)
        return (self.mark.x + 7 * across / length, self.mark.y + 7 * down / length)

    @property
    def ticks(self) -> list[Tick]:
        return [Tick(value, *place(value / 100, value / 100)) for value in TICKS]


def place(recall: float, precision: float) -> tuple[float, float]:
    """Where (recall, precision) lies in the chart's view box."""
    x = LEFT + min(max(recall, 0), 1) * (RIGHT - LEFT)
    y = BOTTOM - min(max(precision, 0), 1) * (BOTTOM - TOP)
    return x, y


def precision_recall(
    curves: list[Curve], recall: float | None, precision: float | None
) -> PrecisionRecall:
    """The chart of `curves`, with a mark at (recall, precision) where both are known."""
    mark = None
    if recall is not None and precision is not None:
        mark = Mark(*place(recall, precision), precision=precision, recall=recall)
    return PrecisionRecall(curves[:MAX_CURVES], max(0, len(curves) - MAX_CURVES), mark)


@dataclass(frozen=True, slots=True)
class ReliabilityBar:
    """Detections of one range of scores: how sure the model was, and how often it was right."""

    x: float
    y: float
    width: float
    height: float
    score: float
    right: float
    count: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bars of how often detections are right, beside the line where a score means what it says."""

    bars: list[ReliabilityBar]

    @property
    def line(self) -> str:
        (x1, y1), (x2, y2) = place(0, 0), place(1, 1)
        return f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"

    @property
    def ticks(self) -> list[Tick]:
        return [Tick(value, *place(value / 100, value / 100)) for value in TICKS]

    @property
    def surest(self) -> ReliabilityBar:
        return self.bars[-1]


BAR_GAP = 2.0


def reliability(bins: Sequence[dict[str, Any]]) -> Reliability | None:
    """The diagram of metrics.json's calibration bins; None without any."""
    bars = []
    for one in bins:
        left, top = place(one["low"], one["right"])
        right, bottom = place(one["high"], 0)
        bars.append(
            ReliabilityBar(
                x=left + BAR_GAP / 2,
                y=top,
                width=right - left - BAR_GAP,
                height=max(bottom - top, 0.5),
                score=one["score"],
                right=one["right"],
                count=one["count"],
                low=one["low"],
                high=one["high"],
            )
        )
    return Reliability(bars) if bars else None


SCALE_LEFT, SCALE_RIGHT = 4.0, 296.0


def on_scale(score: float) -> float:
    """Where a score (0..1) lies on a model page's scale, 300 wide."""
    return round(SCALE_LEFT + min(max(score, 0), 1) * (SCALE_RIGHT - SCALE_LEFT), 1)


def scale_ticks() -> list[Tick]:
    anchors = {0: "start", 100: "end"}
    return [Tick(value, on_scale(value / 100), 14, anchors.get(value, "middle")) for value in TICKS]
