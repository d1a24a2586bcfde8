"""Whether there is room for files: asked before they are taken, and while."""

import shutil
from pathlib import Path

from django.conf import settings
from django.template.defaultfilters import filesizeformat

from webapp.storage import local_path


class DiskFull(Exception):
    """There is too little room on the disk; the sentence says how much and what to do."""


def free_bytes() -> int | None:
    """Free space where the files go, where that is a folder of this machine."""
    folder = local_path("projects")
    if folder is None:
        return None
    existing: Path = next(path for path in folder.parents if path.exists())
    return shutil.disk_usage(existing).free


def check_room(num_bytes: int = 0) -> None:
    """Raise DiskFull where `num_bytes` more would leave less free than Boxloop keeps free.

    A full disk stops more than an upload: the database cannot write either.
    """
    free = free_bytes()
    if free is not None and free - num_bytes < settings.KEEP_FREE_BYTES:
        raise DiskFull(
            f"The server's disk has {filesizeformat(free)} free, and "
            f"{filesizeformat(settings.KEEP_FREE_BYTES)} are kept free. Free some space there; "
            "what has arrived is kept."
        )
