"""Look into an upload before anything is taken: what is there, and what would become of it.

No picture is opened: boxes are held against the sizes that the annotations themselves give.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from detection.formats.drawn import AnnotationError, Drawn, hold_against
from detection.names import visible
from detection.types import Problem
from webapp.datasets.models import ImageImport
from workers.import_sources import PHOTOS, Source, open_sources
from workers.lease_keeper import LeaseKeeper

MOST_PROBLEMS = 60
MOST_LABELS = 500
_CHECK_EVERY = 200
# Relative boxes are looked at in a picture of this size, where the data do not say one.
_SIDE = 1000


@dataclass
class Preview:
    """What was found, as the preview page shows it."""

    format: str = PHOTOS
    images: int = 0
    labelled: int = 0
    negatives: int = 0
    boxes: int = 0
    kept: int = 0
    mended: int = 0
    merged: int = 0
    dropped: int = 0
    crowds: int = 0
    orphans: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    problems: list[dict[str, Any]] = field(default_factory=list)
    num_problems: int = 0
    refused: bool = False

    def say(self, problem: Problem) -> None:
        """Keep the first sentences; count them all."""
        self.num_problems += 1
        if len(self.problems) < MOST_PROBLEMS:
            file = problem.file[:300]
            if problem.line is not None:
                file = f"{file}, line {problem.line}"
            self.problems.append(
                {"file": file, "message": problem.message, "severity": problem.severity}
            )

    def as_json(self) -> dict[str, Any]:
        labels = [{"name": name, "boxes": count} for name, count in self.labels.most_common()]
        names = ("format", "images", "labelled", "negatives", "boxes", "kept", "mended", "merged",
                 "dropped", "crowds", "orphans", "problems", "num_problems", "refused")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            "labels": labels[:MOST_LABELS],
            "num_labels": len(labels),
            "splits": dict(self.splits),
        }


def asks_first(row: ImageImport, keeper: LeaseKeeper) -> bool:
    """Look into a fresh import; True where its user must answer first: it went back to them.

    Photos alone, and annotations that fit the label map as they are, go straight on; so does the
    first clean set of a project without labels, for there is nothing to choose.
    """
    if row.plan is not None or row.num_passed:
        return False
    preview = inspect(row, keeper)
    row.write(preview=preview.as_json(), num_found=preview.images, format=preview.format)
    if not _has_to_be_asked(row, preview):
        return False
    row.ask()
    return True


def _has_to_be_asked(row: ImageImport, preview: Preview) -> bool:
    if preview.refused:
        return True
    known = set(row.project.active_labels().values_list("name", flat=True))
    unknown = preview.labels.keys() - known
    folded = Counter(name.casefold() for name in preview.labels)
    variants = any(count > 1 for count in folded.values())
    return bool(unknown) and (bool(known) or variants or bool(preview.dropped or preview.merged))


def inspect(row: ImageImport, keeper: LeaseKeeper) -> Preview:
    """Read all annotations of the import, image by image. Raises LeaseLost."""
    preview = Preview()
    for source in open_sources(row, preview.say):
        with source:
            _look_into(source, preview, keeper)
    return preview


def _look_into(source: Source, preview: Preview, keeper: LeaseKeeper) -> None:
    preview.format = source.format
    preview.images = len(source.entries)
    preview.orphans = len(source.orphans)
    preview.refused = source.refused
    for number, photo in enumerate(source.photos()):
        if number % _CHECK_EVERY == 0:
            keeper.check()
        if photo.split:
            preview.splits[photo.split] += 1
        if photo.annotation is not None:
            _look_at(source, photo.annotation, preview)
    for number, key in enumerate(source.orphans):
        if number % _CHECK_EVERY == 0:
            keeper.check()
        _look_at(source, key, preview)


def _look_at(source: Source, key: str, preview: Preview) -> None:
    try:
        drawn = source.drawn(key)
    except AnnotationError as error:
        preview.say(error.problem)
        return
    preview.labelled += 1
    preview.boxes += len(drawn.boxes)
    preview.labels.update(box.label for box in drawn.boxes)
    for problem in drawn.problems:
        preview.say(problem)
    preview.negatives += not drawn.boxes and not drawn.problems
    preview.crowds += sum(box.crowd for box in drawn.boxes)
    width, height = drawn.width, drawn.height
    if drawn.relative:
        width, height = width or _SIDE, height or _SIDE
    if width is None or height is None:
        preview.kept += len(drawn.boxes)
        return
    _count_outcome(drawn, int(width), int(height), preview)


def _count_outcome(drawn: Drawn, width: int, height: int, preview: Preview) -> None:
    """What would become of the boxes, in the picture that the data describe."""
    image, problems = hold_against(replace(drawn, problems=()), drawn.file, width, height)
    merged = sum(problem.message.endswith("Merged.") for problem in problems)
    preview.merged += merged
    preview.dropped += len(drawn.boxes) - len(image.boxes) - merged
    preview.mended += sum(problem.severity == "mended" for problem in problems) - merged
    preview.kept += len(image.boxes)
    for problem in problems:
        preview.say(replace(problem, file=visible(problem.file)))
