"""A dataset as it lies there, before anything is mended: what checks look at.

Unlike the readers of ``detection.formats`` a survey repairs nothing, so that what is wrong can be
seen. It comes from a folder (``detection.checks.folder``) or from a project's database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from detection.names import visible
from detection.types import Problem

Corners = tuple[float, float, float, float]
Action = Literal["remove_box", "move_box", "relabel", "set_size", "set_split", "set_group"]
# Two sizes have the same proportions where one, scaled, misses the other by under 1 %.
_PROPORTION_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is known of a picture's file. ``width`` and ``height`` are of the upright picture.

    ``mode`` is Pillow's word for its colours, with ``transparency`` for a transparent palette.
    """

    width: int
    height: int
    orientation: int = 1
    mode: str = "RGB"
    format: str = "jpeg"
    num_frames: int = 1
    sha256: str = ""
    perceptual_hash: str = ""

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height before the EXIF turn."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


@dataclass(frozen=True, slots=True)
class SurveyedBox:
    """A box as it is written, which may be anything; corners in pixels.

    ``number`` counts from 1 in its file; ``key`` is the annotation's id where it has one.
    """

    number: int
    label: str
    xyxy: Corners
    line: int | None = None
    key: str = ""

    @property
    def ordered(self) -> Corners:
        """The same rectangle with its corners in order."""
        xmin, ymin, xmax, ymax = self.xyxy
        return (min(xmin, xmax), min(ymin, ymax), max(xmin, xmax), max(ymin, ymax))

    @property
    def shown(self) -> str:
        """ "Box 3 (cat)": how messages call it."""
        return f"Box {self.number} ({visible(self.label, 60)})"


@dataclass(frozen=True, slots=True)
class SurveyedImage:
    """One image with what its annotations say.

    Attributes:
        name: the image's, relative to the dataset.
        annotation: the file that its boxes stand in; "" where there is none.
        picture: None where it could not be read; ``refused`` says why.
        declared: the size that the annotations give; None where they give none.
        gives_size: whether its format has a place for a size.
        relative: boxes are written in fractions of the picture (they are in pixels here).
        group: images of one group stay in one split.
        state: new, in_progress or done, in a project; "" in a folder.
        problems: what could not be understood in the annotation file.
    """

    name: str
    annotation: str = ""
    picture: PictureFacts | None = None
    refused: str = ""
    declared: tuple[float, float] | None = None
    gives_size: bool = False
    relative: bool = False
    boxes: tuple[SurveyedBox, ...] = ()
    split: str = ""
    group: str = ""
    state: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def file(self) -> str:
        """Where its boxes stand, for messages."""
        return self.annotation or self.name

    @property
    def is_turned_before(self) -> bool:
        """The boxes' frame is the picture as stored, before its EXIF turn by a quarter."""
        return (
            self.picture is not None
            and self.picture.orientation >= 5
            and self.picture.width != self.picture.height
            and self.declared == self.picture.stored_size
        )

    @property
    def scale(self) -> tuple[float, float] | None:
        """What brings the boxes to the picture's size where it was resized after labelling."""
        if self.picture is None or self.declared is None or self.is_turned_before:
            return None
        x, y = self.picture.width / self.declared[0], self.picture.height / self.declared[1]
        same_shape = abs(x / y - 1) < _PROPORTION_TOLERANCE
        return (x, y) if same_shape and (x, y) != (1.0, 1.0) else None

    @property
    def frame(self) -> tuple[float, float] | None:
        """Width and height that the boxes are to be held against; None where unknown."""
        if self.picture is None:
            return self.declared
        if self.declared is not None and (self.is_turned_before or self.scale):
            return self.declared
        return (float(self.picture.width), float(self.picture.height))

    @property
    def is_in_other_units(self) -> bool:
        """Fractions where pixels belong, or the reverse: no other check can judge its boxes."""
        frame = self.frame
        if not self.boxes or frame is None:
            return False
        if not self.relative:
            values = [value for box in self.boxes for value in box.xyxy]
            return 0 < max(map(abs, values)) <= 1 and any(value % 1 for value in values)
        # Fractions were multiplied by the size: pixels taken for fractions are far outside.
        return (
            max(box.xyxy[2] / frame[0] for box in self.boxes) > 4
            and max(box.xyxy[3] / frame[1] for box in self.boxes) > 4
        )

    @property
    def judged_boxes(self) -> tuple[SurveyedBox, ...]:
        """The boxes whose geometry can be judged."""
        return () if self.is_in_other_units or self.frame is None else self.boxes


@dataclass(frozen=True, slots=True)
class ListedLabel:
    """A label as a list of labels (label_map.pbtxt, classes.txt, data.yaml) names it."""

    file: str
    id: int
    name: str
    line: int | None = None
    first_id: int = 1


@dataclass(frozen=True)
class Survey:
    """A whole dataset.

    Attributes:
        images: all images, in order of their names.
        orphans: annotation files without an image, with the words why.
        labels: what lists of labels say.
        problems: what is wrong with lists of labels and of splits.
        splits: whether the data say which image belongs to which split.
    """

    images: tuple[SurveyedImage, ...]
    orphans: tuple[Problem, ...] = ()
    labels: tuple[ListedLabel, ...] = ()
    problems: tuple[Problem, ...] = ()
    format: str = ""

    @cached_property
    def by_name(self) -> Mapping[str, SurveyedImage]:
        return {image.name: image for image in self.images}

    @property
    def num_boxes(self) -> int:
        return sum(len(image.boxes) for image in self.images)

    @property
    def has_splits(self) -> bool:
        return any(image.split for image in self.images)


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to an image's annotations or place.

    ``value`` is the new corners (move_box), label (relabel), (width, height) (set_size), split
    or group; ``before`` what stood there.
    """

    action: Action
    image: str
    box: int | None = None
    value: Any = None
    before: Any = None


def apply_edits(survey: Survey, edits: Iterable[Edit]) -> Survey:
    """The survey as it will be once the edits are made. Nothing is written."""
    by_image: dict[str, list[Edit]] = {}
    for edit in edits:
        by_image.setdefault(edit.image, []).append(edit)
    images = tuple(
        _edited(image, by_image[image.name]) if image.name in by_image else image
        for image in survey.images
    )
    return replace(survey, images=images)


def _edited(image: SurveyedImage, edits: Sequence[Edit]) -> SurveyedImage:
    boxes = {box.number: box for box in image.boxes}
    changed = image
    for edit in edits:
        if edit.action == "set_size":
            changed = replace(changed, declared=edit.value)
        elif edit.action == "set_split":
            changed = replace(changed, split=edit.value)
        elif edit.action == "set_group":
            changed = replace(changed, group=edit.value)
        elif edit.box is not None and edit.box in boxes:
            box = boxes[edit.box]
            if edit.action == "remove_box":
                del boxes[edit.box]
            elif edit.action == "move_box":
                boxes[edit.box] = replace(box, xyxy=edit.value)
            elif edit.action == "relabel":
                boxes[edit.box] = replace(box, label=edit.value)
    return replace(changed, boxes=tuple(boxes.values()))
