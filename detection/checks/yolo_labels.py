"""YOLO's label files as they stand: a line a box, ``class x y width height``, in fractions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from detection.checks.survey import Corners, PictureFacts, SurveyedBox, SurveyedImage
from detection.formats.numbers import NumberRefused, parse_number
from detection.names import visible
from detection.types import Problem

MAX_BYTES = 16 * 1024 * 1024


def read_labels(
    data: bytes, file: str, classes: Mapping[int, str], picture: PictureFacts | None
) -> tuple[tuple[SurveyedBox, ...], tuple[Problem, ...]]:
    """Boxes in pixels of ``picture`` (of one pixel square where it could not be read)."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return (), (Problem(file, "It is not UTF-8 text.", "refused"),)
    size = (picture.width, picture.height) if picture else (1, 1)
    boxes: list[SurveyedBox] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        try:
            label, corners = _parse(fields, classes)
        except ValueError as error:
            problems.append(Problem(file, str(error), "refused", number))
            continue
        scaled = (
            corners[0] * size[0], corners[1] * size[1], corners[2] * size[0], corners[3] * size[1]
        )  # fmt: skip
        boxes.append(SurveyedBox(number, label, scaled, number))
    return tuple(boxes), tuple(problems)


def rewrite_labels(
    data: bytes, before: SurveyedImage, after: SurveyedImage, classes: Mapping[int, str]
) -> bytes:
    """The file with the lines of changed boxes changed and of removed boxes gone."""
    numbers = {name: number for number, name in sorted(classes.items(), reverse=True)}
    old = {box.number: box for box in before.boxes}
    new = {box.number: box for box in after.boxes}
    size = (after.picture.width, after.picture.height) if after.picture else (1, 1)
    lines = data.decode("utf-8-sig").splitlines(keepends=True)
    written = []
    for number, line in enumerate(lines, 1):
        if number in old and number not in new:
            continue
        if number in new and new[number] != old[number]:
            written.append(_line(new[number], numbers, size, line))
        else:
            written.append(line)
    return "".join(written).encode()


def _line(box: SurveyedBox, numbers: Mapping[str, int], size: tuple[int, int], before: str) -> str:
    xmin, ymin, xmax, ymax = box.xyxy
    values = (
        (xmin + xmax) / 2 / size[0],
        (ymin + ymax) / 2 / size[1],
        (xmax - xmin) / size[0],
        (ymax - ymin) / size[1],
    )
    shown = (f"{value:.10f}".rstrip("0").rstrip(".") for value in values)
    # A class that no list names is written as its number already.
    number = numbers.get(box.label, before.split()[0])
    ending = before[len(before.rstrip("\r\n")) :]
    return f"{number} {' '.join(shown)}{ending}"


def _parse(fields: Sequence[str], classes: Mapping[int, str]) -> tuple[str, Corners]:
    text = fields[0]
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise ValueError(f"{visible(text, 20)!r} is no class number; they count from 0.")
    number = int(text)
    if classes and number not in classes:
        raise ValueError(f"There is no class {number}; the list has 0 to {max(classes)}.")
    label = classes.get(number, f"class {number}")
    values = [_number(field) for field in fields[1:]]
    if len(values) == 4:
        x, y, width, height = values
        return label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = values[::2], values[1::2]
        return label, (min(xs), min(ys), max(xs), max(ys))
    hint = "; the sixth may be a confidence" if len(fields) == 6 else ""
    raise ValueError(f"It has {len(fields)} fields, and a box has 5{hint}.")


def _number(text: str) -> float:
    try:
        value = parse_number(text)
    except NumberRefused as refusal:
        raise ValueError(f"A number is {refusal}.") from None
    if not math.isfinite(value):
        raise ValueError(f"A number is {visible(text, 20)}.")
    return value
