"""Data sets of formats with one file for many images (COCO, CVAT, CSV ...), as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from detection.checks.survey import ListedLabel, PictureFacts, SurveyedBox, SurveyedImage
from detection.formats.dataset import DatasetError
from detection.formats.drawn import AnnotationError, Drawn
from detection.formats.files import FileRefused, FolderFiles
from detection.formats.reading import Reading
from detection.formats.registry import recognise
from detection.images import ImageRefused
from detection.types import Problem

# These have readers of their own here, which see each line as it stands.
_READ_LINE_BY_LINE = frozenset({"voc", "yolo"})


@dataclass(frozen=True)
class ReadSet:
    """What one of these formats says: its key, images, lost annotations, labels and splits."""

    key: str
    images: tuple[SurveyedImage, ...]
    orphans: tuple[Problem, ...]
    labels: tuple[ListedLabel, ...]
    splits: Mapping[str, str]


def read_set(root: Path, pictures: Mapping[str, PictureFacts | ImageRefused]) -> ReadSet | None:
    """The annotations below ``root`` in whatever format they are; None where there are none.

    Raises DatasetError, AnnotationError and FileRefused where they cannot be read as a whole.
    """
    files = FolderFiles(root)
    several = recognise(files)
    if not several or several[0].format.key in _READ_LINE_BY_LINE:
        return None
    found = several[0]
    problems: list[Problem] = []
    reading = found.format.read(files, problems.append, found.names)
    try:
        images = tuple(_image(reading, name, picture) for name, picture in pictures.items())
        refused = [problem for problem in problems if problem.severity == "refused"]
        words = "There is no image for these annotations."
        said = {problem.file for problem in refused}
        orphans = [Problem(name, words, "refused") for name in reading.orphans if name not in said]
        labels = tuple(
            ListedLabel(found.names[0], item.id, item.name) for item in reading.label_map or ()
        )
        return ReadSet(found.format.key, images, (*refused, *orphans), labels, dict(reading.splits))
    finally:
        reading.close()


def yolo_splits(root: Path) -> dict[str, str]:
    """Splits by image name as YOLO's ``data.yaml`` says them; empty where it does not."""
    files = FolderFiles(root)
    found = next((f for f in recognise(files) if f.format.key == "yolo"), None)
    if found is None:
        return {}
    try:
        reading = found.format.read(files, lambda problem: None, found.names)
    except (AnnotationError, FileRefused, DatasetError):
        return {}
    reading.close()
    return dict(reading.splits)


def _image(reading: Reading, name: str, picture: PictureFacts | ImageRefused) -> SurveyedImage:
    image = SurveyedImage(name)
    if isinstance(picture, ImageRefused):
        image = replace(image, refused=str(picture))
    else:
        image = replace(image, picture=picture)
    key = reading.annotation_of.get(name)
    if key is None:
        return image
    try:
        drawn = reading.drawn(key)
    except AnnotationError as error:
        return replace(image, annotation=error.problem.file, problems=(error.problem,))
    except FileRefused as error:
        return replace(image, annotation=key, problems=(Problem(key, str(error), "refused"),))
    return _with_boxes(image, drawn)


def _with_boxes(image: SurveyedImage, drawn: Drawn) -> SurveyedImage:
    width, height = 1.0, 1.0
    if drawn.relative and image.picture is not None:
        width, height = float(image.picture.width), float(image.picture.height)
    numbers = drawn.numbers or range(1, len(drawn.boxes) + 1)
    lines = drawn.lines or [None] * len(drawn.boxes)
    # A crowd's box is around many things at once: it may be large, and is not trained.
    boxes = tuple(
        SurveyedBox(
            number,
            box.label,
            (box.xmin * width, box.ymin * height, box.xmax * width, box.ymax * height),
            line,
        )
        for box, number, line in zip(drawn.boxes, numbers, lines, strict=True)
        if not box.crowd
    )
    size = None
    if drawn.width is not None and drawn.height is not None:
        size = (drawn.width, drawn.height)
    refused = tuple(problem for problem in drawn.problems if problem.severity == "refused")
    return replace(
        image,
        annotation=drawn.file,
        declared=size,
        gives_size=bool(drawn.size_word),
        relative=drawn.relative,
        boxes=boxes,
        problems=refused,
    )
