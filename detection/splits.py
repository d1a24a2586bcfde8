"""Which images train a model, and which only judge it: train, val and test.

``assign_splits`` divides images; ``read_split_file`` and ``match_stems`` take a division that
someone else made, as a text file of image names.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import (
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, TypeVar

from detection.names import folder_name, has_image_suffix, layout_key, match_key, stem_of, visible
from detection.names_on_disk import NamesByKey
from detection.near_duplicates import connected

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Key = TypeVar("Key", bound=Hashable)

_MAX_SPLIT_FILE_BYTES = 256 * 1024 * 1024
# Pascal VOC's per-class lists: "2008_000008 -1".
_TWO_COLUMNS = re.compile(r"(\S+)\s+(-1|0|1)")


class SplitError(ValueError):
    """A split that cannot be used; the message names file, line and value where there are any."""


_SPELLINGS: dict[str, Split] = {
    "training": "train", "validation": "val", "valid": "val", "dev": "val", "testing": "test",
    "train": "train", "val": "val", "test": "test",
}  # fmt: skip


def split_in(path: str) -> str:
    """The split that a file's name says by one of its words (``train_labels.csv``), else one of
    its folders as a whole (``valid/a.csv``), the innermost first; empty where none does."""
    *folders, base = path.replace("\\", "/").split("/")
    for word in re.split(r"[^a-z]+", base.lower()):
        if word in _SPELLINGS:
            return _SPELLINGS[word]
    for folder in reversed(folders):
        words = re.findall(r"[a-z]+", folder.lower())
        if len(words) == 1 and words[0] in _SPELLINGS:
            return _SPELLINGS[words[0]]
    return ""


def splits_of_folders(
    image_names: Sequence[str], into: MutableMapping[str, str] | None = None
) -> MutableMapping[str, str]:
    """Splits as folders say them (``train/a.jpg``). They speak only where train stands beside
    val or test: a lone folder called test is no split. They are put ``into`` a mapping."""
    found = {} if into is None else into
    places: dict[str, set[str]] = defaultdict(set)
    for name in image_names:
        place, split = _split_of_folder(folder_name(name))
        if split:
            places[place].add(split)
    speaking = {place for place, splits in places.items() if "train" in splits and len(splits) > 1}
    for name in image_names if speaking else ():
        place, split = _split_of_folder(folder_name(name))
        if split and place in speaking:
            found[name] = split
    return found


@lru_cache(1000)
def _split_of_folder(path: str) -> tuple[str, str]:
    """The outermost folder called like a split: where it stands, and the split, or nothing."""
    folders = path.split("/")
    for depth, folder in enumerate(folders):
        words = re.findall(r"[a-z]+", folder.lower())
        split = _SPELLINGS.get(words[0]) if len(words) == 1 else None
        if split is not None:
            return "/".join(folders[:depth]), split
    return "", ""


class SplitStem(str):
    """One name in a split file, which knows where it stands."""

    file: str
    line: int

    def __new__(cls, stem: str, file: str, line: int) -> SplitStem:
        self = super().__new__(cls, stem)
        self.file, self.line = file, line
        return self


def read_split_file(path: Path) -> list[SplitStem]:
    """The names in a split file, one a line, in order, each once.

    A name is an image's path relative to the data, with or without suffix. Blank lines and lines
    that start with ``#`` are passed over. Pascal VOC's two-column lists (``NAME 1``, ``NAME -1``)
    are taken as lists of names, where every line has that form: the second column says whether
    the image shows the list's class, not whether it belongs to the split.

    Raises:
        SplitError: the file cannot be read, is not UTF-8 text, or holds no names.
    """
    try:
        if path.stat().st_size > _MAX_SPLIT_FILE_BYTES:
            raise SplitError(f"{path}: it is too large for a list of names.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SplitError(f"{path}: it is not UTF-8 text.") from None
    except OSError as error:
        raise SplitError(f"{path}: it cannot be read ({error.strerror}).") from None
    return _stems_in(text, str(path), path.name)


def parse_split_file(data: bytes, name: str) -> list[SplitStem]:
    """``read_split_file`` of a file's bytes. Raises SplitError."""
    try:
        return _stems_in(data.decode("utf-8-sig"), name, name)
    except UnicodeDecodeError:
        raise SplitError(f"{name}: it is not UTF-8 text.") from None


def _stems_in(text: str, name: str, base: str) -> list[SplitStem]:
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        raise SplitError(f"{name}: there are no names in it.")
    columns = [_TWO_COLUMNS.fullmatch(line) for _, line in lines]
    if all(columns):
        lines = [(number, match[1]) for (number, _), match in zip(lines, columns, strict=True)
                 if match]  # fmt: skip
    stems: dict[str, SplitStem] = {}
    for number, stem in lines:
        tidy = stem.replace("\\", "/").removeprefix("./")
        stems.setdefault(tidy, SplitStem(tidy, base, number))
    return list(stems.values())


def match_stems(stems: Iterable[str], names: Sequence[str]) -> list[str]:
    """The image names that ``stems`` mean, in the order of ``stems``.

    A stem means the image whose path is the same, suffix aside; else the one whose path is the
    same but for layout folders (``a/cat`` means ``JPEGImages/a/cat.jpg``); else the one whose
    path ends with it.

    Raises:
        SplitError: a stem means no image, or more than one; it names file, line and value.
    """
    index = _SuffixIndex(names)
    matched: dict[str, None] = {}
    for stem in stems:
        found = index.find(stem)
        if len(found) != 1:
            raise SplitError(_words_for_unmatched(stem, found, names))
        matched[found[0]] = None
    return list(matched)


def match_each(
    stems: Iterable[str], names: Sequence[str]
) -> Iterator[tuple[str, str | SplitError]]:
    """Each stem with the image name that it means, as in ``match_stems``, or why it means none."""
    index = _SuffixIndex(names)
    for stem in stems:
        found = index.find(stem)
        if len(found) == 1:
            yield stem, found[0]
        else:
            yield stem, SplitError(_words_for_unmatched(stem, found, names))


class _SuffixIndex:
    """Finds names by any tail of their path, with or without the file's suffix."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    @cached_property
    def _whole(self) -> NamesByKey:
        return NamesByKey(self._spellings())

    @cached_property
    def _by_layout(self) -> NamesByKey:
        return NamesByKey((layout_key(spelling), name) for spelling, name in self._spellings())

    @cached_property
    def _tails(self) -> NamesByKey:
        return NamesByKey(
            (tail, name) for spelling, name in self._spellings() for tail in _tails_of(spelling)
        )

    def _spellings(self) -> Iterator[tuple[str, str]]:
        for name in self._names:
            for spelling in {match_key(name), match_key(stem_of(name))}:
                yield spelling, name

    def find(self, stem: str) -> list[str]:
        key = match_key(stem)
        spellings = [key, stem_of(key)] if has_image_suffix(key) else [key]
        for table in ("_whole", "_by_layout", "_tails"):
            for spelling in spellings:
                if found := getattr(self, table).get(spelling):
                    return list(found)
        return []


def _tails_of(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _words_for_unmatched(stem: str, found: list[str], names: Sequence[str]) -> str:
    where = f"{stem.file}, line {stem.line}: " if isinstance(stem, SplitStem) else ""
    shown = visible(str(stem))
    if found:
        return (
            f"{where}{shown!r} could be {visible(found[0])} or {visible(found[1])}. "
            "Write the folder too."
        )
    example = f", for instance {visible(stem_of(names[0]))}" if names else ""
    return (
        f"{where}there is no labelled image {shown!r}. Names are paths relative to the data, "
        f"without suffix{example}."
    )


def assign_splits(
    keys: Sequence[Key],
    fractions: Mapping[str, float] | Sequence[float],
    seed: int,
    groups: Mapping[Key, Hashable] | None = None,
    labels: Mapping[Key, Collection[str]] | None = None,
    kept: Mapping[Key, str] | None = None,
) -> dict[Key, str]:
    """Divide ``keys`` into train, val and test.

    Images are put in an order that only ``seed`` and their own key (or group) decide, and each
    split takes its share from one end of that order: when images are added, few of the others
    move. Shares are taken label by label, each image counting for its rarest label, so that every
    split shows every label about as often. A label with a single image goes to train.

    Args:
        fractions: by split, or in the order train, val, test; they are scaled to a sum of 1.
        seed: another seed gives another division.
        groups: images with one group stay in one split. Absent keys stand alone.
        labels: each image's labels.
        kept: splits that are already decided. They stay; a group follows its decided members.

    Returns:
        A split for each key. Where val is wanted and there are two groups or more, val has one
        at least, and train keeps one.

    Raises:
        SplitError: fractions that are negative or all 0, or a kept split that is none.
    """
    shares = _shares(fractions)
    kept = kept or {}
    unknown = set(kept.values()) - set(SPLITS)
    if unknown:
        raise SplitError(f"{sorted(unknown)[0]!r} is not a split ({', '.join(SPLITS)}).")
    units = _units(keys, groups or {})
    by_unit = {unit: _decided(members, kept) for unit, members in units.items()}
    decided = {unit: split for unit, split in by_unit.items() if split}
    free = {unit: members for unit, members in units.items() if unit not in decided}
    order = {unit: _hash(seed, unit) for unit in free}
    strata = _strata(free, labels or {}, order)
    chosen = _take_shares(strata, free, shares)
    _ensure_val_and_train(chosen, decided, shares, strata)
    by_key = {
        key: chosen.get(unit) or decided[unit] for unit, members in units.items() for key in members
    }
    return {key: kept.get(key, by_key[key]) for key in keys}


def joined_groups(
    keys: Sequence[Key], groups: Mapping[Key, Hashable], together: Iterable[Sequence[Key]]
) -> dict[Key, Hashable]:
    """Groups for ``assign_splits`` that also keep each set of ``together`` in one split.

    Near-duplicates join groups: a group whose image resembles one of another group and that group
    become one, named after the first of ``keys`` in it.
    """
    first_of: dict[Hashable, Key] = {}
    pairs: list[tuple[Key, Key]] = []
    for key in keys:
        if key in groups:
            pairs.append((first_of.setdefault(groups[key], key), key))
    known = set(keys)
    for members in together:
        present = [key for key in members if key in known]
        pairs += [(present[0], other) for other in present[1:]]
    joined: dict[Key, Hashable] = dict(groups)
    for members in connected(list(dict.fromkeys(keys)), pairs):
        # A group that nothing joined keeps its name, so that the seed deals it as before.
        names = {groups[key] for key in members if key in groups}
        whole = len(names) == 1 and all(key in groups for key in members)
        name = next(iter(names)) if whole else f"with {members[0]}"
        joined |= dict.fromkeys(members, name)
    return joined


Unit = tuple[str, Hashable]  # ("group", its name) or ("key", the key)


def _shares(fractions: Mapping[str, float] | Sequence[float]) -> dict[Split, float]:
    if isinstance(fractions, Mapping):
        unknown = set(fractions) - set(SPLITS)
        if unknown:
            raise SplitError(f"{sorted(unknown)[0]!r} is not a split ({', '.join(SPLITS)}).")
        values = [float(fractions.get(split, 0.0)) for split in SPLITS]
    else:
        values = [*map(float, fractions), 0.0, 0.0, 0.0][:3]
    total = sum(values)
    if min(values) < 0 or not 0 < total < float("inf"):
        raise SplitError(f"The fractions {fractions} do not divide anything.")
    return {split: value / total for split, value in zip(SPLITS, values, strict=True)}


def _units(keys: Sequence[Key], groups: Mapping[Key, Hashable]) -> dict[Unit, list[Key]]:
    """What moves as one: a group, or a single key."""
    units: dict[Unit, list[Key]] = {}
    for key in dict.fromkeys(keys):
        group = groups.get(key)
        unit: Unit = ("key", key) if group is None else ("group", group)
        units.setdefault(unit, []).append(key)
    return units


def _decided(members: list[Key], kept: Mapping[Key, str]) -> str | None:
    counts = Counter(kept[key] for key in members if key in kept)
    return max(counts, key=lambda split: (counts[split], split)) if counts else None


def _hash(seed: int, unit: Unit) -> bytes:
    text = f"{seed}\0{unit[0]}\0{unit[1]}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _strata(
    units: Mapping[Unit, list[Key]],
    labels: Mapping[Key, Collection[str]],
    order: Mapping[Unit, bytes],
) -> list[list[Unit]]:
    """Units by their rarest label, rarest label first; each in the seed's order."""
    labels_of = {
        unit: {label for key in members for label in labels.get(key, ())}
        for unit, members in units.items()
    }
    counts = Counter(label for unit_labels in labels_of.values() for label in unit_labels)
    strata: dict[str, list[Unit]] = defaultdict(list)
    for unit, unit_labels in labels_of.items():
        # Images without boxes are a stratum too.
        rarest = min(unit_labels, key=lambda label: (counts[label], label), default="")
        strata[rarest].append(unit)
    ranked = sorted(strata, key=lambda label: (counts[label] if label else len(units) + 1, label))
    return [sorted(strata[label], key=lambda unit: order[unit]) for label in ranked]


def _take_shares(
    strata: list[list[Unit]], units: Mapping[Unit, list[Key]], shares: Mapping[Split, float]
) -> dict[Unit, str]:
    """Give each stratum's first units to val, its next to test, the rest to train."""
    chosen: dict[Unit, str] = {}
    seen = 0
    taken = {"val": 0, "test": 0}
    for stratum in strata:
        rest = list(stratum)
        seen += sum(len(units[unit]) for unit in stratum)
        for split in ("val", "test"):
            # The quota counts from the start, so that rounding does not add up over the labels.
            wanted = shares[split] * seen
            spare = 1 if shares["train"] > 0 else 0
            for unit in list(rest):
                if len(rest) > spare and taken[split] + len(units[unit]) / 2 <= wanted:
                    rest.remove(unit)
                    chosen[unit] = split
                    taken[split] += len(units[unit])
        chosen |= dict.fromkeys(rest, "train" if shares["train"] > 0 else _largest(shares))
    return chosen


def _largest(shares: Mapping[Split, float]) -> Split:
    return max(SPLITS, key=lambda split: shares[split])


def _ensure_val_and_train(
    chosen: dict[Unit, str],
    decided: Mapping[Unit, str],
    shares: Mapping[Split, float],
    strata: list[list[Unit]],
) -> None:
    """Move one unit where val or train is wanted and has none; from the commonest label."""
    if len(chosen) + len(decided) < 2:
        return
    directions: tuple[tuple[Split, Split], ...] = (("val", "train"), ("train", "val"))
    for split, other in directions:
        if shares[split] <= 0 or split in decided.values() or split in chosen.values():
            continue
        movable = [unit for stratum in reversed(strata) for unit in stratum
                   if chosen[unit] == other]  # fmt: skip
        if len(movable) + sum(value == other for value in decided.values()) > 1 and movable:
            chosen[movable[0]] = split
