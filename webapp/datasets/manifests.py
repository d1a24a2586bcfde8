"""A revision's manifest read image by image, so that its size does not matter.

The manifest is one JSON file, in the order of the photos' hashes, with the label map last.
"""

import hashlib
import json
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from django.core.files.storage import default_storage

from detection.formats.drawn import AnnotationError
from detection.formats.json_stream import JsonStream
from detection.label_map import LabelMap, LabelMapItem
from detection.private_database import open_private_database
from webapp.datasets.models import DatasetRevision

_CACHE_KIB = 512


class Manifest:
    """The images of a frozen revision, by split, from a private file that is gone when closed.

    Attributes:
        label_map: as it was frozen.
        split_sizes: the number of images in each split that has any.

    Raises ValueError where it is not the manifest that was frozen.
    """

    def __init__(self, revision: DatasetRevision) -> None:
        self._db = open_private_database(
            "CREATE TABLE images (split TEXT, place BLOB, entry TEXT)", _CACHE_KIB
        )
        try:
            items = self._read(revision)
        except BaseException:
            self._db.close()
            raise
        self.label_map = label_map_of(items)
        self._db.execute("CREATE INDEX images_by_place ON images (split, place)")
        counted = self._db.execute("SELECT split, count(*) FROM images GROUP BY split")
        self.split_sizes: dict[str, int] = dict(counted.fetchall())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def _read(self, revision: DatasetRevision) -> list[dict[str, Any]]:
        """Put the images into the file; the items of the label map."""
        refusal = ValueError(f"The manifest of {revision} is not the one that was frozen.")
        items: list[dict[str, Any]] = []
        with default_storage.open(revision.manifest_path, "rb") as file:
            hashed = _Hashed(file)
            stream = JsonStream(cast(BinaryIO, hashed), revision.manifest_path)
            try:
                self._db.executemany("INSERT INTO images VALUES (?, ?, ?)", _rows(stream, items))
            except (AnnotationError, KeyError, TypeError):
                raise refusal from None
            hashed.finish()
        if hashed.digest.hexdigest() != revision.sha256:
            raise refusal
        return items

    def images(self, split: str, *, shuffled: bool = False) -> Iterator[dict[str, Any]]:
        """The split's images as they were frozen, in the order of their hashes; shuffled: in one
        that has nothing to do with upload or content, and is always the same."""
        order = "place" if shuffled else "rowid"
        found = self._db.execute(
            f"SELECT entry FROM images WHERE split = ? ORDER BY {order}", (split,)
        )
        for (entry,) in found:
            yield json.loads(entry)


class _Hashed:
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, file: Any) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        self.digest.update(data)
        return data

    def finish(self) -> None:
        """Read what is left."""
        while self.read(1 << 16):
            pass


def _rows(stream: JsonStream, items: list[dict[str, Any]]) -> Iterator[tuple[str, bytes, str]]:
    for key, value in stream.members(("images", "label_map")):
        if key == "images":
            place = hashlib.sha256(f"order {value['sha256']}".encode()).digest()
            yield value["split"], place, json.dumps(value, ensure_ascii=False)
        elif key == "label_map":
            items.append(value)


def label_map_of(items: list[dict[str, Any]]) -> LabelMap:
    """The label map from a manifest's own items."""
    return LabelMap(
        [
            LabelMapItem(item["id"], item["name"], display_name=item["display_name"] or None)
            for item in items
        ]
    )
