"""What a check says: findings, and fixes that show what they will change before they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from detection.checks.survey import Edit, Survey
from detection.names import visible

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Fix:
    """How one finding is mended. ``kind`` is its flag on the command line (``--fix KIND``).

    ``words`` say what will change, as in ``Clip xmax 812 to 800.``; ``edits`` do it.
    """

    kind: str
    words: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or that one should know.

    Attributes:
        check: the key of the check that found it.
        severity: an error spoils training or is left out of it, a warning may spoil it, an
            info is a fact to know.
        file: where it stands: the annotation file, the image, or the list of a split.
        message: a finished sentence with the value.
        image: the name of the image it is about, or "".
        line: in ``file``, from 1, where known.
        box: the box's number in its file, from 1.
        related: names of other images that belong to it.
        boxes: corners of the boxes that it is about, in the image's pixels, for a picture of it.
        fix: how to mend it; None where only a person can tell.
    """

    check: str
    severity: Severity
    file: str
    message: str
    image: str = ""
    line: int | None = None
    box: int | None = None
    related: tuple[str, ...] = ()
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    fix: Fix | None = None

    def __str__(self) -> str:
        file = visible(self.file)
        where = file if self.line is None else f"{file}, line {self.line}"
        return f"{where}: {self.message}"


@dataclass(frozen=True)
class Check:
    """One question to a dataset.

    Attributes:
        key: its name, in JSON and as a flag.
        find: all findings, in the order of the images.
        title: one line for a list of its findings, such as ``2 boxes have no area``.
        passed: one line for none.
        why: what it does to training, and what to do.
        action: the verb of its fix, such as ``Remove``; "" where there is none.
    """

    key: str
    find: Callable[[Survey], list[Finding]]
    title: Callable[[Sequence[Finding]], str]
    passed: str
    why: str
    action: str = ""


@dataclass(frozen=True)
class Result:
    """A check and what it found."""

    check: Check
    findings: tuple[Finding, ...] = field(default=())

    @property
    def severity(self) -> Severity | None:
        """The gravest finding's; None where nothing was found."""
        found = {finding.severity for finding in self.findings}
        return next((severity for severity in SEVERITIES if severity in found), None)

    @property
    def title(self) -> str:
        return self.check.title(self.findings) if self.findings else self.check.passed

    @property
    def fixes(self) -> list[Fix]:
        return [finding.fix for finding in self.findings if finding.fix is not None]


def counted(number: int, one: str, many: str = "") -> str:
    """``1 box``, ``1,204 boxes``: a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def px(value: float) -> str:
    """A pixel value as people write it: at most two decimals, no trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 1e9 else f"{value:.3g}"


def span(box: Sequence[float]) -> str:
    """``10 20 to 30 40``: a box's corners in words."""
    xmin, ymin, xmax, ymax = map(px, box)
    return f"{xmin} {ymin} to {xmax} {ymax}"
