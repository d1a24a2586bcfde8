"""Photos with boxes drawn on them, as templates show them (`datasets/_drawn.html`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from webapp.datasets.models import Image
from webapp.projects.models import Project


@dataclass
class DrawnImage:
    """An image and outlines on it, each an SVG path in pixels of the image.

    `kept` are boxes to show as they are, `gone` those that go, `made` those that come.
    """

    pk: int
    name: str
    width: int
    height: int
    split: str = ""
    kept: str = ""
    gone: str = ""
    made: str = ""
    note: str = ""
    trashed: bool = False


def outline(corners: Sequence[float]) -> str:
    """A rectangle as an SVG path; one without area as a small cross, so that it can be seen."""
    xmin, ymin, xmax, ymax = (round(float(value), 1) for value in corners)
    if xmax - xmin < 1 or ymax - ymin < 1:
        x, y = (xmin + xmax) / 2, (ymin + ymax) / 2
        return f"M{x - 9:g} {y - 9:g}l18 18M{x - 9:g} {y + 9:g}l18 -18"
    return f"M{xmin:g} {ymin:g}H{xmax:g}V{ymax:g}H{xmin:g}Z"


def outlines(boxes: Iterable[Sequence[float]]) -> str:
    return "".join(outline(box) for box in boxes)


def drawn_images(project: Project, ids: Iterable[int]) -> dict[int, DrawnImage]:
    """The project's images of these ids, by id, with nothing drawn on them yet."""
    rows = Image.objects.filter(project=project, pk__in=set(ids))
    fields = ("pk", "name", "width", "height", "split", "trashed_at")
    return {
        row["pk"]: DrawnImage(
            row["pk"],
            row["name"],
            row["width"],
            row["height"],
            row["split"],
            trashed=row["trashed_at"] is not None,
        )
        for row in rows.values(*fields)
    }
