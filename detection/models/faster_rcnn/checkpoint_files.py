"""Where a checkpoint lies: the zoo's tarball, a folder, or a prefix. Needs no TensorFlow."""

from __future__ import annotations

import glob
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

CONFIG_NAME = "pipeline.config"
MAX_BYTES = 4 * 1024**3
_FILE_ENDINGS = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or does not fit; the message says what and the way out."""


def is_checkpoint(source: Path) -> bool:
    """Whether ``source`` looks like a TensorFlow 1 checkpoint, in one of ``opened``'s forms."""
    if source.is_dir():
        return find_checkpoint(source) is not None
    if source.is_file() and source.name.endswith((".tar.gz", ".tgz", ".tar")):
        return True
    return Path(f"{_FILE_ENDINGS.sub('', str(source))}.index").is_file()


@contextmanager
def opened(source: Path) -> Iterator[tuple[str, Path | None]]:
    """The checkpoint's prefix, and its pipeline.config where there is one beside it.

    ``source``: a .tar.gz as the zoo gives it (unpacked for as long as this is open), a folder, a
    prefix such as ``DIR/model.ckpt``, or one of its files. Raises CheckpointError.
    """
    if source.is_file() and tarfile.is_tarfile(source):
        with tempfile.TemporaryDirectory() as folder:
            _unpack(source, Path(folder))
            yield _in_folder(Path(folder), str(source))
    elif source.is_dir():
        yield _in_folder(source, str(source))
    else:
        prefix = _FILE_ENDINGS.sub("", str(source))
        if not Path(f"{prefix}.index").is_file():
            if source.is_file() and prefix == str(source):
                raise CheckpointError(
                    f"{source}: this is no tar archive. Give the zoo's .tar.gz as it was published."
                )
            raise CheckpointError(
                f"{source}: there is no checkpoint. Name the zoo's .tar.gz, the folder with "
                "model.ckpt.index, or the prefix DIR/model.ckpt."
            )
        yield prefix, _config_beside(Path(prefix).parent)


def copy_checkpoint(source: Path, target: Path, config: Path | None = None) -> None:
    """Copy the checkpoint in ``source`` (see ``opened``) to ``target``, as model.ckpt.*.

    Its pipeline.config goes along: ``config``, or that beside it. Raises CheckpointError.
    """
    with opened(source) as (prefix, beside):
        chosen = config or beside
        if chosen is None or not chosen.is_file():
            raise CheckpointError(
                f"{source}: there is no pipeline.config beside the checkpoint. Give it, too."
            )
        target.mkdir(parents=True)
        shutil.copyfile(chosen, target / CONFIG_NAME)
        stem = Path(prefix).name
        for file in sorted(Path(prefix).parent.glob(f"{glob.escape(stem)}.*")):
            if re.fullmatch(r"index|data-\d+-of-\d+", file.name.removeprefix(f"{stem}.")):
                shutil.copyfile(file, target / file.name.replace(stem, "model.ckpt", 1))


def find_checkpoint(folder: Path) -> str | None:
    """The prefix of the checkpoint in ``folder``; model.ckpt first, else the greatest number."""
    found = {path.name.removesuffix(".index") for path in folder.glob("*.index")}
    if not found:
        return None
    if "model.ckpt" in found:
        return str(folder / "model.ckpt")
    newest = max(found, key=lambda name: int((re.findall(r"\d+$", name) or ["0"])[0]))
    return str(folder / newest)


def _in_folder(folder: Path, shown: str) -> tuple[str, Path | None]:
    prefix = find_checkpoint(folder)
    if prefix is None:
        for below in sorted(path for path in folder.iterdir() if path.is_dir()):
            prefix = prefix or find_checkpoint(below)
    if prefix is None:
        raise CheckpointError(
            f"{shown}: there is no checkpoint in it (no file ends in .index). Name the folder "
            "with model.ckpt.index and model.ckpt.data-00000-of-00001."
        )
    return prefix, _config_beside(Path(prefix).parent)


def _config_beside(folder: Path) -> Path | None:
    path = folder / CONFIG_NAME
    return path if path.is_file() else None


def _unpack(tarball: Path, folder: Path) -> None:
    """Copy the checkpoint and the configuration out of a tarball; nothing else of it is taken."""
    wanted = re.compile(r"^[\w.-]*ckpt[\w.-]*\.(index|data-\d+-of-\d+)$|^pipeline\.config$")
    total = 0
    try:
        with tarfile.open(tarball) as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if not member.isfile() or not wanted.match(name):
                    continue
                total += member.size
                if total > MAX_BYTES:
                    raise CheckpointError(f"{tarball}: it unpacks to more than 4 GB. Not used.")
                source = archive.extractfile(member)
                assert source is not None
                with source, (folder / name).open("wb") as sink:
                    while chunk := source.read(1024**2):
                        sink.write(chunk)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CheckpointError(f"{tarball}: it cannot be unpacked ({error}).") from error
