"""Geometry of the charts that the server draws: precision against recall, and a score's scale."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 356.0, 228.0
LEFT, RIGHT, TOP, BOTTOM = 36.0, 348.0, 10.0, 202.0
TICKS = (0, 25, 50, 75, 100)
# Where the mark's words may end (their right edge, the first of two lines), the usual place first.
WORDS_AT = ((223.0, 120.0), (223.0, 166.0), (340.0, 166.0), (340.0, 74.0), (223.0, 62.0))
WORDS_WIDTH, WORDS_ABOVE, WORDS_BELOW = 150.0, 14.0, 22.0
# Of fewer detections a share says little.
FEW_DETECTIONS = 10
# More curves than this are a tangle: the weakest are drawn, and the head says so.
MAX_CURVES = 12


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision against recall of one label; points are (recall, precision), each 0..1."""

    label: str
    palette: int
    points: Sequence[Sequence[float]]

    def crosses(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether the curve's steps pass through a rectangle of the chart."""
        places = [place(*point) for point in self.points]
        for (x1, y1), (x2, y2) in itertools.pairwise(places):
            along = top < y1 < bottom and x1 < right and x2 > left
            down = left < x2 < right and min(y1, y2) < bottom and max(y1, y2) > top
            if along or down:
                return True
        return False

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
    def words_at(self) -> tuple[float, float]:
        """Where the mark's words end: where they cover the fewest curves."""
        return min(WORDS_AT, key=self._covered)

    def _covered(self, at: tuple[float, float]) -> int:
        x, y = at
        space = (x - WORDS_WIDTH, y - WORDS_ABOVE, x, y + WORDS_BELOW)
        over_mark = self.mark is not None and (
            space[0] - 8 < self.mark.x < space[2] + 8 and space[1] - 8 < self.mark.y < space[3] + 8
        )
        return sum(curve.crosses(*space) for curve in self.curves) + 100 * over_mark

    @property
    def leader(self) -> str:
        """The line from the mark's words to the mark's edge."""
        if self.mark is None:
            return ""
        right, line = self.words_at
        x = right + 6 if self.mark.x > right else right - WORDS_WIDTH / 2
        if self.mark.x > right:
            y = line - 4
        else:
            y = line - WORDS_ABOVE if self.mark.y < line else line + WORDS_BELOW
        across, down = x - self.mark.x, y - self.mark.y
        length = max((across**2 + down**2) ** 0.5, 1)
        end_x, end_y = self.mark.x + 7 * across / length, self.mark.y + 7 * down / length
        return f"M{x:.1f} {y:.1f}L{end_x:.1f} {end_y:.1f}"

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

    @property
    def few(self) -> bool:
        return self.count < FEW_DETECTIONS


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
    def surest(self) -> ReliabilityBar | None:
        """The highest confidence of which there are enough detections to say something."""
        return next((bar for bar in reversed(self.bars) if not bar.few), None)

    @property
    def any_few(self) -> bool:
        return any(bar.few for bar in self.bars)


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
