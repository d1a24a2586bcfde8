"""What the first bytes of a picture say, read without a decoder.

Used to refuse by name what is no picture, to know a size before a decoder allocates for it, and to
see in microseconds whether a JPEG is upright.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

_FOREIGN = (
    (b"%PDF-", "PDF document"),
    (b"PK\x03\x04", "ZIP archive"),
    (b"PK\x05\x06", "ZIP archive"),
    (b"Rar!", "RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"8BPS", "Photoshop document"),
    (b"\x00\x00\x01\x00", "Windows icon (ICO)"),
    (b"\x00\x00\x02\x00", "Windows cursor (CUR)"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL picture"),
    (b"\xff\x0a", "JPEG XL picture"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000 picture"),
    (b"\x1aE\xdf\xa3", "video"),
)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
_AVIF_BRANDS = (b"avif", b"avis")
_TAKEN = "Boxloop takes JPEG, PNG, WebP, AVIF, BMP, TIFF and GIF."
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Start-of-frame markers; C4, C8 and CC among them mean other things.
_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def words_for_foreign(head: bytes) -> str | None:
    """A sentence that refuses ``head`` where it is the start of something else than a picture."""
    if not head:
        return "The file is empty."
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return f"It is a {name}, not a picture that can be read. {_TAKEN}"
    if head[4:8] == b"ftyp" and head[8:12] not in _AVIF_BRANDS and b"avif" not in head[:64]:
        name = "HEIC picture" if head[8:12] in _HEIF_BRANDS else "video"
        return f"It is a {name}, not a picture that can be read. {_TAKEN}"
    return _words_for_text(head)


def _words_for_text(head: bytes) -> str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1024].lower()
    if b"<svg" in start and start.startswith(b"<"):
        return f"It is an SVG drawing, which can hold programs. {_TAKEN}"
    if start.startswith((b"<!doctype html", b"<html", b"<script", b"<head", b"<body")):
        return f"It is an HTML page, not a picture. {_TAKEN}"
    if start.startswith(b"<?xml"):
        return f"It is an XML file, not a picture. {_TAKEN}"
    return f"It is text, not a picture. {_TAKEN}" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    """Whether ``head`` is UTF-8 without control characters; its last character may be cut."""
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        return all(character.isprintable() or character in "\t\n\r\f" for character in text)
    return False


def size_in_header(head: bytes) -> tuple[int, int] | None:
    """Width and height as stored, for PNG, GIF and WebP; None where ``head`` does not tell.

    These are the formats whose size stands at a fixed place; Pillow reads others lazily.
    """
    if head.startswith(_PNG_SIGNATURE) and head[12:16] == b"IHDR" and len(head) >= 24:
        return struct.unpack(">II", head[16:24])
    if head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        return struct.unpack("<HH", head[6:10])
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp_size(head)
    return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return (
            1 + int.from_bytes(head[24:27], "little"),
            1 + int.from_bytes(head[27:30], "little"),
        )
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """A JPEG's frame, as stored."""

    width: int
    height: int
    num_components: int
    bits: int
    orientation: int
    is_rgb: bool

    @property
    def is_plain_upright(self) -> bool:
        """Whether any decoder shows it upright, in grey or in three channels of 8 bits."""
        return (
            self.orientation == 1
            and self.num_components in (1, 3)
            and self.bits == 8
            and self.width > 0
            and self.height > 0
        )


def read_jpeg_header(data: bytes) -> JpegHeader | None:
    """The frame header and EXIF orientation of JPEG bytes; None where they cannot be followed."""
    if data[:2] != b"\xff\xd8":
        return None
    at, end, orientation, is_rgb = 2, len(data), 1, False
    while at + 4 <= end and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = data[at + 2] << 8 | data[at + 3]
        if length < 2 or marker == 0xDA:
            return None
        if marker in _SOF_MARKERS:
            if length < 8 or at + 10 > end:
                return None
            bits, height, width, components = struct.unpack(">BHHB", data[at + 4 : at + 10])
            return JpegHeader(width, height, components, bits, orientation, is_rgb)
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = exif_orientation(data[at + 10 : at + 2 + length])
        elif marker == 0xEE and data[at + 4 : at + 9] == b"Adobe":
            is_rgb = data[at + 15 : at + 16] == b"\0"
        at += 2 + length
    return None


def ends_as_jpeg(data: bytes) -> bool:
    """Whether JPEG bytes reach their end-of-image marker; cameras may pad a little after it."""
    return data.rfind(b"\xff\xd9", max(0, len(data) - 64)) >= 0


def exif_orientation(tiff: bytes) -> int:
    """The orientation (1..8) in a TIFF-structured EXIF block; 1 where it is absent or broken."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 10:
        return 1
    (at,) = struct.unpack_from(f"{order}I", tiff, 4)
    if at + 2 > len(tiff):
        return 1
    (count,) = struct.unpack_from(f"{order}H", tiff, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
        if tag == 0x0112:
            code = "H" if kind == 3 else "I"
            (value,) = struct.unpack_from(f"{order}{code}", tiff, entry + 8)
            return value if 1 <= value <= 8 else 1
    return 1


def png_orientation(file: BinaryIO) -> int:
    """The orientation in a PNG's ``eXIf`` chunk, found by stepping over the others."""
    file.seek(8)
    orientation = 1
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"eXIf" and length <= 65536:
            orientation = exif_orientation(file.read(length).removeprefix(b"Exif\0\0"))
            break
        if kind == b"IEND" or length > 2**31:
            break
        file.seek(length + 4, 1)
    file.seek(0)
    return orientation


def png_is_rgb8(data: bytes) -> bool:
    """Whether PNG bytes hold 8-bit RGB without transparency."""
    is_rgb8 = data[:8] == _PNG_SIGNATURE and data[24:26] == b"\x08\x02"
    return is_rgb8 and b"tRNS" not in data[: max(data.find(b"IDAT"), 0)]
