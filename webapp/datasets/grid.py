"""The images page's grid: what it is filtered and sorted by, and the cells of one part of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Max, Q

from webapp.datasets.models import Image, ImageQuerySet, Split
from webapp.labeling.models import Annotation, ImageReview
from webapp.labeling.review import CHOICES as REVIEWS
from webapp.labeling.thumbnails import ShownBox, shown_boxes
from webapp.projects.models import Project

# 60 is divided by every number of columns on offer, so that the chunks join without a gap.
CHUNK = 60
COLUMNS = (10, 6, 5, 4, 3, 2)
DEFAULT_COLUMNS = 5
# What a thumbnail can still show; the rest is on the editor's page.
MAX_BOXES_DRAWN = 300

SORTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "newest": ("Newest first", ("-pk",)),
    "oldest": ("Oldest first", ("pk",)),
    "name": ("Name", ("name", "pk")),
    "boxes": ("Most boxes", ("-box_count", "-pk")),
}
UNASSIGNED = "none"


@dataclass(frozen=True)
class ImageFilter:
    """What the images page is narrowed to. Unknown values in an address mean no filter."""

    text: str = ""
    split: str = ""
    state: str = ""
    review: str = ""
    label: int | None = None
    image_import: int | None = None
    suggestions: bool = False
    no_boxes: bool = False
    sort: str = "newest"

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> "ImageFilter":
        split, state = params.get("split", ""), params.get("state", "")
        sort, review = params.get("sort", ""), params.get("review", "")
        return cls(
            text=params.get("q", "").replace("\0", "").strip()[:200],
            split=split if split in {*Split.values, UNASSIGNED} else "",
            state=state if state in Image.State.values else "",
            review=review if review in REVIEWS else "",
            label=whole_number(params.get("label")),
            image_import=whole_number(params.get("import")),
            suggestions=params.get("suggestions") == "1",
            no_boxes=params.get("boxes") == "none",
            sort=sort if sort in SORTS else "newest",
        )

    def parameters(self) -> dict[str, str]:
        """The filter as an address carries it; defaults are left out."""
        asked = {
            "q": self.text,
            "split": self.split,
            "state": self.state,
            "review": self.review,
            "label": str(self.label or ""),
            "import": str(self.image_import or ""),
            "suggestions": "1" if self.suggestions else "",
            "boxes": "none" if self.no_boxes else "",
            "sort": "" if self.sort == "newest" else self.sort,
        }
        return {name: value for name, value in asked.items() if value}

    def query(self, **changes: Any) -> str:
        """The filter's query string, with `changes` made to it: "?split=val"."""
        return "?" + urlencode(replace(self, **changes).parameters())

    @property
    def narrows(self) -> bool:
        return bool(self.parameters().keys() - {"sort"})

    def choose(self, images: ImageQuerySet) -> ImageQuerySet:
        """Those of `images` that the filter lets through, in its order."""
        if self.text:
            images = images.filter(name__icontains=self.text)
        if self.split:
            images = images.filter(split="" if self.split == UNASSIGNED else self.split)
        if self.state:
            images = images.filter(state=self.state)
        if self.review:
            images = images.filter(REVIEWS[self.review][1])
        if self.image_import:
            images = images.filter(image_import_id=self.image_import)
        if self.suggestions:
            images = images.filter(suggestion_count__gt=0)
        if self.no_boxes:
            images = images.filter(box_count=0)
        if self.label:
            drawn = Annotation.objects.filter(
                label_id=self.label, status=Annotation.Status.ACTIVE
            ).values("image_id")
            images = images.filter(pk__in=drawn)
        return images.order_by(*SORTS[self.sort][1])


def whole_number(text: str | None) -> int | None:
    """The positive number that `text` writes, where it writes one that a database can hold."""
    if text is None or not (text.isascii() and text.isdecimal()) or len(text) > 18:
        return None
    return int(text) or None


@dataclass(frozen=True)
class Drawing:
    """Boxes of one colour as one SVG path in pixels of the image."""

    color: str
    path: str
    suggested: bool


@dataclass(frozen=True)
class Cell:
    """A thumbnail of the grid with the boxes over it."""

    image: Image
    halo: str
    drawings: list[Drawing]
    review: str = ""


@dataclass(frozen=True)
class Chunk:
    """Up to CHUNK neighbouring images of the grid; only the first comes with the page."""

    number: int
    count: int
    query: str


def chunks_of(chosen: ImageFilter, count: int, newest: int) -> list[Chunk]:
    """The grid of `count` images, cut. `newest` pins the last image that it knows.

    Images that come in later do not shift what is being scrolled through.
    """
    return [
        Chunk(
            number,
            min(CHUNK, count - number * CHUNK),
            "?" + urlencode({**chosen.parameters(), "upto": newest, "chunk": number}),
        )
        for number in range(-(-count // CHUNK))
    ]


def newest_id(project: Project) -> int:
    return project.images.aggregate(newest=Max("pk"))["newest"] or 0


def cells_of(project: Project, images: Iterable[Image]) -> list[Cell]:
    """Cells for `images`, whose boxes come with one query."""
    images = list(images)
    colors = dict(project.labels.values_list("pk", "color"))
    reviews = dict(ImageReview.objects.filter(image__in=images).values_list("image_id", "verdict"))
    boxes = shown_boxes([image.pk for image in images], MAX_BOXES_DRAWN)
    return [_cell(image, boxes[image.pk], colors, reviews.get(image.pk, "")) for image in images]


def _cell(image: Image, boxes: list[ShownBox], colors: dict[int, str], review: str) -> Cell:
    paths: dict[tuple[int, bool], list[str]] = defaultdict(list)
    for label_id, suggested, *corners in sorted(boxes):
        paths[label_id, suggested].append(_outline(*corners))
    return Cell(
        image,
        "".join(part for parts in paths.values() for part in parts),
        [
            Drawing(colors.get(label_id, ""), "".join(parts), suggested)
            for (label_id, suggested), parts in paths.items()
        ],
        review,
    )


def _outline(xmin: float, ymin: float, xmax: float, ymax: float) -> str:
    return f"M{xmin:.1f} {ymin:.1f}H{xmax:.1f}V{ymax:.1f}H{xmin:.1f}Z"


def project_counts(project: Project) -> dict[str, int]:
    """How many kept images there are, of them with suggestions, and without boxes."""
    return project.images.filter(trashed_at=None).aggregate(
        total=Count("pk"),
        suggestions=Count("pk", filter=Q(suggestion_count__gt=0)),
        no_boxes=Count("pk", filter=Q(box_count=0)),
    )
