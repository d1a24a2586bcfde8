"""Geometry of the dataset page's charts, in SVG units. The template only draws."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 356, 186
LEFT, TOP, BOTTOM = 44, 12, 24
UNIT_ROOM = 44


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    color: str
    title: str


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Histogram:
    """Stacked bars with a scale; `words` say the same to who does not see them."""

    bars: list[Bar]
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    unit: str
    words: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = field(default=HEIGHT - BOTTOM)


def nice_step(span: float, parts: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that cuts `span` into at most `parts`."""
    if span <= 0:
        return 1
    power = 10 ** math.floor(math.log10(span / parts))
    for factor in (1, 2, 5, 10):
        if span / (factor * power) <= parts + 1e-9:
            return factor * power
    raise AssertionError("10 times the power always suffices")


def histogram(
    counts: NDArray[np.int64],
    colors: Sequence[str],
    names: Sequence[str],
    *,
    step: float,
    unit: str,
    noun: str,
    centred: bool = False,
    spans: Sequence[str] | None = None,
) -> Histogram:
    """A histogram of `counts` [layers, bins]; bin i covers i*step .. (i+1)*step of `unit`.

    With `centred` a bin stands for the whole number i*step and has its tick in its middle. Bins
    that are not of one width in `unit` have their words in `spans`.
    """
    num_bins = counts.shape[1]
    totals = counts.sum(axis=0)
    y_step = max(1.0, nice_step(float(totals.max(initial=1)), 4))
    top = y_step * max(1, math.ceil(float(totals.max(initial=1)) / y_step))
    base = HEIGHT - BOTTOM
    scale = (base - TOP) / top
    slot = (WIDTH - LEFT) / num_bins
    bars: list[Bar] = []
    for index in range(num_bins):
        y = float(base)
        for layer in range(counts.shape[0]):
            count = int(counts[layer, index])
            if count:
                height = count * scale
                y -= height
                where = spans[index] if spans else _span(index, step, unit, centred)
                title = (
                    f"{names[layer]}, {where}: {count:,}" if names[layer] else f"{where}: {count:,}"
                )
                gap = min(2.0, slot * 0.15)
                bars.append(
                    Bar(LEFT + index * slot + gap / 2, y, slot - gap, height, colors[layer], title)
                )
    every = max(1, round(nice_step(num_bins * step, 7) / step))
    x_ticks = [
        Tick(LEFT + (index + (0.5 if centred else 0)) * slot, f"{index * step:g}")
        for index in range(0, num_bins, every)
        if (index + 0.5) * slot < WIDTH - LEFT - UNIT_ROOM
    ]
    y_ticks = [
        Tick(base - value * y_step * scale, f"{value * y_step:,.0f}")
        for value in range(round(top / y_step) + 1)
    ]
    return Histogram(bars, y_ticks, x_ticks, unit, _words(totals, step, unit, noun, centred, spans))


def _span(index: int, step: float, unit: str, centred: bool) -> str:
    if centred:
        return f"{index * step:g} {unit}"
    return f"{index * step:g} to {(index + 1) * step:g} {unit}"


def _words(
    totals: NDArray[np.int64],
    step: float,
    unit: str,
    noun: str,
    centred: bool,
    spans: Sequence[str] | None,
) -> str:
    if not totals.any():
        return f"No {noun} yet."
    fullest = int(totals.argmax())
    where = spans[fullest] if spans else _span(fullest, step, unit, centred)
    return f"Most {noun} ({int(totals[fullest]):,}) lie at {where}."


@dataclass(frozen=True)
class HeatCell:
    x: int
    y: int
    share: int
    """Per cent of the fullest cell's count."""


HEAT_COLUMNS, HEAT_ROWS = 32, 24


def heat_map(centres_rel: NDArray[np.float64]) -> tuple[list[HeatCell], int]:
    """Cells of a 32 x 24 grid that hold centres [N, 2] (x, y in 0..1), and the fullest's count."""
    if not len(centres_rel):
        return [], 0
    columns = np.clip((centres_rel[:, 0] * HEAT_COLUMNS).astype(int), 0, HEAT_COLUMNS - 1)
    rows = np.clip((centres_rel[:, 1] * HEAT_ROWS).astype(int), 0, HEAT_ROWS - 1)
    counts = np.bincount(rows * HEAT_COLUMNS + columns, minlength=HEAT_COLUMNS * HEAT_ROWS)
    most = int(counts.max())
    cells = [
        HeatCell(index % HEAT_COLUMNS, index // HEAT_COLUMNS, round(100 * int(count) / most))
        for index, count in enumerate(counts)
        if count
    ]
    return cells, most
