"""Folders of the server, and of the storage, that may be imported from. None without a setting.

A path is looked at below an allowed root alone; a link that leads out of it is not followed.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage

from detection.formats.files import files_below
from detection.names import has_image_suffix
from webapp.storage import stored_files

MOST_LISTED = 500
SERVER, STORAGE = "server", "storage"


class NoSuchPlace(Exception):
    """The folder is not there, or not below an allowed root; the text is a sentence."""


@dataclass(frozen=True)
class Place:
    """A folder below a root. `kind` is SERVER or STORAGE; `path` is relative, with `/`."""

    kind: str
    root: str
    path: str = ""

    @property
    def name(self) -> str:
        """The folder's own name."""
        return (self.path or self.root).rstrip("/").rpartition("/")[2] or self.root

    @property
    def title(self) -> str:
        return f"{self.root}/{self.path}".rstrip("/")

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "root": self.root, "path": self.path}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Place":
        return cls(str(value["kind"]), str(value["root"]), str(value["path"]))

    def below(self, name: str) -> "Place":
        return Place(self.kind, self.root, f"{self.path}/{name}".lstrip("/"))

    @property
    def above(self) -> "Place | None":
        if not self.path:
            return None
        return Place(self.kind, self.root, self.path.rpartition("/")[0])


@dataclass(frozen=True)
class Listing:
    """What lies in a folder itself, not below it."""

    folders: list[str]
    num_photos: int
    num_others: int
    more: bool


def roots() -> list[Place]:
    """The folders that the operator allows."""
    return [
        *(Place(SERVER, str(root)) for root in settings.IMPORT_ROOTS),
        *(Place(STORAGE, prefix) for prefix in settings.IMPORT_PREFIXES),
    ]


def find(kind: str, root: str, path: str) -> Place:
    """The place, checked as it stands now. Raises NoSuchPlace."""
    place = Place(kind, root, path.strip("/"))
    if Place(kind, root) not in roots():
        raise NoSuchPlace("This folder is not one that may be imported from.")
    if "\0" in path or any(part in (".", "..", "") for part in place.path.split("/") if place.path):
        raise NoSuchPlace("The folder’s path is not a plain one.")
    if kind == SERVER:
        _folder(place)
    return place


def _folder(place: Place) -> Path:
    root = Path(place.root)
    folder = (root / place.path).resolve()
    if not folder.is_relative_to(root.resolve()) or not folder.is_dir():
        raise NoSuchPlace(f"{place.title}: there is no such folder here.")
    return folder


def list_place(place: Place) -> Listing:
    """The folder's own folders and files. Raises NoSuchPlace."""
    if place.kind == SERVER:
        try:
            entries = list(islice(os.scandir(_folder(place)), settings.MAX_ENTRIES))
        except OSError as error:
            raise NoSuchPlace(f"{place.title}: it cannot be read ({error.strerror}).") from None
        folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        files = [entry.name for entry in entries if entry.is_file()]
    else:
        try:
            folders, files = default_storage.listdir(place.title)
        except FileNotFoundError:
            folders, files = [], []
    shown = sorted(name for name in folders if name and not name.startswith("."))
    files = [name for name in files if name and not name.startswith(".")]
    photos = sum(map(has_image_suffix, files))
    return Listing(shown[:MOST_LISTED], photos, len(files) - photos, len(shown) > MOST_LISTED)


def files_of(place: Place) -> Iterator[tuple[str, str]]:
    """(relative name, where to open it) of every file in the folder and below.

    It is a path for SERVER and a storage's name for STORAGE. Raises NoSuchPlace.
    """
    place = find(place.kind, place.root, place.path)
    if place.kind == SERVER:
        folder = _folder(place)
        for name in files_below(folder):
            yield name, str(folder / name)
    else:
        prefix = place.title
        for stored in stored_files(prefix):
            yield stored[len(prefix) + 1 :], stored
