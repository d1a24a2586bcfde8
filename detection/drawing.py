"""Draws detections on a photo: a box in its label's colour, a chip with name and per cent.

The look is that of the web pages: two strokes on one rectangle (ink below, colour above), never a
fill; the chip stands above the box's top left corner, or inside it where there is no room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from detection.types import Detection

INK = "#0A0D0E"
WHITE = "#FFFFFF"
# Apart for colour-blind eyes and on light and dark; text on the last of each pair is readable.
PALETTE: tuple[tuple[str, str], ...] = (
    ("#62C7FC", INK), ("#CEBD34", INK), ("#E3526F", INK), ("#0CA387", INK),
    ("#8782FF", INK), ("#C7853B", INK), ("#D01B2D", WHITE), ("#8ACF89", INK),
    ("#4860BE", WHITE), ("#F799C0", INK), ("#137D4A", WHITE), ("#A3517E", WHITE),
)  # fmt: skip

_HALO_ALPHA = round(255 * 0.62)
# Sizes in pixels of a photo whose longer side has this many; larger photos get larger strokes.
_REFERENCE_SIDE = 1280
_HALO, _STROKE, _CHIP_HEIGHT, _CHIP_GAP, _FONT_SIZE, _PADDING, _RADIUS = 4, 2, 20, 4, 12, 6, 4
_FONT_FILES = (
    "NotoSans-SemiBold.ttf", "NotoSans-Bold.ttf", "DejaVuSans-Bold.ttf",
    "LiberationSans-Bold.ttf", "segoeuib.ttf", "Arial Bold.ttf", "Helvetica.ttc",
)  # fmt: skip
_EAST_ASIAN_FONT_FILES = (
    "NotoSansCJK-Bold.ttc", "NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "msyh.ttc",
    "PingFang.ttc", "Arial Unicode.ttf",
)  # fmt: skip
_FIRST_EAST_ASIAN = 0x2E80


def color_of(class_id: int) -> tuple[str, str]:
    """A class id's colour and the colour of text on it, as ``#RRGGBB``. Repeats after 12."""
    return PALETTE[(class_id - 1) % len(PALETTE)]


def chip_text(label: str, score: float | None, class_id: int | None = None) -> str:
    """``"monkey 98 %"``. From class 13 on, colours repeat and the id is added: ``"13 monkey"``."""
    name = f"{class_id} {label}" if class_id is not None and class_id > len(PALETTE) else label
    return name if score is None else f"{name} {score * 100:.0f} %"


def draw_detections(
    image: Image.Image,
    detections: Iterable[Detection],
    colors: dict[str, str] | None = None,
) -> Image.Image:
    """A copy of an RGB photo with its detections drawn, the surest on top.

    Args:
        image: the upright photo that the detections' pixels are of.
        colors: ``#RRGGBB`` by label, where a project has its own.
    """
    drawn = image.convert("RGB")
    if drawn is image:
        drawn = image.copy()
    scale = max(1.0, max(image.size) / _REFERENCE_SIDE)
    ordered = sorted(detections, key=lambda detection: detection.score)
    for detection in ordered:
        _draw_box(drawn, detection, _color(detection, colors)[0], scale)
    chips: list[_Chip] = []
    for detection in reversed(ordered):
        chips.append(_place_chip(detection, _color(detection, colors), image.size, scale, chips))
    for chip in reversed(chips):
        _draw_chip(drawn, chip, scale)
    return drawn


def _color(detection: Detection, colors: dict[str, str] | None) -> tuple[str, str]:
    if colors and detection.label in colors:
        own = colors[detection.label]
        return own, _text_on(own)
    return color_of(detection.class_id)


def _text_on(color: str) -> str:
    """Ink or white, whichever has more contrast (WCAG 2 relative luminance)."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return INK if (luminance + 0.05) ** 2 > 1.05 * 0.054 else WHITE


def _draw_box(image: Image.Image, detection: Detection, color: str, scale: float) -> None:
    halo, stroke = max(2, round(_HALO * scale)), max(1, round(_STROKE * scale))
    draw = ImageDraw.Draw(image, "RGBA")
    corners = _corners(detection, image.size)
    draw.rectangle(_grown(corners, halo / 2), outline=(10, 13, 14, _HALO_ALPHA), width=halo)
    draw.rectangle(_grown(corners, stroke / 2), outline=color, width=stroke)


def _corners(detection: Detection, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The box within the photo's pixels, in order even where it has no area."""
    width, height = size
    xmin = min(max(detection.xmin, 0), width - 1)
    ymin = min(max(detection.ymin, 0), height - 1)
    return xmin, ymin, min(max(detection.xmax, xmin), width), min(max(detection.ymax, ymin), height)


def _grown(
    corners: tuple[float, float, float, float], by: float
) -> tuple[float, float, float, float]:
    """The outer pixels of a stroke that is centred on the rectangle's edge."""
    xmin, ymin, xmax, ymax = corners
    left, top = round(xmin - by), round(ymin - by)
    return left, top, max(left, round(xmax + by) - 1), max(top, round(ymax + by) - 1)


@dataclass(frozen=True)
class _Chip:
    text: str
    color: str
    text_color: str
    left: int
    top: int
    width: int
    height: int

    def overlaps(self, other: _Chip) -> bool:
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )


def _place_chip(
    detection: Detection,
    colors: tuple[str, str],
    size: tuple[int, int],
    scale: float,
    placed: Sequence[_Chip],
) -> _Chip:
    """Above the corner; inside where there is no room or a surer box's chip stands there."""
    text = chip_text(detection.label, detection.score, detection.class_id)
    height, gap = round(_CHIP_HEIGHT * scale), round(_CHIP_GAP * scale)
    edge = round(_STROKE * scale / 2)
    length = _font_for(text, scale).getlength(text)
    width = min(round(length + 2 * _PADDING * scale), max(size[0], 1))
    xmin, ymin, xmax, _ = _corners(detection, size)
    left = round(xmin) - edge
    if left + width > size[0]:
        left = round(xmax) + edge - width
    left = max(0, min(left, size[0] - width))
    inside = min(round(ymin) + gap, max(0, size[1] - height))
    above = round(ymin) - edge - gap - height
    chip = _Chip(text, *colors, left, above if above >= 0 else inside, width, height)
    if above >= 0 and any(chip.overlaps(other) for other in placed):
        return _Chip(text, *colors, left, inside, width, height)
    return chip


def _draw_chip(image: Image.Image, chip: _Chip, scale: float) -> None:
    """Drawn at four times its size, as Pillow's round corners have no soft edges."""
    fine, ring = 4, max(1, round(scale))
    size = (chip.width + 2 * ring, chip.height + 2 * ring)
    mask = Image.new("L", (size[0] * fine, size[1] * fine), 0)
    radius = round((_RADIUS * scale + ring) * fine)
    box = (0, 0, size[0] * fine - 1, size[1] * fine - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius, fill=255)
    layer = Image.new("RGB", mask.size, INK)
    inner = (ring * fine, ring * fine, box[2] - ring * fine, box[3] - ring * fine)
    ImageDraw.Draw(layer).rounded_rectangle(inner, round(_RADIUS * scale * fine), fill=chip.color)
    layer = layer.resize(size, Image.Resampling.BOX)
    font = _font_for(chip.text, scale)
    middle = (ring + round(_PADDING * scale), size[1] / 2)
    ImageDraw.Draw(layer).text(middle, chip.text, chip.text_color, font, anchor="lm")
    mask = mask.resize(size, Image.Resampling.BOX)
    image.paste(layer, (chip.left - ring, chip.top - ring), mask)


def _font_for(text: str, scale: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return _font(round(_FONT_SIZE * scale), any(ord(c) >= _FIRST_EAST_ASIAN for c in text))


@lru_cache(maxsize=16)
def _font(size: int, is_east_asian: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The first of the system's fonts that fits, else Pillow's own."""
    files = _EAST_ASIAN_FONT_FILES + _FONT_FILES if is_east_asian else _FONT_FILES
    for name in files:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
