"""TFRecords of a frozen revision: what training reads, and what people take elsewhere."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from zipstream import ZipStream

from detection.formats.tfrecord import RecordWriter, encode_example
from detection.images import upright_jpeg_bytes
from detection.label_map import LabelMap, LabelMapItem, write_label_map
from detection.types import Box, LabelledImage
from webapp.datasets.freezing import read_manifest
from webapp.datasets.models import DatasetRevision, Image

IMAGES_A_SHARD = 500


def write_records(revision: DatasetRevision, folder: Path) -> LabelMap:
    """Write `folder`/{train,val,test}-00000-of-0000N and label_map.pbtxt; memory is flat.

    Splits without images get no file. Raises FileNotFoundError where an original is gone.
    """
    manifest = read_manifest(revision)
    label_map = manifest_label_map(manifest)
    names = {item.id: item.name for item in label_map}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "label_map.pbtxt").write_text(write_label_map(label_map), encoding="utf-8")
    for split in ("train", "val", "test"):
        entries = [entry for entry in manifest["images"] if entry["split"] == split]
        if not entries:
            continue
        shards = -(-len(entries) // IMAGES_A_SHARD)
        with RecordWriter(folder / split, shards) as writer:
            for entry in _shuffled(entries):
                data, image_format = upright_jpeg_bytes(_original(revision, entry["sha256"]))
                writer.write(encode_example(_labelled(entry, names), data, image_format, label_map))
    return label_map


def stream_records(revision: DatasetRevision) -> Iterator[bytes]:
    """The revision's records and label map as pieces of a zip; on disk only while it is sent."""
    settings.WORK_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.WORK_DIR, prefix="records-") as work:
        folder = Path(work) / "records"
        write_records(revision, folder)
        yield from ZipStream.from_path(folder, arcname=f"{revision}")


def manifest_label_map(manifest: dict[str, Any]) -> LabelMap:
    return LabelMap(
        [
            LabelMapItem(item["id"], item["name"], display_name=item["display_name"] or None)
            for item in manifest["label_map"]
        ]
    )


def _shuffled(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In an order that has nothing to do with upload or content, and is always the same."""
    return sorted(
        entries, key=lambda entry: hashlib.sha256(f"order {entry['sha256']}".encode()).digest()
    )


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
