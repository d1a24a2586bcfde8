"""Opening users' pictures: hostile until checked, upright and RGB after.

A picture's format is found by its content, its size is read from the header and held against a
limit before anything is decoded, and its EXIF orientation is applied once, here. Everything
downstream (boxes, previews, records, detection) is in the upright frame.

How pixels become 8-bit RGB: grey is repeated in three channels; 16-bit values are scaled by
1/257, never clipped; transparent pixels are laid on white; CMYK is converted; colour profiles are
left aside. Of an animation or a many-page file the first frame is taken.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from detection import image_headers

MAX_PIXELS = 100_000_000
# Pillow's names for what is taken, and the names and types that Boxloop gives them.
_FORMATS = {
    "JPEG": ("jpeg", "image/jpeg"),
    "MPO": ("jpeg", "image/jpeg"),
    "PNG": ("png", "image/png"),
    "WEBP": ("webp", "image/webp"),
    "BMP": ("bmp", "image/bmp"),
    "TIFF": ("tiff", "image/tiff"),
    "GIF": ("gif", "image/gif"),
    "AVIF": ("avif", "image/avif"),
}
# Pillow opens an MPO as a JPEG and sees then what it is.
_OPENED = tuple(name for name in _FORMATS if name != "MPO")
SUFFIX_BY_FORMAT = {
    "jpeg": ".jpg", "png": ".png", "webp": ".webp", "bmp": ".bmp", "tiff": ".tif",
    "gif": ".gif", "avif": ".avif",
}  # fmt: skip
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_JPEG_QUALITY = 95

ImageSource = Path | bytes | BinaryIO


class ImageRefused(ValueError):
    """A picture that cannot be taken. The message is a sentence; it does not name the file."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a picture's header says. ``width`` and ``height`` are those of the upright image."""

    format: str
    mime: str
    width: int
    height: int
    orientation: int
    mode: str
    num_frames: int

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height before the turn."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def probe_image(source: ImageSource, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """Read a picture's header without decoding its pixels.

    Raises:
        ImageRefused: it is no picture of a known format, or has more than ``max_pixels``.
    """
    with _opened(source, max_pixels) as (image, orientation):
        return _facts(image, orientation)


def open_upright(
    source: ImageSource, max_pixels: int = MAX_PIXELS, min_side: int | None = None
) -> Image.Image:
    """Decode a picture whole and return it upright, 8-bit RGB.

    Args:
        min_side: where given, a JPEG may be decoded smaller (by 2, 4 or 8) as long as its longer
            side keeps at least this many pixels; much faster for previews.

    Raises:
        ImageRefused: as ``probe_image``; or it is cut short or damaged.
    """
    return open_with_facts(source, max_pixels, min_side)[1]


def open_with_facts(
    source: ImageSource, max_pixels: int = MAX_PIXELS, min_side: int | None = None
) -> tuple[ImageFacts, Image.Image]:
    """``probe_image`` and ``open_upright`` in one reading of the file."""
    with _opened(source, max_pixels) as (image, orientation):
        facts = _facts(image, orientation)
        height = image.height
        if min_side is not None and image.format in ("JPEG", "MPO"):
            image.draft(None, _draft_size(image.size, min_side))
        _load(image, height)
        return facts, _turn(to_rgb(image), orientation)


def to_rgb(image: Image.Image) -> Image.Image:
    """A decoded picture of any mode as 8-bit RGB, by the rules at the top of this module."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image if type(image) is Image.Image else image.copy()
    if image.mode.startswith(("I", "F")):
        return _deep_grey_to_rgb(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGB", layer.size, "white")
        paper.paste(layer, mask=layer.getchannel("A"))
        return paper
    try:
        return image.convert("RGB")
    except ValueError:
        raise ImageRefused(f"Its colours ({image.mode}) cannot be converted to RGB.") from None


def make_preview(image: Image.Image, max_side: int) -> Image.Image:
    """An RGB image whose longer side has at most ``max_side`` pixels; one that fits is returned."""
    scale = max_side / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # Hamming looks like bicubic when pictures shrink, at a third of Lanczos's time.
    return image.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)


def encode_jpeg(image: Image.Image, quality: int = _JPEG_QUALITY) -> bytes:
    """An RGB image as JPEG bytes, without metadata; full colour resolution from quality 90 on."""
    target = io.BytesIO()
    subsampling = 0 if quality >= 90 else 2
    image.save(target, "JPEG", quality=quality, subsampling=subsampling, exif=b"")
    return target.getvalue()


def upright_jpeg_bytes(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[bytes, str]:
    """Bytes that a training program reads upright without knowing EXIF, and their format.

    A JPEG that is upright, grey or three-channel, and ends where it should is returned as it is
    (``"jpeg"``), and so is an upright 8-bit RGB PNG (``"png"``). Everything else is decoded and
    encoded again as an upright JPEG.

    Raises:
        ImageRefused: it is not a picture, or is damaged.
    """
    header = image_headers.read_jpeg_header(data)
    if header is not None and header.is_plain_upright:
        if header.width * header.height > max_pixels:
            raise _too_many_pixels(header.width, header.height, max_pixels)
        if image_headers.ends_as_jpeg(data):
            return data, "jpeg"
    facts, image = open_with_facts(data, max_pixels)
    if header is not None and header.is_plain_upright:
        return data, "jpeg"
    is_still_png = facts.format == "png" and facts.num_frames == 1
    if is_still_png and facts.orientation == 1 and image_headers.png_is_rgb8(data):
        return data, "png"
    return encode_jpeg(image), "jpeg"


def light_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height where any browser shows these bytes as Boxloop does, and they are no
    heavier than needed: a plain upright JPEG without a colour profile, of at most a third of a
    byte a pixel. None for all others."""
    header = image_headers.read_jpeg_header(data)
    if (
        header is not None
        and header.is_plain_upright
        and not header.is_rgb
        and 3 * len(data) <= header.width * header.height
        and image_headers.ends_as_jpeg(data)
        and b"ICC_PROFILE\0" not in data[: 64 * 1024]
    ):
        return header.width, header.height
    return None


def check_decodes(data: bytes, max_pixels: int = MAX_PIXELS) -> None:
    """Decode a picture to the end and drop it; a JPEG small, which is several times faster.

    Raises ImageRefused where it is cut short or damaged.
    """
    with _opened(data, max_pixels) as (image, _):
        height = image.height
        if image.format in ("JPEG", "MPO"):
            image.draft(None, (1, 1))
        _load(image, height)


def sha256_of(source: ImageSource) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal, read in pieces."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    if isinstance(source, Path):
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    source.seek(0)
    digest = hashlib.sha256()
    while piece := source.read(1 << 20):
        digest.update(piece)
    source.seek(0)
    return digest.hexdigest()


@contextmanager
def _opened(source: ImageSource, max_pixels: int) -> Iterator[tuple[Image.Image, int]]:
    """The picture, opened and checked against the limit but not decoded, and its orientation."""
    file: BinaryIO
    if isinstance(source, bytes):
        file = io.BytesIO(source)
    elif isinstance(source, Path):
        file = source.open("rb")
    else:
        file = source
    try:
        _check_header(file, max_pixels)
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of sizes that our own limit has already judged.
            warnings.simplefilter("ignore")
            image = _open_with_pillow(file)
            width, height = image.size
            if width * height > max_pixels:
                raise _too_many_pixels(width, height, max_pixels)
            yield image, _orientation(image, file)
    finally:
        if isinstance(source, Path):
            file.close()


def _check_header(file: BinaryIO, max_pixels: int) -> None:
    """Refuse what is not a picture by name, and what is too large before Pillow sees it."""
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    refusal = image_headers.words_for_foreign(head)
    if refusal:
        raise ImageRefused(refusal)
    size = image_headers.size_in_header(head)
    if size and size[0] * size[1] > max_pixels:
        raise _too_many_pixels(*size, max_pixels)


def _open_with_pillow(file: BinaryIO) -> Image.Image:
    try:
        return Image.open(file, formats=_OPENED)
    except UnidentifiedImageError:
        raise ImageRefused("Its content is not a picture that can be read.") from None
    except Image.DecompressionBombError:
        raise ImageRefused("Its header claims more pixels than can be taken.") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError) as error:
        if "Decompressed data too large" in str(error):
            raise ImageRefused("It holds a block of text that unpacks to over 1 MiB.") from None
        raise ImageRefused(f"Its header cannot be read ({_reason(error)}).") from None


def _load(image: Image.Image, height: int) -> None:
    """Decode the pixels. ``height`` is that of the file, for a JPEG may be decoded smaller."""
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError) as error:
        words = str(error)
        if "truncated" in words or isinstance(error, EOFError):
            raise ImageRefused(_words_for_truncated(image, height)) from None
        if "broken data stream" in words:
            raise ImageRefused("It is damaged: its data breaks off or does not fit.") from None
        raise ImageRefused(f"It is damaged and cannot be decoded ({_reason(error)}).") from None
    except MemoryError:
        raise ImageRefused("There is not enough memory to decode it.") from None


def _words_for_truncated(image: Image.Image, height: int) -> str:
    """How far a picture that is cut short could be read."""
    name = _FORMATS[str(image.format)][0].upper()
    # Rows that were never decoded stay black; a wholly black picture tells nothing.
    core = getattr(image, "_im", None)
    covered = core.getbbox() if core is not None else None
    if covered and covered[3] < image.height:
        rows = round(covered[3] * height / image.height)
        return f"The {name} is cut short: it ends after about {rows} of its {height} rows."
    return f"The {name} is cut short: its data ends before the picture does."


def _reason(error: Exception) -> str:
    return (str(error).strip().rstrip(".") or type(error).__name__)[:120]


def _too_many_pixels(width: int, height: int, max_pixels: int) -> ImageRefused:
    return ImageRefused(
        f"Its header says {width}x{height}, which is {width * height / 1e6:,.0f} million pixels; "
        f"the limit is {max_pixels / 1e6:,.0f} million."
    )


def _facts(image: Image.Image, orientation: int) -> ImageFacts:
    format_name, mime = _FORMATS[str(image.format)]
    width, height = image.size
    if orientation >= 5:
        width, height = height, width
    # To count the frames of a GIF or TIFF Pillow walks the whole file; an APNG's header tells.
    num_frames = int(getattr(image, "n_frames", 1)) if image.format == "PNG" else 1
    return ImageFacts(format_name, mime, width, height, orientation, image.mode, num_frames)


def _orientation(image: Image.Image, file: BinaryIO) -> int:
    """The EXIF orientation that is still to be applied, 1..8."""
    if image.format in ("TIFF", "GIF", "BMP"):
        return 1  # Pillow turns a TIFF while it decodes; the others have no such thing.
    if image.format == "PNG":
        # Asking Pillow would decode the whole picture to find a chunk that may stand last.
        return image_headers.png_orientation(file)
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # Broken EXIF takes many shapes, and none of them matters.
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    turned = image.transpose(_TRANSPOSE[orientation]) if orientation in _TRANSPOSE else image
    turned.info = {}
    return turned


def _draft_size(size: tuple[int, int], min_side: int) -> tuple[int, int]:
    """The size to ask of Pillow's draft mode, which never goes below what is asked."""
    scale = min(1.0, min_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    """16-bit grey by 1/257; 32-bit and float grey by what is in it, as they have no fixed white."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        scaled = values.astype(np.float32) / 257.0
    else:
        numbers = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
        low, high = float(numbers.min()), float(numbers.max())
        if image.mode == "I" and low >= 0 and high <= 65535:
            low, high = 0.0, 65535.0
        scaled = (numbers - low) * (255.0 / (high - low)) if high > low else numbers * 0.0
    grey = np.rint(scaled).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
