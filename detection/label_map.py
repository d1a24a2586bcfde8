"""Label maps: which class id means which label, as ``label_map.pbtxt`` says it.

The text is a ``StringIntLabelMap`` protocol buffer in text format, as the TensorFlow Object
Detection API reads and writes it. In files, class ids count from 1 (0 is the background); in a
model, class indices count from 0. ``LabelMap.class_index`` and ``LabelMap.class_id`` are the one
place that converts between the two.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from detection.label_map_grammar import LabelMapError, ParsedItem, parse_items
from detection.names import visible

__all__ = [
    "MAX_LABELS",
    "MAX_LABEL_LENGTH",
    "LabelMap",
    "LabelMapError",
    "LabelMapItem",
    "LabelNameError",
    "clean_label_name",
    "parse_label_map",
    "read_label_map",
    "write_label_map",
]

MAX_LABELS = 10_000
MAX_LABEL_LENGTH = 100
_MAX_TEXT_BYTES = 4 * 1024 * 1024
_DIRECTION_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class LabelNameError(ValueError):
    """A label's name cannot be taken; the message says why in a sentence."""


def clean_label_name(name: str) -> str:
    """Return ``name`` as Boxloop keeps it: Unicode composed (NFC), white space runs made one space.

    Raises:
        LabelNameError: it is empty, longer than ``MAX_LABEL_LENGTH`` characters, or holds
            control characters.
    """
    cleaned = " ".join(unicodedata.normalize("NFC", name).split())
    if not cleaned:
        raise LabelNameError("A label's name is empty.")
    if len(cleaned) > MAX_LABEL_LENGTH:
        raise LabelNameError(
            f"The label name {visible(cleaned, 30)!r} has {len(cleaned):,} characters; "
            f"the limit is {MAX_LABEL_LENGTH}."
        )
    for character in cleaned:
        if character in _DIRECTION_CONTROLS or unicodedata.category(character) in {"Cc", "Cs"}:
            raise LabelNameError(
                f"The label name {visible(cleaned, 60)!r} holds the control character "
                f"U+{ord(character):04X}."
            )
    return cleaned


@dataclass(frozen=True, slots=True)
class LabelMapItem:
    """One label: its class id (>= 1), its name in files, and the name to show, if another."""

    id: int
    name: str
    display_name: str | None = None

    @property
    def shown(self) -> str:
        """The name to show to people."""
        return self.display_name or self.name


@dataclass(frozen=True)
class LabelMap:
    """Labels in the order of their class ids. Ids are >= 1, unique, and may have gaps.

    Raises:
        ValueError: when an id is below 1 or two items share an id or a name.
    """

    items: tuple[LabelMapItem, ...]

    def __post_init__(self) -> None:
        items = tuple(sorted(self.items, key=lambda item: item.id))
        object.__setattr__(self, "items", items)
        if items and items[0].id < 1:
            raise ValueError(f"{items[0].name!r} has id {items[0].id}; class ids start at 1.")
        if len(self.by_id) != len(items):
            raise ValueError("Two labels have one id.")
        if len(self.by_name) != len(items):
            raise ValueError("Two labels have one name.")

    @classmethod
    def from_names(cls, names: Iterable[str]) -> LabelMap:
        """Number ``names`` from 1 in their order."""
        return cls(tuple(LabelMapItem(number, name) for number, name in enumerate(names, 1)))

    @cached_property
    def by_id(self) -> dict[int, LabelMapItem]:
        return {item.id: item for item in self.items}

    @cached_property
    def by_name(self) -> dict[str, LabelMapItem]:
        return {item.name: item for item in self.items}

    @cached_property
    def _index_by_id(self) -> dict[int, int]:
        return {item.id: index for index, item in enumerate(self.items)}

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the model's class indices."""
        return tuple(item.name for item in self.items)

    @property
    def max_id(self) -> int:
        """The greatest class id, 0 when there are no labels."""
        return self.items[-1].id if self.items else 0

    def class_index(self, class_id: int) -> int:
        """The model's class index (0..N-1) of a file's class id. Raises KeyError if unknown."""
        return self._index_by_id[class_id]

    def class_id(self, class_index: int) -> int:
        """The file's class id (>= 1) of the model's class index (0..N-1).

        Raises IndexError if out of range.
        """
        if class_index < 0:
            raise IndexError(class_index)
        return self.items[class_index].id

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[LabelMapItem]:
        return iter(self.items)


def read_label_map(path: Path) -> LabelMap:
    """Read a ``label_map.pbtxt``. Raises LabelMapError (naming the file) and OSError."""
    if path.stat().st_size > _MAX_TEXT_BYTES:
        raise _too_large(path.stat().st_size, path.name)
    return parse_label_map(path.read_bytes(), path.name)


def parse_label_map(text: str | bytes, source: str = "label_map.pbtxt") -> LabelMap:
    """Read a label map's text.

    An item without ``name`` takes its ``display_name``. The background item (id 0, named
    ``background``) is passed over. ``keypoints`` and the fields of hierarchies are read and left.

    Raises:
        LabelMapError: naming ``source``, line and column, for text outside the grammar, an id
            below 1, an id or a name used twice, no labels, or more than ``MAX_LABELS``.
    """
    if len(text) > _MAX_TEXT_BYTES:
        raise _too_large(len(text), source)
    items: list[LabelMapItem] = []
    ids: set[int] = set()
    names: set[str] = set()
    for parsed in parse_items(_decode(text, source), source):
        item = _check_item(parsed, source)
        if item is None:
            continue
        if item.id in ids:
            raise parsed.error(f"The id {item.id} is used twice. Give each label its own id.")
        if item.name in names:
            raise parsed.error(f"The name {item.name!r} is used twice. Give each label its own.")
        if len(items) == MAX_LABELS:
            raise parsed.error(f"There are more than {MAX_LABELS:,} labels, which is the limit.")
        ids.add(item.id)
        names.add(item.name)
        items.append(item)
    if not items:
        raise LabelMapError(source, 1, 1, "There are no labels in it.")
    return LabelMap(tuple(items))


def write_label_map(label_map: LabelMap) -> str:
    """The text of ``label_map``; ``parse_label_map`` reads back an equal one."""
    blocks = []
    for item in label_map.items:
        lines = [f"  id: {item.id}", f"  name: {_quote(item.name)}"]
        if item.display_name is not None:
            lines.append(f"  display_name: {_quote(item.display_name)}")
        blocks.append("item {\n" + "\n".join(lines) + "\n}\n")
    return "\n".join(blocks)


def _too_large(size: int, source: str) -> LabelMapError:
    limit = _MAX_TEXT_BYTES // 2**20
    return LabelMapError(source, 1, 1, f"It has {size / 2**20:.1f} MiB; the limit is {limit} MiB.")


def _decode(text: str | bytes, source: str) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = error.start - text.rfind(b"\n", 0, error.start)
        raise LabelMapError(source, line, column, "It is not UTF-8 text.") from None


def _check_item(parsed: ParsedItem, source: str) -> LabelMapItem | None:
    name, display_name, class_id = parsed.name, parsed.display_name, parsed.id
    if class_id == 0 and "background" in (name, display_name):
        return None
    if class_id is None:
        raise parsed.error(f"The label {visible(name or display_name or '')!r} has no id.")
    if class_id < 1:
        raise parsed.error(
            f"The label {visible(name or display_name or '')!r} has id {class_id}. "
            "Class ids start at 1; 0 is the background."
        )
    try:
        shown = clean_label_name(display_name) if display_name else None
        if not name:
            return LabelMapItem(class_id, clean_label_name(display_name or ""))
        return LabelMapItem(class_id, clean_label_name(name), shown)
    except LabelNameError as error:
        raise parsed.error(str(error)) from None


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
