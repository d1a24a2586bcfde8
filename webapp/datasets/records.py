"""TFRecords of a frozen revision: what training reads, and what people take elsewhere."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from zipstream import ZipStream

from detection.formats.tfrecord import RecordWriter, encode_example
from detection.images import upright_jpeg_bytes
from detection.label_map import LabelMap, write_label_map
from detection.splits import SPLITS
from detection.types import Box, LabelledImage
from webapp.datasets.manifests import Manifest, label_map_of
from webapp.datasets.models import DatasetRevision, Image

IMAGES_A_SHARD = 500


def write_records(revision: DatasetRevision, folder: Path) -> LabelMap:
    """Write `folder`/{train,val,test}-00000-of-0000N and label_map.pbtxt; memory is flat.

    Splits without images get no file. Raises FileNotFoundError where an original is gone.
    """
    with Manifest(revision) as manifest:
        label_map = manifest.label_map
        names = {item.id: item.name for item in label_map}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "label_map.pbtxt").write_text(write_label_map(label_map), encoding="utf-8")
        for split in SPLITS:
            size = manifest.split_sizes.get(split, 0)
            if not size:
                continue
            with RecordWriter(folder / split, -(-size // IMAGES_A_SHARD)) as writer:
                for entry in manifest.images(split, shuffled=True):
                    data, image_format = upright_jpeg_bytes(_original(revision, entry["sha256"]))
                    image = _labelled(entry, names)
                    writer.write(encode_example(image, data, image_format, label_map))
    return label_map


def stream_records(revision: DatasetRevision) -> Iterator[bytes]:
    """The revision's records and label map as pieces of a zip; on disk only while it is sent."""
    settings.WORK_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.WORK_DIR, prefix="records-") as work:
        folder = Path(work) / "records"
        write_records(revision, folder)
        yield from ZipStream.from_path(folder, arcname=f"{revision}")


def manifest_label_map(manifest: dict[str, Any]) -> LabelMap:
    return label_map_of(manifest["label_map"])


def _original(revision: DatasetRevision, sha256: str) -> bytes:
    image = Image(project_id=revision.project_id, sha256=sha256)
    with default_storage.open(image.original_path, "rb") as file:
        return file.read()


def _labelled(entry: dict[str, Any], names: dict[int, str]) -> LabelledImage:
    return LabelledImage(
        name=entry["name"],
        width=entry["width"],
        height=entry["height"],
        boxes=tuple(
            Box(
                names[box["class_id"]],
                *box["box"],
                difficult=box["difficult"],
                truncated=box["truncated"],
                crowd=box.get("crowd", False),
            )
            for box in entry["boxes"]
        ),
    )
