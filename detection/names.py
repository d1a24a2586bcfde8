"""Names of files inside a user's dataset: text to show and to match, never paths to open.

A name is a path relative to its dataset with ``/`` between folders, such as ``train/cat_17.jpg``.
"""

from __future__ import annotations

import re
import unicodedata

IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff",
    ".gif", ".avif", ".avifs",
})  # fmt: skip
_UNSAFE_IN_PATHS = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\/]')
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]
)
_MAX_PART_BYTES = 180
# Folders that stand side by side in the layouts of labelImg, CVAT, Pascal VOC and others:
# Annotations/cat.xml belongs to JPEGImages/cat.jpg.
_LAYOUT_FOLDERS = frozenset({
    "annotation", "annotations", "annots", "label", "labels", "xml", "xmls",
    "image", "images", "img", "imgs", "jpegimages", "photo", "photos", "picture", "pictures",
})  # fmt: skip
# What operating systems leave in folders and archives; passed over without a word.
_CLUTTER_FOLDERS = frozenset({"__macosx", ".git", ".svn", "$recycle.bin", ".ipynb_checkpoints"})
_CLUTTER_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def base_name(name: str) -> str:
    """The part after the last folder; takes both kinds of slash, as ``<filename>`` may hold any."""
    return re.split(r"[\\/]", name)[-1]


def folder_name(name: str) -> str:
    """The folders of ``name`` without the file; empty at the top."""
    return name.rpartition("/")[0]


def suffix_of(name: str) -> str:
    """The file's suffix in lower case with its dot, or an empty string."""
    base = name.rpartition("/")[2]
    stem, dot, suffix = base.rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def stem_of(name: str) -> str:
    """``name`` without its suffix, folders kept: ``train/a.b.jpg`` gives ``train/a.b``."""
    suffix = suffix_of(name)
    return name[: len(name) - len(suffix)] if suffix else name


def match_key(name: str) -> str:
    """What two spellings of one name share: its Unicode composition (NFC) does not matter."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def layout_key(path: str) -> str:
    """``path`` without its layout folders, in one composition: what its twins elsewhere share.

    ``BCCD/JPEGImages/a`` and ``BCCD/Annotations/a`` both give ``BCCD/a``; the last part stays.
    """
    *folders, last = match_key(path).split("/")
    return "/".join([*(part for part in folders if part.lower() not in _LAYOUT_FOLDERS), last])


def has_image_suffix(name: str) -> bool:
    """Whether ``name`` looks like an image's; its content still decides what it is."""
    return suffix_of(name) in IMAGE_SUFFIXES


def is_clutter(name: str) -> bool:
    """Whether ``name`` is something that an operating system left, such as ``__MACOSX/._a.jpg``."""
    *folders, base = name.split("/")
    if any(folder.lower() in _CLUTTER_FOLDERS for folder in folders):
        return True
    return base.lower() in _CLUTTER_FILES or base.startswith("._")


class UniquePaths:
    """Makes relative paths out of names from foreign files, for writing below a folder.

    A path never climbs out of its folder or starts at a root, can be written on every operating
    system, and never equals another one that this object made, case aside.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def path_for(self, name: str) -> str:
        """A path like ``name``, with ``/`` between folders, and a number where it was taken."""
        parts = [part for part in re.split(r"[\\/]", name) if part not in ("", ".", "..")]
        path = "/".join(map(_safe_part, parts)) or "unnamed"
        chosen, count = path, 1
        while chosen.casefold() in self._taken:
            count += 1
            chosen = f"{path}-{count}"
        self._taken.add(chosen.casefold())
        return chosen


def _safe_part(part: str) -> str:
    safe = _UNSAFE_IN_PATHS.sub("_", part.encode("utf-8", "replace").decode("utf-8"))
    safe = "".join("_" if character in _BIDI_CONTROLS else character for character in safe)
    safe = safe.encode("utf-8")[:_MAX_PART_BYTES].decode("utf-8", "ignore").rstrip(". ")
    if safe.partition(".")[0].lower() in _WINDOWS_DEVICES or not safe:
        safe = f"_{safe}"
    return safe


def visible(text: str, limit: int = 300) -> str:
    """``text`` made safe to show in a sentence: control and direction characters become visible.

    Different names stay different (up to ``limit`` characters): a tab reads ``␉``, a
    right-to-left override ``[U+202E]``.
    """
    shown = text if text.isprintable() else "".join(map(_visible_character, text))
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def _visible_character(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if character in _BIDI_CONTROLS or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
        return f"[U+{code:04X}]"
    return character
