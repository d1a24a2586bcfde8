"""Boxes around other shapes: points, and boxes that are turned."""

from __future__ import annotations

import math
from collections.abc import Sequence

Corners = tuple[float, float, float, float]


def bounds_of_points(points: Sequence[tuple[float, float]]) -> Corners:
    """``(xmin, ymin, xmax, ymax)`` around at least one point ``(x, y)``."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def bounds_of_turned_box(
    xmin: float,
    ymin: float,
    xmax: float,
    ymax: float,
    degrees: float,
    pivot: tuple[float, float],
) -> Corners:
    """The box around a box that is turned clockwise (y points down) about ``pivot``."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    px, py = pivot
    corners = [(xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax)]
    return bounds_of_points([
        (px + (x - px) * cosine - (y - py) * sine, py + (x - px) * sine + (y - py) * cosine)
        for x, y in corners
    ])  # fmt: skip
