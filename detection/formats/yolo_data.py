"""What a YOLO data set says of itself: ``data.yaml``, lists of class names, lists of images."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from detection.formats.drawn import AnnotationError
from detection.formats.files import FileRefused, Files, read_file, read_head
from detection.formats.reading import Say
from detection.label_map import LabelMap, LabelNameError, clean_label_name
from detection.names import base_name, folder_name, suffix_of, visible
from detection.names_on_disk import NameList, NameMap
from detection.pairing import ImageMatcher
from detection.splits import SPLITS, split_in
from detection.types import Problem

MAX_CLASS = 10_000
MAX_TEXT = 16 * 1024 * 1024
NAME_LISTS = ("classes.txt", "obj.names", "predefined_classes.txt", "_darknet.labels")
_MAX_YAML = 1024 * 1024
_MAX_DEPTH = 20


def is_data_yaml(head: bytes) -> bool:
    """Whether the first bytes of a YAML file look like YOLO's data.yaml."""
    return bool(re.search(rb"^(names|nc|train|val)\s*:", head, re.MULTILINE))


@dataclass(frozen=True)
class Classes:
    names: Mapping[int, str]
    file: str
    has_keypoints: bool = False


def read_settings(files: Files, say: Say) -> tuple[dict[str, Any], str]:
    """``data.yaml``, and its name; empty where there is none that can be used."""
    candidates = [name for name in files.names if suffix_of(name) in (".yaml", ".yml")]
    found = [name for name in candidates if is_data_yaml(read_head(files, name))]
    if not found:
        return {}, ""
    found.sort(key=lambda name: (name.count("/"), base_name(name) != "data.yaml", name))
    if len(found) > 1:
        shown = ", ".join(visible(name, 80) for name in found[1:4])
        say(Problem(found[0], f"It was used, and {shown} not.", "note"))
    try:
        return _parse_yaml(read_file(files, found[0], _MAX_YAML), found[0]), found[0]
    except FileRefused as error:
        raise AnnotationError(found[0], str(error)) from None


def _parse_yaml(data: bytes, file: str) -> dict[str, Any]:
    """A YAML mapping without aliases, which can make a small file huge. Raises AnnotationError."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(data, Loader=loader):
            line = event.start_mark.line + 1
            if isinstance(event, yaml.AliasEvent):
                words = f"It has an alias (*{event.anchor[:40]}), which a list of classes does "
                raise AnnotationError(file, words + "not need. Write the value itself.", line)
            depth += isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent))
            depth -= isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent))
            if depth > _MAX_DEPTH:
                raise AnnotationError(file, f"It is nested over {_MAX_DEPTH} deep.", line)
        value = yaml.load(data, Loader=loader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        if isinstance(error, AnnotationError):
            raise
        mark = getattr(error, "problem_mark", None)
        what = visible(str(getattr(error, "problem", None) or error), 100)
        line = mark.line + 1 if mark else None
        raise AnnotationError(file, f"It is not valid YAML ({what}).", line) from None
    if not isinstance(value, dict):
        raise AnnotationError(
            file, "It is YAML, but no list of settings such as names: and train:."
        )
    return value


def read_classes(files: Files, settings: dict[str, Any], file: str, say: Say) -> Classes:
    names = settings.get("names")
    if isinstance(names, dict):
        pairs = list(names.items())
    elif isinstance(names, list):
        pairs = list(enumerate(names))
    else:
        return _classes_in_list(files, file, say)
    found: dict[int, str] = {}
    for key, name in pairs:
        try:
            number = int(str(key))
            if not 0 <= number <= MAX_CLASS:
                raise ValueError
            found[number] = clean_label_name(str(name) if not isinstance(name, dict) else "")
        except LabelNameError as error:
            say(Problem(file, f"The name of class {visible(str(key), 20)}: {error}", "refused"))
        except ValueError:
            words = f"{visible(str(key), 20)!r} is no class number (0 to {MAX_CLASS:,}). Left out."
            say(Problem(file, words, "refused"))
    count = settings.get("nc")
    if isinstance(count, int) and count != len(found):
        words = f"It says nc: {count} and names {len(found)} classes. The names were taken."
        say(Problem(file, words, "mended"))
    return Classes(found, file, "kpt_shape" in settings)


def _classes_in_list(files: Files, file: str, say: Say) -> Classes:
    lists = [name for name in files.names
             if base_name(name).lower() in NAME_LISTS or suffix_of(name) == ".names"]  # fmt: skip
    if not lists:
        words = "No names of classes were found: they are called class 0, class 1 ... Add a "
        words += "data.yaml with names, or a classes.txt with one name a line."
        say(Problem(file or "data.yaml", words, "note"))
        return Classes({}, file)
    lists.sort(key=lambda name: (name.count("/"), name))
    try:
        text = read_file(files, lists[0], MAX_TEXT).decode("utf-8-sig")
    except (FileRefused, UnicodeDecodeError):
        raise AnnotationError(lists[0], "It cannot be read as a list of names in UTF-8.") from None
    found: dict[int, str] = {}
    for line, name in enumerate(text.rstrip().splitlines()[:MAX_CLASS]):
        try:
            found[line] = clean_label_name(name)
        except LabelNameError as error:
            say(Problem(lists[0], str(error), "refused", line + 1))
    return Classes(found, lists[0])


def label_map_of_classes(classes: Classes, file: str, say: Say) -> LabelMap | None:
    """Class 0 gets id 1, and so on. A name that stands twice is one label."""
    if not classes.names:
        return None
    names = [classes.names[number] for number in sorted(classes.names)]
    once = dict.fromkeys(names)
    if len(once) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        words = f"The name {visible(twice, 60)!r} stands for two classes, which became one label."
        say(Problem(file or classes.file, words, "mended"))
    return LabelMap.from_names(once)


def read_splits(
    files: Files,
    settings: dict[str, Any],
    file: str,
    images: Sequence[str],
    texts: Sequence[str],
    say: Say,
) -> Mapping[str, str]:
    """Splits as ``data.yaml`` says them, else as lists of images called train.txt and so on."""
    chosen: NameMap[str] = NameMap()
    said: list[tuple[str, str]] = []
    for split in SPLITS:
        value = settings.get(split) or (settings.get("valid") if split == "val" else None)
        places = value if isinstance(value, list) else [value]
        # Where there is no train, its line, which trainers need, repeats another: that one counts.
        if split == "train":
            others = [settings.get(other) for other in ("val", "test", "data")]
            places = [place for place in places if place not in others]
        said += [(split, place) for place in places if isinstance(place, str)]
    if not said:
        said = [(split_in(base_name(text)), text) for text in texts if split_in(base_name(text))]
    matcher = ImageMatcher(images)
    for name_of_split, place in said:
        found = _images_at(files, settings, file, place, images, matcher, say)
        if not found:
            words = f"{name_of_split}: {visible(place, 120)!r} means no image that is here. "
            words += "Passed over."
            say(Problem(file or place, words, "note"))
        for name in found:
            if chosen.setdefault(name, name_of_split) != name_of_split:
                words = f"It is in {chosen[name]} and in {name_of_split}; the first was taken."
                say(Problem(name, words, "mended"))
    return chosen


def _images_at(
    files: Files,
    settings: dict[str, Any],
    file: str,
    place: str,
    images: Sequence[str],
    matcher: ImageMatcher,
    say: Say,
) -> Sequence[str]:
    """The images that a split's folder, list or pattern means, among those that are here."""
    root = settings.get("path")
    bases = [folder_name(file)]
    if isinstance(root, str):
        bases.insert(0, posixpath.join(folder_name(file), root))
    for base in bases:
        path = _tidy(posixpath.join(base, place))
        if suffix_of(path) == ".txt":
            text = next((name for name in files.names if name == path), None)
            if text is not None:
                return _images_in_list(files, text, matcher, say)
        prefix = f"{path}/" if path else ""
        found = NameList(name for name in images if name.startswith(prefix))
        if found and path:
            return found
    # Roboflow writes ../train/images for train/images; others, paths of their own machine.
    tail = [part for part in place.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    while tail:
        wanted = "/".join(tail) + "/"
        found = NameList(name for name in images if f"/{wanted}" in f"/{name}")
        if found:
            return found
        tail.pop(0)
    return []


def _tidy(path: str) -> str:
    return posixpath.normpath(path.replace("\\", "/")).lstrip("/").removeprefix("./").strip(".")


def _images_in_list(files: Files, text: str, matcher: ImageMatcher, say: Say) -> Sequence[str]:
    try:
        lines = read_file(files, text, MAX_TEXT * 4).decode("utf-8-sig", "replace").splitlines()
    except FileRefused as error:
        say(Problem(text, str(error), "refused"))
        return []
    found: NameMap[int] = NameMap()
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        matches = matcher.match(name, text)
        if len(matches) == 1:
            found[matches[0]] = number
        else:
            which = "no image that is here" if not matches else "two images"
            words = f"{visible(name, 120)!r} means {which}. Passed over."
            say(Problem(text, words, "refused", number))
    return NameList(found)
