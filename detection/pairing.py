"""Which annotation file belongs to which image, decided by names alone.

Works on plain lists of names, so that a folder and an archive are treated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from detection.names import (
    base_name,
    folder_name,
    has_image_suffix,
    layout_key,
    match_key,
    stem_of,
    visible,
)
from detection.names_on_disk import NameList, NameMap, NamesByKey
from detection.types import Problem


@dataclass(frozen=True)
class Pairing:
    """Pairs of (annotation file, image), what is left on either side, and why."""

    pairs: tuple[tuple[str, str], ...]
    images_alone: tuple[str, ...]
    annotations_alone: tuple[str, ...]
    problems: tuple[Problem, ...] = field(default=())


@dataclass(frozen=True)
class Matches:
    """A pairing both ways, on disk; ``problems`` says why an annotation file is in neither."""

    image_of: NameMap[str]
    annotation_of: NameMap[str]
    problems: dict[str, Problem]


def pair_annotations(
    image_names: Sequence[str],
    annotation_names: Sequence[str],
    filename_of: Callable[[str], str | None],
) -> Pairing:
    """``match_annotations`` as a pairing in the order of ``annotation_names``."""
    found = match_annotations(image_names, annotation_names, filename_of)
    image_of = dict(found.image_of.pairs())
    return Pairing(
        tuple((name, image_of[name]) for name in annotation_names if name in image_of),
        tuple(name for name in image_names if name not in found.annotation_of),
        tuple(name for name in annotation_names if name not in image_of),
        tuple(found.problems[name] for name in annotation_names if name in found.problems),
    )


def match_annotations(
    image_names: Sequence[str],
    annotation_names: Sequence[str],
    filename_of: Callable[[str], str | None],
) -> Matches:
    """Find the image of each annotation file; no file is opened here, and memory is flat.

    An annotation belongs to the image with the same path, suffix and layout folders (``images``,
    ``Annotations`` ...) aside; else to the image that it names itself, by base name, with or
    without suffix: one in the same folder first, else the only one in the data. An image is
    paired once, and images of one name in different folders are never mixed.

    Args:
        image_names: relative paths of images.
        annotation_names: relative paths of annotation files.
        filename_of: the image's name that an annotation file holds, or None; asked only where
            paths do not decide.

    Returns:
        Each annotation without an image has a problem that says why.
    """
    finder = _ImageFinder(image_names)
    matches = Matches(NameMap(), NameMap(), {})
    undecided = NameList()
    for annotation in annotation_names:
        twins = finder.by_path(annotation)
        if len(twins) == 1 and matches.annotation_of.add(twins[0], annotation):
            matches.image_of[annotation] = twins[0]
        else:
            undecided.append(annotation)
    # Only after all paths have spoken: a stray <filename> must not take another file's image.
    for annotation in undecided:
        twins = finder.by_path(annotation)
        taken = matches.annotation_of
        found, words = _by_own_word(finder, annotation, twins, filename_of, taken)
        if found is None:
            matches.problems[annotation] = Problem(annotation, words, "refused")
        else:
            matches.image_of[annotation] = found
            matches.annotation_of[found] = annotation
    return matches


def _by_own_word(
    finder: _ImageFinder,
    annotation: str,
    twins: list[str],
    filename_of: Callable[[str], str | None],
    taken: Collection[str],
) -> tuple[str | None, str]:
    """The image that the annotation names itself; or None and the words about it."""
    claimed = base_name((filename_of(annotation) or "").strip())
    candidates = finder.by_file_name(claimed, annotation, twins)
    free = [name for name in candidates if name not in taken]
    if len(free) == 1:
        return free[0], ""
    if not candidates:
        says = f"it names {visible(claimed, 80)!r}" if claimed else "it names no image"
        if twins:
            shown = " and ".join(visible(name) for name in twins[:2])
            return None, f"Its path fits {shown}, and {says}. It could not be paired; left out."
        return None, f"There is no image of its name, and {says}. Left out."
    if not free:
        return None, (
            f"Its image {visible(candidates[0])} has its boxes from another annotation file. "
            "Left out."
        )
    shown = " and ".join(visible(name) for name in free[:2])
    return None, f"It names {visible(claimed, 80)!r}, which could be {shown}. Left out."


class ImageMatcher:
    """Finds the image that a file means by a path of its own: ``C:\\me\\a.jpg``, ``img/a.jpg``.

    Only the images that are there can be found, whatever the path says.
    """

    def __init__(self, image_names: Sequence[str]) -> None:
        self._names = image_names

    def match(self, claimed: str, beside: str = "") -> list[str]:
        """The images that ``claimed`` can mean, one at best: those of its file name, with or
        without suffix, whose folders agree the longest; among equals, those nearest to the file
        ``beside``, which names them; then those in the fewest folders."""
        path = match_key(claimed.replace("\\", "/").strip())
        base = _folded(path.rpartition("/")[2])
        found = self._by_base.get(base) or self._by_stem.get(base)
        exact = [name for name in found if match_key(name) == path]
        if len(found) < 2 or exact:
            return exact or list(found)
        folders = [part for part in path.split("/")[:-1] if part not in ("", ".", "..")]
        found = _best(found, lambda name: _common_tail(folders, name.split("/")[:-1]))
        found = _best(found, lambda name: match_key(base_name(name)) == path.rpartition("/")[2])
        near = folder_name(beside).split("/")
        found = _best(found, lambda name: _common_tail(near[::-1], name.split("/")[:-1][::-1]))
        return _best(found, lambda name: -name.count("/"))

    @cached_property
    def _by_base(self) -> NamesByKey:
        return NamesByKey((_folded(base_name(name)), name) for name in self._names)

    @cached_property
    def _by_stem(self) -> NamesByKey:
        return NamesByKey((stem_of(_folded(base_name(name))), name) for name in self._names)


def _folded(base: str) -> str:
    return match_key(base).lower()


def _best(names: list[str], score: Callable[[str], int]) -> list[str]:
    scores = [score(name) for name in names]
    return [name for name, found in zip(names, scores, strict=True) if found == max(scores)]


def _common_tail(parts: Sequence[str], others: Sequence[str]) -> int:
    count = 0
    for part, other in zip(reversed(parts), reversed(others), strict=False):
        if part != other:
            break
        count += 1
    return count


class _ImageFinder:
    """Images by path and by file name."""

    def __init__(self, image_names: Sequence[str]) -> None:
        self._names = image_names

    @cached_property
    def _by_stem(self) -> NamesByKey:
        return NamesByKey((match_key(stem_of(name)), name) for name in self._names)

    @cached_property
    def _by_layout(self) -> NamesByKey:
        return NamesByKey((layout_key(stem_of(name)), name) for name in self._names)

    @cached_property
    def _by_base(self) -> NamesByKey:
        return NamesByKey(self._spellings())

    def _spellings(self) -> Iterator[tuple[str, str]]:
        for name in self._names:
            base = match_key(base_name(name))
            for spelling in {base, stem_of(base), base.lower(), stem_of(base).lower()}:
                yield spelling, name

    def by_path(self, annotation: str) -> list[str]:
        """Images with the annotation's path, its suffix aside; else, layout folders aside too."""
        stem = stem_of(annotation)
        same = self._by_stem.get(match_key(stem))
        return same or self._by_layout.get(layout_key(stem))

    def by_file_name(self, claimed: str, annotation: str, twins: list[str]) -> list[str]:
        """Images that ``claimed`` can mean, the likeliest kind only."""
        if not claimed:
            return []
        key = match_key(claimed)
        stem = stem_of(key) if has_image_suffix(key) else key
        for spelling in dict.fromkeys([key, stem, key.lower(), stem.lower()]):
            found = self._by_base.get(spelling)
            among_twins = [name for name in found if name in twins]
            near = [name for name in found if layout_key(folder_name(name)) == (
                layout_key(folder_name(annotation)))]  # fmt: skip
            if found:
                return among_twins or near or found
        return []
