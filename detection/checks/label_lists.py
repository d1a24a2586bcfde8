"""Lists of labels in a folder, read so that what is wrong with them can be said.

``label_map.pbtxt`` counts from 1; ``classes.txt`` and ``data.yaml`` from 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from detection.checks.survey import ListedLabel
from detection.label_map import LabelMapError
from detection.label_map_grammar import parse_items
from detection.names import base_name, suffix_of
from detection.types import Problem

_MOST_BYTES = 4 * 1024 * 1024
_CLASS_LISTS = frozenset({"classes.txt", "obj.names", "_darknet.labels", "labels.names"})
_DATA_FILES = frozenset({"data.yaml", "data.yml", "dataset.yaml", "dataset.yml"})
_NAMES_ON_A_LINE = re.compile(r"^names\s*:\s*\[(.*)\]\s*$")
_COUNT = re.compile(r"^nc\s*:\s*(\d+)\s*$")
_LISTED = re.compile(r"^\s*-\s*(.*?)\s*$")
_MAPPED = re.compile(r"^\s+(\d+)\s*:\s*(.*?)\s*$")


def read_label_lists(root: Path, names: Sequence[str]) -> tuple[list[ListedLabel], list[Problem]]:
    """The labels of every list below ``root``, and what is wrong with the lists."""
    labels: list[ListedLabel] = []
    problems: list[Problem] = []
    for name in names:
        base = base_name(name).lower()
        try:
            if suffix_of(name) == ".pbtxt":
                labels += _label_map(_text(root / name), name)
            elif base in _CLASS_LISTS:
                labels += _class_list(_text(root / name), name)
            elif base in _DATA_FILES:
                found, problem = _data_yaml(_text(root / name), name)
                labels += found
                problems += [problem] if problem else []
        except LabelMapError as error:
            problems.append(Problem(name, error.message, "refused", error.line))
        except (OSError, UnicodeDecodeError):
            problems.append(Problem(name, "It cannot be read as UTF-8 text.", "refused"))
    return labels, problems


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8-sig")


def _label_map(text: str, name: str) -> list[ListedLabel]:
    """Ids below 1 are kept, for ``label_ids`` to find."""
    labels = []
    for item in parse_items(text, name):
        line = text.count("\n", 0, item.offset) + 1
        if item.name is None or item.id is None:
            missing = "name" if item.name is None else "id"
            raise LabelMapError(name, line, 1, f"An item has no {missing}.")
        labels.append(ListedLabel(name, item.id, item.name, line))
    return labels


def _class_list(text: str, name: str) -> list[ListedLabel]:
    lines = text.rstrip().splitlines()
    return [
        ListedLabel(name, index, line.strip(), index + 1, first_id=0)
        for index, line in enumerate(lines)
    ]


def _data_yaml(text: str, name: str) -> tuple[list[ListedLabel], Problem | None]:
    """``names`` as a list or a map, as YOLO's tools write them; no YAML reader is let loose."""
    labels: list[ListedLabel] = []
    count, inside = None, False
    for number, line in enumerate(text.splitlines(), 1):
        if match := _COUNT.match(line):
            count = (int(match[1]), number)
        if match := _NAMES_ON_A_LINE.match(line):
            words = [_unquoted(word) for word in match[1].split(",")]
            labels = [ListedLabel(name, index, word, number, 0) for index, word in enumerate(words)]
        elif re.match(r"^names\s*:\s*$", line):
            inside = True
        elif inside and (match := _MAPPED.match(line)):
            labels.append(ListedLabel(name, int(match[1]), _unquoted(match[2]), number, 0))
        elif inside and (match := _LISTED.match(line)):
            labels.append(ListedLabel(name, len(labels), _unquoted(match[1]), number, 0))
        elif line.strip() and not line.lstrip().startswith("#"):
            inside = False
    if count is not None and labels and count[0] != len(labels):
        words_for = f"nc is {count[0]}, but there are {len(labels)} names."
        return labels, Problem(name, words_for, "note", count[1])
    return labels, None


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text
