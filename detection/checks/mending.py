"""Writing a mended folder: beside and then renamed, with a backup, or as a mended copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from detection.checks import voc_annotations, yolo_labels
from detection.checks.folder import Folder
from detection.checks.split_lists import rewrite_list
from detection.checks.survey import Survey, SurveyedImage
from detection.formats.dataset import DatasetError
from detection.types import Problem

BACKUP_NAME = ".boxloop-backup"
MENDED_FORMATS = ("voc", "yolo")


@dataclass(frozen=True)
class Mended:
    """What was written: the files, and where their old versions are (None for a copy)."""

    files: tuple[str, ...]
    backup: Path | None
    problems: tuple[Problem, ...] = ()


def changed_files(folder: Folder, mended: Survey) -> Iterator[tuple[str, bytes]]:
    """Each file that differs in ``mended``, with its new bytes. Nothing is written."""
    for image in mended.images:
        before = folder.survey.by_name[image.name]
        if image.annotation and _annotations_differ(before, image):
            data = (folder.root / image.annotation).read_bytes()
            if folder.survey.format == "voc":
                yield image.annotation, voc_annotations.rewrite_voc(data, before, image)
            else:
                yield (
                    image.annotation,
                    yolo_labels.rewrite_labels(data, before, image, folder.classes),
                )
    yield from _changed_lists(folder, mended)


def unwritable(folder: Folder, mended: Survey) -> list[Problem]:
    """Moves between splits that the folder has no list for."""
    if folder.splits.files:
        return []
    return [
        Problem(
            image.name,
            f"Its folder or data.yaml says its split. Move it to {image.split} by hand.",
        )
        for image in mended.images
        if image.split != folder.survey.by_name[image.name].split
    ]


def write_mended(folder: Folder, mended: Survey, out: Path | None = None) -> Mended:
    """Write what changed: in place, old versions into a backup folder; or a copy at ``out``.

    In place each file is written beside and renamed, so that a program that is killed leaves
    every file either old or new. Raises DatasetError where ``out`` is not new, and OSError.
    """
    if folder.survey.format not in MENDED_FORMATS:
        raise DatasetError(
            f"{folder.root}: data in this format ({folder.survey.format}) cannot be mended where "
            "they lie. Convert them first: ./boxloop convert --to voc, then check the result."
        )
    changes = list(changed_files(folder, mended))
    problems = tuple(unwritable(folder, mended))
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise DatasetError(f"{out}: it is not empty. Name a new folder to write to.")
        if out.resolve().is_relative_to(folder.root.resolve()):
            raise DatasetError(f"{out}: it lies in the data. Name a folder outside of it.")
        shutil.copytree(folder.root, out, symlinks=True, dirs_exist_ok=True)
        for name, data in changes:
            _replace(out / name, data)
        return Mended(tuple(name for name, _ in changes), None, problems)
    if not changes:
        return Mended((), None, problems)
    backup = _new_backup(folder.root)
    for name, _ in changes:
        (backup / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder.root / name, backup / name)
    for name, data in changes:
        _replace(folder.root / name, data)
    return Mended(tuple(name for name, _ in changes), backup, problems)


def _annotations_differ(before: SurveyedImage, after: SurveyedImage) -> bool:
    return before.boxes != after.boxes or before.declared != after.declared


def _changed_lists(folder: Folder, mended: Survey) -> Iterator[tuple[str, bytes]]:
    moved = [
        (image.name, folder.survey.by_name[image.name].split, image.split)
        for image in mended.images
        if image.split != folder.survey.by_name[image.name].split
    ]
    for split, file in folder.splits.files.items():
        leaves = [name for name, old, _ in moved if old == split]
        joins = [name for name, _, new in moved if new == split]
        if leaves or joins:
            text = (folder.root / file).read_bytes().decode("utf-8-sig")
            yield file, rewrite_list(text, leaves, joins).encode("utf-8")


def _new_backup(root: Path) -> Path:
    number = 1
    while True:
        backup = root / f"{BACKUP_NAME}-{number}"
        try:
            backup.mkdir()
        except FileExistsError:
            number += 1
        else:
            return backup


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name[:100]}.mending")
    try:
        beside.write_bytes(data)
        shutil.copymode(path, beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
