"""Which image is in which split, as a folder says it; and that written again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detection.names import base_name, folder_name, match_key, stem_of, visible
from detection.splits import SPLITS, SplitError, match_stems, read_split_file
from detection.types import Problem


@dataclass(frozen=True)
class SplitLists:
    """Splits of a folder.

    Attributes:
        files: the list of each split, by split, relative to the folder; empty where the splits
            are folders, or there are none.
        split_of: by image name.
        problems: names in the lists that mean no image, and images in two lists.
    """

    files: Mapping[str, str]
    split_of: Mapping[str, str]
    problems: tuple[Problem, ...] = ()


def read_split_lists(root: Path, names: Sequence[str], image_names: Sequence[str]) -> SplitLists:
    """``train.txt``, ``val.txt`` and ``test.txt`` of one folder; else folders of these names."""
    files = _list_files(names, image_names)
    if not files:
        return SplitLists({}, {name: split for name in image_names if (split := _folder(name))})
    split_of: dict[str, str] = {}
    problems: list[Problem] = []
    for split, file in files.items():
        try:
            stems = read_split_file(root / file)
        except SplitError as error:
            words = str(error).partition(": ")[2] or str(error)
            problems.append(Problem(file, words, "refused"))
            continue
        for stem in stems:
            try:
                matched = match_stems([stem], image_names)
            except SplitError:
                words = f"{visible(str(stem), 80)!r} means no image, or more than one."
                problems.append(Problem(file, words, "refused", stem.line))
                continue
            for name in matched:
                first = split_of.setdefault(name, split)
                if first != split:
                    words = f"{visible(name)} is in {first} and in {split}."
                    problems.append(Problem(file, words, "refused", stem.line))
    return SplitLists(files, split_of, tuple(problems))


def rewrite_list(text: str, leaves: Sequence[str], joins: Sequence[str]) -> str:
    """A list without the lines that name images of ``leaves``, and with lines for ``joins``.

    A new line has as much of the image's path, and as little of its suffix, as the others have.
    """
    gone = {key for name in leaves for key in (match_key(name), match_key(stem_of(name)))}
    gone |= {match_key(base_name(name)) for name in leaves}
    gone |= {match_key(stem_of(base_name(name))) for name in leaves}
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if match_key(_first(line)) not in gone or not line.strip()]
    example = next((line.strip() for line in lines if line.strip()), "")
    ending = "\r\n" if "\r\n" in text else "\n"
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += ending
    for name in joins:
        shown = name if "/" in example else base_name(name)
        shown = shown if "." in base_name(example) else stem_of(shown)
        kept.append(f"{shown}{ending}")
    return "".join(kept)


def _first(line: str) -> str:
    return line.strip().replace("\\", "/").removeprefix("./")


def _list_files(names: Sequence[str], image_names: Sequence[str]) -> dict[str, str]:
    """The lists of the topmost folder that has any; a list beside images of its stem is none."""
    stems = {stem_of(name) for name in image_names}
    folders: dict[str, dict[str, str]] = {}
    for name in names:
        split = stem_of(base_name(name))
        if base_name(name) == f"{split}.txt" and split in SPLITS and stem_of(name) not in stems:
            folders.setdefault(folder_name(name), {})[split] = name
    if not folders:
        return {}
    best = min(folders, key=lambda folder: (-len(folders[folder]), folder.count("/"), folder))
    return {split: folders[best][split] for split in SPLITS if split in folders[best]}


def _folder(name: str) -> str:
    for part in name.lower().split("/")[:-1]:
        if part in ("train", "training"):
            return "train"
        if part in ("val", "valid", "validation"):
            return "val"
        if part in ("test", "testing"):
            return "test"
    return ""
