"""A model's errors on validation images, as galleries show them: box by box, in words."""

from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse

from webapp.datasets.models import Image
from webapp.projects.models import Project
from webapp.training.labels_shown import palette_index, shown_labels

KINDS = {
    "missed": ("Missed", "empty"),
    "false": ("False", "x"),
    "duplicate": ("Duplicate", "copy"),
    "wrong_label": ("Wrong label", "tag"),
    "poor_box": ("Poor box", "fit"),
}
# A crop shows the box with this much of its size around it, and at least this share of the photo.
MARGIN = 0.9
MIN_SHARE = 0.3
RATIO = 4 / 3


@dataclass(frozen=True, slots=True)
class ShownBox:
    """A box of an error view: absolute pixels of the upright image."""

    x: float
    y: float
    width: float
    height: float
    palette: int
    found: bool
    label: str
    score: float | None


@dataclass(frozen=True, slots=True)
class ShownError:
    """One error: where, what, and the part of the picture to show (x, y, width, height)."""

    kind: str
    icon: str
    words: str
    image: str
    label: str
    corner: str
    image_url: str
    thumbnail_url: str
    width: int
    height: int
    view: tuple[float, float, float, float]
    boxes: list[ShownBox] = field(default_factory=list)

    @property
    def view_box(self) -> str:
        return " ".join(f"{value:.1f}" for value in self.view)

    @property
    def picture_style(self) -> str:
        """Places the whole picture so that `view` fills a 4:3 frame."""
        x, y, width, height = self.view
        return (
            f"width:{100 * self.width / width:.3f}%;height:{100 * self.height / height:.3f}%;"
            f"left:{-100 * x / width:.3f}%;top:{-100 * y / height:.3f}%"
        )


def shown_errors(
    items: list[dict[str, Any]], project: Project, labels: list[dict[str, Any]], run_id: int
) -> list[ShownError]:
    """The errors `items` (metrics.json's `worst`) in their order; labels as shown today.

    The editor that they lead to offers to train again as the run `run_id` did.
    """
    ids = {item["image_id"] for item in items if item.get("image_id")}
    images = {image.pk: image for image in Image.objects.kept().filter(project=project, pk__in=ids)}
    names = {name: label.shown for name, label in shown_labels(labels, project).items()}
    palettes = {item["name"]: palette_index(item["id"]) for item in labels}
    return [
        _shown(item, images.get(item.get("image_id") or 0), names, palettes, run_id)
        for item in items
    ]


def _shown(
    item: dict[str, Any],
    image: Image | None,
    names: dict[str, str],
    palettes: dict[str, int],
    run_id: int,
) -> ShownError:
    boxes = [
        box for box in (_box(raw, item, names, palettes) for raw in item.get("boxes") or []) if box
    ]
    width, height = (image.width, image.height) if image else _extent(boxes)
    label = str(item.get("label", ""))
    found = [box for box in boxes if box.found]
    kind = str(item.get("kind", "false"))
    corner = ""
    if found and kind != "missed" and found[0].score is not None:
        corner = f"{100 * found[0].score:.0f} %"
    return ShownError(
        kind=kind,
        icon=KINDS.get(kind, KINDS["false"])[1],
        words=_words(kind, names.get(label, label), item, found),
        image=str(item.get("image", "")),
        label=label,
        corner=corner,
        image_url=_editor_url(image, item, run_id) if image else "",
        thumbnail_url=reverse("datasets:preview", args=[image.project_id, image.pk])
        if image
        else "",
        width=width,
        height=height,
        view=_view(boxes, width, height),
        boxes=boxes,
    )


def _editor_url(image: Image, item: dict[str, Any], run_id: int) -> str:
    """The editor at the error's box."""
    url = reverse("labeling:editor", args=[image.project_id, image.pk]) + f"?again={run_id}"
    corners = item.get("box") or []
    return f"{url}#at={','.join(f'{value:g}' for value in corners)}" if len(corners) == 4 else url


def _box(
    raw: Any, item: dict[str, Any], names: dict[str, str], palettes: dict[str, int]
) -> ShownBox | None:
    if not isinstance(raw, dict):
        return None
    xmin, ymin, xmax, ymax = (float(raw.get(name, 0)) for name in ("xmin", "ymin", "xmax", "ymax"))
    label = str(raw.get("label") or item.get("label") or "")
    score = raw.get("score")
    return ShownBox(
        x=xmin,
        y=ymin,
        width=max(xmax - xmin, 1),
        height=max(ymax - ymin, 1),
        palette=palettes.get(label, 1),
        found=score is not None,
        label=names.get(label, label),
        score=score,
    )


def _words(kind: str, label: str, item: dict[str, Any], found: list[ShownBox]) -> str:
    iou = item.get("iou")
    if kind == "missed":
        return f"{label} missed"
    if kind == "wrong_label":
        said = found[0].label if found else "another label"
        return f"{label} called {said}" if said != label else f"{label}, wrong label"
    if kind == "poor_box":
        return f"{label} poorly placed" + (f", IoU {iou:.2f}" if iou is not None else "")
    if kind == "duplicate":
        return f"{label} found twice"
    return f"False {label}"


def _extent(boxes: list[ShownBox]) -> tuple[int, int]:
    """A frame that holds the boxes, for a photo that is not in the project any more."""
    return (
        int(max([box.x + box.width for box in boxes], default=4) * 1.1) + 1,
        int(max([box.y + box.height for box in boxes], default=3) * 1.1) + 1,
    )


def _view(boxes: list[ShownBox], width: int, height: int) -> tuple[float, float, float, float]:
    """A 4:3 part of the picture around the boxes; the whole of it where they fill it."""
    if not boxes:
        return _fit(width / 2, height / 2, width, width, height)
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right = max(box.x + box.width for box in boxes)
    bottom = max(box.y + box.height for box in boxes)
    across = max(right - left, (bottom - top) * RATIO) * (1 + MARGIN)
    return _fit(
        (left + right) / 2, (top + bottom) / 2, max(across, MIN_SHARE * width), width, height
    )


def _fit(
    x: float, y: float, across: float, width: int, height: int
) -> tuple[float, float, float, float]:
    """A 4:3 window `across` wide around (x, y), pushed inside the picture where it has room."""
    across = min(across, max(width, height * RATIO))
    down = across / RATIO
    left = (
        min(max(x - across / 2, 0), max(width - across, 0))
        if across <= width
        else (width - across) / 2
    )
    top = (
        min(max(y - down / 2, 0), max(height - down, 0)) if down <= height else (height - down) / 2
    )
    return (left, top, across, down)
