"""What a project's images and boxes look like in numbers."""

from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from django.db.models import Count, Q, QuerySet
from numpy.typing import NDArray

from webapp.datasets.charts import (
    HEAT_COLUMNS,
    HEAT_ROWS,
    HeatCell,
    Histogram,
    Tick,
    heat_map,
    histogram,
    nice_step,
)
from webapp.datasets.models import Image, Split
from webapp.labeling.models import Annotation
from webapp.plain_sql import select
from webapp.projects.models import Label, Project

# COCO's bounds between small, medium and large, as the side of a square of the same area.
SMALL, LARGE = 32, 96
INPUT_SIZE = 300
SIZES_SHOWN = 6
# From here on a rare label is worth a word.
IMBALANCED = 5


@dataclass(frozen=True)
class LabelCount:
    label: Label
    boxes: int
    images: int
    share: float
    """Of all boxes, 0..1."""
    length: float
    """Of the longest bar, 0..1."""


@dataclass(frozen=True)
class SizeCount:
    """Images of one size."""

    words: str
    images: int
    length: float
    """Of the longest bar, 0..1."""


@dataclass(frozen=True)
class Statistics:
    """Kept images and their active boxes."""

    images: int
    done: int
    boxes: int
    splits: dict[str, int]
    labels: list[LabelCount]
    per_image: tuple[float, int, int] | None
    """Mean, least and most boxes an image, over images that are done or have boxes."""
    median: tuple[float, float] | None
    """Median width and height of a box in pixels."""
    bands: dict[str, int]
    """Boxes that are small, medium or large once the image is INPUT_SIZE pixels square."""
    sizes: Histogram
    boxes_an_image: Histogram
    shapes: Histogram
    image_sizes: list[SizeCount]
    heat: list[HeatCell]
    heat_most: int
    imbalance: str
    """How many boxes the commonest label has for each of the rarest's, in words; or ""."""
    cover: str
    """Where boxes never lie, in words."""


def dataset_statistics(project: Project) -> Statistics:
    kept = Image.objects.kept().filter(project=project)
    counts = kept.aggregate(
        images=Count("pk"),
        done=Count("pk", filter=Q(state=Image.State.DONE)),
        none=Count("pk", filter=Q(split="")),
        **{split: Count("pk", filter=Q(split=split)) for split in Split.values},
    )
    per_image = dict(
        kept.filter(Q(state=Image.State.DONE) | Q(box_count__gt=0))
        .order_by()
        .values_list("box_count")
        .annotate(images=Count("pk"))
    )
    table = _boxes_of(kept)
    labels = _label_counts(project, table)
    box_sizes = table[:, 4:6] - table[:, 2:4]
    cells, most = heat_map((table[:, 2:4] + table[:, 4:6]) / 2 / table[:, 6:8])
    return Statistics(
        images=counts["images"],
        done=counts["done"],
        boxes=len(table),
        splits={name: counts[name] for name in (*Split.values, "none")},
        labels=labels,
        per_image=_spread(per_image),
        median=tuple(np.median(box_sizes, axis=0).tolist()) if len(table) else None,
        bands=_bands(box_sizes, table[:, 6:8]),
        sizes=_size_histogram(table[:, 0], box_sizes, labels),
        boxes_an_image=_count_histogram(per_image),
        shapes=_shape_histogram(table[:, 0], box_sizes, labels),
        image_sizes=_image_sizes(kept),
        heat=cells,
        heat_most=most,
        imbalance=_imbalance(labels),
        cover=_cover(cells),
    )


def _boxes_of(kept: QuerySet[Image]) -> NDArray[np.float64]:
    """(n, 8): label id, image id, xmin, ymin, xmax, ymax, width and height of the image."""
    rows = Annotation.objects.filter(
        image__in=kept.order_by(), status=Annotation.Status.ACTIVE
    ).values_list("label_id", "image_id", "xmin", "ymin", "xmax", "ymax")
    found = select(*rows.order_by().query.sql_with_params())
    boxes = np.fromiter(chain.from_iterable(found), np.float64, 6 * len(found)).reshape(-1, 6)
    sizes = np.array(list(kept.order_by("pk").values_list("pk", "width", "height")), np.float64)
    sizes = sizes.reshape(-1, 3)
    # Looked up here: joined to every box, the database would hand each on 20 times.
    at = np.searchsorted(sizes[:, 0], boxes[:, 1])
    return np.hstack([boxes, sizes[at, 1:]])


def _label_counts(project: Project, table: NDArray[np.float64]) -> list[LabelCount]:
    """Every active label, and retired ones that still have boxes; most boxes first."""
    boxes = dict(zip(*np.unique(table[:, 0].astype(int), return_counts=True), strict=True))
    # Pairs of label and image as one number each, which sorts many times faster than rows.
    most_images = int(table[:, 1].max(initial=0)) + 1
    pairs = np.unique(table[:, 0].astype(int) * most_images + table[:, 1].astype(int))
    images = dict(zip(*np.unique(pairs // most_images, return_counts=True), strict=True))
    most = max(boxes.values(), default=1)
    found = project.labels.filter(Q(retired_at=None) | Q(pk__in=[int(pk) for pk in boxes]))
    rows = [
        LabelCount(
            label,
            int(boxes.get(label.pk, 0)),
            int(images.get(label.pk, 0)),
            float(boxes.get(label.pk, 0) / max(1, len(table))),
            float(boxes.get(label.pk, 0) / most),
        )
        for label in found
    ]
    return sorted(rows, key=lambda row: (-row.boxes, row.label.class_id))


def _spread(per_image: dict[int, int]) -> tuple[float, int, int] | None:
    total = sum(per_image.values())
    if not total:
        return None
    mean = sum(boxes * images for boxes, images in per_image.items()) / total
    return mean, min(per_image), max(per_image)


def _bands(box_sizes: NDArray[np.float64], image_sizes: NDArray[np.float64]) -> dict[str, int]:
    relative = box_sizes / image_sizes * INPUT_SIZE
    sides = np.sqrt(relative[:, 0] * relative[:, 1])
    small, large = int((sides < SMALL).sum()), int((sides >= LARGE).sum())
    return {"small": small, "medium": len(sides) - small - large, "large": large}


def _size_histogram(
    label_ids: NDArray[np.float64], box_sizes: NDArray[np.float64], labels: list[LabelCount]
) -> Histogram:
    """Side of a square of the same area, in pixels of the image, stacked by label."""
    sides = np.sqrt(box_sizes[:, 0] * box_sizes[:, 1])
    # The last bin takes the longest 1 %, so that one giant does not flatten the rest.
    end = float(np.percentile(sides, 99)) if len(sides) else 100.0
    step = max(1.0, nice_step(end, 16))
    num_bins = max(4, int(end // step) + 1)
    bins = np.minimum((sides // step).astype(int), num_bins - 1)
    shown = [row for row in labels if row.boxes]
    counts = np.array(
        [np.bincount(bins[label_ids == row.label.pk], minlength=num_bins) for row in shown]
    ).reshape(-1, num_bins)
    return histogram(
        counts,
        [row.label.color for row in shown],
        [str(row.label) for row in shown],
        step=step,
        unit="px",
        noun="boxes",
    )


def _shape_histogram(
    label_ids: NDArray[np.float64], box_sizes: NDArray[np.float64], labels: list[LabelCount]
) -> Histogram:
    """Width to height, from 1:8 to 8:1 in steps of half a doubling, stacked by label."""
    ratios = np.log2(box_sizes[:, 0] / box_sizes[:, 1])
    bins = np.clip(np.floor((ratios + 0.25) * 2).astype(int) + 6, 0, 12)
    shown = [row for row in labels if row.boxes]
    counts = np.array(
        [np.bincount(bins[label_ids == row.label.pk], minlength=13) for row in shown]
    ).reshape(-1, 13)
    chart = histogram(
        counts,
        [row.label.color for row in shown],
        [str(row.label) for row in shown],
        step=1,
        unit="",
        noun="boxes",
        centred=True,
        spans=[_ratio(index) for index in range(13)],
    )
    slot = (chart.width - chart.left) / 13
    at = {index: chart.left + (index + 0.5) * slot for index in range(13)}
    names = {0: "1:8", 2: "1:4", 4: "1:2", 6: "1:1", 8: "2:1", 10: "4:1", 12: "8:1"}
    return replace(chart, x_ticks=[Tick(at[index], name) for index, name in names.items()])


def _ratio(index: int) -> str:
    doublings = (index - 6) / 2
    if doublings < 0:
        return f"about 1:{2**-doublings:.2g}"
    return f"about {2**doublings:.2g}:1"


def _image_sizes(kept: Any) -> list[SizeCount]:
    """The commonest sizes, and all others together."""
    rows = list(
        kept.order_by()
        .values_list("width", "height")
        .annotate(images=Count("pk"))
        .order_by("-images", "width", "height")
    )
    shown = [(f"{width:,} × {height:,}", images) for width, height, images in rows[:SIZES_SHOWN]]
    if len(rows) > SIZES_SHOWN:
        others = rows[SIZES_SHOWN:]
        shown.append((f"{len(others):,} other sizes", sum(images for *_, images in others)))
    most = max((images for _, images in shown), default=1)
    return [SizeCount(words, images, images / most) for words, images in shown]


def _imbalance(labels: list[LabelCount]) -> str:
    drawn = [row for row in labels if row.boxes]
    if len(drawn) < 2:
        return ""
    times = drawn[0].boxes / drawn[-1].boxes
    if times < IMBALANCED:
        return ""
    return f"{times:,.0f} boxes of {drawn[0].label} for each of {drawn[-1].label}."


def _cover(cells: list[HeatCell]) -> str:
    """Whether boxes reach the edges: what lies where no box ever lay is found badly there."""
    if not cells:
        return ""
    edge = sum(cell.x in (0, HEAT_COLUMNS - 1) or cell.y in (0, HEAT_ROWS - 1) for cell in cells)
    share = len(cells) / (HEAT_COLUMNS * HEAT_ROWS)
    words = "Even cover" if share > 0.75 else f"{share * 100:.0f} % of the picture is covered"
    return f"{words}, edges included." if edge else f"{words}, no centre at the edges."


def _count_histogram(per_image: dict[int, int]) -> Histogram:
    most = max(per_image, default=0)
    step = 1 if most < 40 else int(nice_step(most, 30))
    counts = np.zeros((1, most // step + 1), dtype=np.int64)
    for boxes, images in per_image.items():
        counts[0, boxes // step] += images
    if counts.shape[1] < 5:
        counts = np.pad(counts, ((0, 0), (0, 5 - counts.shape[1])))
    return histogram(
        counts, ["var(--accent)"], [""], step=step, unit="boxes", noun="images", centred=step == 1
    )


def revision_rows(project: Project) -> list[dict[str, Any]]:
    """Frozen revisions, newest first, each with what changed since the one before."""
    revisions = list(
        project.revisions.select_related("created_by").prefetch_related("runs", "runs__model")
    )
    rows = []
    for index, revision in enumerate(revisions):
        before = revisions[index + 1] if index + 1 < len(revisions) else None
        rows.append(
            {
                "revision": revision,
                "splits": {
                    name: part["images"]
                    for name, part in revision.counts.get("splits", {}).items()
                    if part["images"]
                },
                "runs": list(revision.runs.all()),
                "images_more": revision.num_images - before.num_images if before else None,
                "boxes_more": revision.num_boxes - before.num_boxes if before else None,
                "before": before,
                "same": before is not None and before.sha256 == revision.sha256,
            }
        )
    return rows
