"""Export: the images of a project, of a revision or of a selection, in a format, as a stream.

A zip is made while it is sent. One image is in memory at a time; what a format keeps in one large
file waits in a temporary one.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage

from detection.formats.dataset import NO_SPLIT, Dataset, DatasetItem, WriteReport
from detection.formats.registry import FORMATS, Format
from detection.formats.sink import Images, ZipSink
from detection.images import ImageRefused, upright_jpeg_bytes
from detection.label_map import LabelMap, LabelMapItem
from detection.splits import SPLITS
from detection.types import Box, LabelledImage, Problem
from webapp.datasets.freezing import CORNERS
from webapp.datasets.manifests import Manifest
from webapp.datasets.models import DatasetRevision, Image, ImageQuerySet
from webapp.labeling.models import Annotation, Operation
from webapp.projects.models import Label, Project

CHUNK = 200
REPORT = "boxloop-report.txt"
BUNDLE = "boxloop"
_ROW = ("pk", "sha256", "name", "format", "width", "height", "split", "group", "state", "revision")

Say = Callable[[Problem], None]


@dataclass(frozen=True)
class Export:
    """What to write: a data set, in a format, with or without its pictures."""

    format: Format
    dataset: Dataset
    images: Images
    name: str

    @property
    def file_name(self) -> str:
        return f"{self.name} {self.format.title}.zip"


def labelled(images: ImageQuerySet) -> ImageQuerySet:
    """Those that someone labelled: done, or with boxes.

    In every format but our own, an image without boxes is one that shows nothing.
    """
    return images.exclude(state__in=[Image.State.NEW, Image.State.IN_PROGRESS], box_count=0)


def export_images(
    project: Project, images: ImageQuerySet, format_key: str, pictures: Images
) -> Export:
    """The images as they stand. All of them in our bundle, the labelled ones in other formats."""
    is_bundle = format_key == BUNDLE
    chosen = images if is_bundle else labelled(images)
    rows = list(chosen.order_by("sha256").values_list("pk", "split"))
    by_split: dict[str, list[int]] = {split: [] for split in (*SPLITS, NO_SPLIT)}
    for pk, split in rows:
        by_split[split or NO_SPLIT].append(pk)

    def read(say: Say) -> Iterator[DatasetItem]:
        for split, pks in by_split.items():
            for start in range(0, len(pks), CHUNK):
                for row in _rows(pks[start : start + CHUNK], history=is_bundle):
                    item = _item(project.pk, row, split, is_bundle, pictures, say)
                    if item is not None:
                        yield item

    sizes = {split: len(pks) for split, pks in by_split.items() if pks}
    header = _header(project) if is_bundle else None
    dataset = Dataset(_label_map(project), sizes, read, header)
    return Export(FORMATS[format_key], dataset, pictures, file_stem(project.name))


def export_revision(revision: DatasetRevision, format_key: str, pictures: Images) -> Export:
    """The images as they were frozen."""
    manifest = Manifest(revision)
    names = {item.id: item.name for item in manifest.label_map}
    counts = manifest.split_sizes
    sizes = {split: counts[split] for split in SPLITS if split in counts}

    def read(say: Say) -> Iterator[DatasetItem]:
        for split in sizes:
            for entry in manifest.images(split):
                row = {**entry, "boxes": [_frozen_box(box, names) for box in entry["boxes"]]}
                item = _item(revision.project_id, row, split, False, pictures, say)
                if item is not None:
                    yield item

    dataset = Dataset(manifest.label_map, sizes, read)
    name = f"{file_stem(revision.project.name)} {revision}"
    return Export(FORMATS[format_key], dataset, pictures, name)


def stream(export: Export) -> Iterator[bytes]:
    """The zip's bytes; on disk there is only what a format keeps in one file."""
    settings.WORK_DIR.mkdir(parents=True, exist_ok=True)
    report = WriteReport()
    sink = ZipSink(export.images, settings.WORK_DIR)
    for _ in export.format.write(export.dataset, sink, report):
        yield from sink.pieces()
    words = [*report.losses(export.format.holds), *map(str, report.problems)]
    if words:
        sink.add(REPORT, "\n".join([*words, ""]).encode("utf-8", "replace"))
    yield from sink.finish()


def told(export: Export, tell: Callable[[int], None]) -> Export:
    """The same export, which tells after each image how many were read."""

    def read(say: Say) -> Iterator[DatasetItem]:
        for done, item in enumerate(export.dataset.read(say), 1):
            yield item
            tell(done)

    return replace(export, dataset=replace(export.dataset, read=read))


def file_stem(name: str) -> str:
    """The user's words, as part of a name to save under."""
    kept = "".join(c for c in name if c.isprintable() and c not in '/\\:*?"<>|')
    return kept.strip()[:80] or "dataset"


def _label_map(project: Project) -> LabelMap:
    labels = project.labels.filter(retired_at=None).order_by("class_id")
    return LabelMap(
        tuple(
            LabelMapItem(label.class_id, label.name, label.display_name or None) for label in labels
        )
    )


def _header(project: Project) -> dict[str, Any]:
    """What a bundle says of the project as a whole."""
    labels = project.labels.filter(retired_at=None).order_by("position", "class_id")
    return {
        "name": project.name,
        "labels": [
            {
                "id": label.class_id,
                "name": label.name,
                "display_name": label.display_name,
                "color": label.color,
                "hotkey": label.hotkey,
            }
            for label in labels
        ],
    }


def _rows(pks: list[int], *, history: bool) -> Iterator[dict[str, Any]]:
    """The images with their annotations, in the order of `pks`."""
    images = {row["pk"]: row for row in Image.objects.filter(pk__in=pks).values(*_ROW)}
    for row in images.values():
        row["boxes"], row["history"] = [], []
    annotations = Annotation.objects.filter(image_id__in=pks).select_related("label")
    for annotation in annotations.order_by("created_at", "id"):
        images[annotation.image_id]["boxes"].append(annotation)
    if history:
        _add_history(images)
    for pk in pks:
        if pk in images:
            yield images[pk]


def _add_history(images: dict[int, dict[str, Any]]) -> None:
    class_ids: dict[int, int] = {}
    operations = Operation.objects.filter(image_id__in=images).select_related("image")
    for operation in operations.order_by("pk").iterator(CHUNK):
        if not class_ids:
            labels = Label.objects.filter(project_id=operation.image.project_id)
            class_ids = dict(labels.values_list("pk", "class_id"))
        images[operation.image_id]["history"].append(
            {
                "op_id": str(operation.op_id),
                "revision": operation.revision,
                "kind": operation.kind,
                "created_at": operation.created_at.isoformat(),
                "summary": operation.summary,
                "changes": _with_class_ids(operation.changes, class_ids),
            }
        )


def _with_class_ids(value: Any, class_ids: dict[int, int], key: str = "") -> Any:
    """An operation's changes with labels' class ids, which mean the same everywhere."""
    if isinstance(value, dict):
        return {name: _with_class_ids(inner, class_ids, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_class_ids(inner, class_ids, key) for inner in value]
    return class_ids.get(value) if key == "label_id" else value


def _item(
    project_id: int, row: dict[str, Any], split: str, is_bundle: bool, pictures: Images, say: Say
) -> DatasetItem | None:
    """One image, or None where its file is gone, which is said."""
    data, picture, picture_format = b"", b"", row["format"]
    if pictures != "none":
        stored = Image(project_id=project_id, sha256=row["sha256"]).original_path
        try:
            with default_storage.open(stored, "rb") as file:
                data = file.read()
            picture = data
            if not is_bundle:
                picture, picture_format = upright_jpeg_bytes(data, settings.MAX_PIXELS)
        except FileNotFoundError:
            words = "Its file is gone from the storage. Left out."
            say(Problem(row["name"], words, "refused"))
            return None
        except ImageRefused as error:
            say(Problem(row["name"], f"{error} Left out.", "refused"))
            return None
    boxes = tuple(_box(box) for box in row["boxes"] if _is_drawn(box))
    image = LabelledImage(row["name"], row["width"], row["height"], boxes)
    original = data if picture is not data else None
    return DatasetItem(
        image, picture, picture_format, split, original, _bundle(row) if is_bundle else None
    )


def _frozen_box(box: dict[str, Any], names: dict[int, str]) -> Box:
    return Box(
        names[box["class_id"]],
        *box["box"],
        difficult=box["difficult"],
        truncated=box["truncated"],
        crowd=box.get("crowd", False),
    )


def _is_drawn(box: Any) -> bool:
    return isinstance(box, Box) or box.status == Annotation.Status.ACTIVE


def _box(row: Any) -> Box:
    if isinstance(row, Box):
        return row
    return Box(
        row.label.name, row.xmin, row.ymin, row.xmax, row.ymax,
        difficult=row.difficult, truncated=row.truncated, crowd=row.crowd,
    )  # fmt: skip


def _bundle(row: dict[str, Any]) -> dict[str, Any]:
    """What the bundle's line holds besides name, size, split and file."""
    annotations = []
    for box in row["boxes"]:
        annotation: dict[str, Any] = {
            "id": str(box.pk),
            "label": box.label.name,
            "box": [getattr(box, side) for side in CORNERS],
            "status": box.status,
            "source": box.source,
            "difficult": box.difficult,
            "truncated": box.truncated,
            "created_at": box.created_at.isoformat(),
        }
        if box.crowd:
            annotation["crowd"] = True
        if box.score is not None:
            annotation["score"] = box.score
        annotations.append(annotation)
    line = {"state": row["state"], "group": row["group"], "revision": row["revision"]}
    # Through JSON once, for what it holds is written as it stands.
    history = json.loads(json.dumps(row["history"], default=str))
    return {**line, "annotations": annotations, "history": history}
