"""Small drawn images to learn from: coloured rectangles on grey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from detection.formats.voc import write_voc
from detection.picture_cache import BOX, CachedSplit
from detection.types import Box, LabelledImage

COLOURS = {"red": (220, 40, 40), "blue": (40, 70, 220)}


def draw_scene(number: int, side: int = 128) -> tuple[Image.Image, tuple[Box, ...]]:
    """A picture with one rectangle of each colour, and its boxes in pixels."""
    random = np.random.default_rng(number)
    image = Image.new("RGB", (side, side), (128, 132, 126))
    draw = ImageDraw.Draw(image)
    boxes = []
    for row, (label, colour) in enumerate(COLOURS.items()):
        width, height = random.integers(side // 4, side // 3, 2)
        xmin = int(random.integers(2, side - width - 2))
        ymin = int(row * side // 2 + random.integers(2, side // 2 - height - 2))
        draw.rectangle((xmin, ymin, xmin + width - 1, ymin + height - 1), fill=colour)
        boxes.append(Box(label, xmin, ymin, xmin + int(width), ymin + int(height)))
    return image, tuple(boxes)


def scene_split(count: int, side: int) -> CachedSplit:
    """``count`` scenes as the trainer has them, labels in COLOURS' order."""
    pixels = np.zeros((count, side, side, 3), np.uint8)
    boxes = np.zeros((count, len(COLOURS), 4), np.float32)
    classes = np.tile(np.arange(len(COLOURS), dtype=np.int32), (count, 1))
    kinds = np.zeros((count, len(COLOURS), 2), np.float32)
    kinds[..., BOX] = 1
    for number in range(count):
        image, found = draw_scene(number, side)
        pixels[number] = np.asarray(image)
        boxes[number] = [[value / side for value in box.xyxy] for box in found]
    names = [f"scene_{number}.png" for number in range(count)]
    sizes = np.full((count, 2), side, np.int32)
    return CachedSplit(pixels, boxes, classes, kinds, names, sizes)


def write_scenes(folder: Path, count: int, first: int = 0) -> list[str]:
    """``count`` scenes with Pascal VOC annotations below ``folder``; their stems."""
    folder.mkdir(parents=True, exist_ok=True)
    stems = []
    for number in range(first, first + count):
        image, boxes = draw_scene(number)
        stem = f"scene_{number}"
        image.save(folder / f"{stem}.png")
        labelled = LabelledImage(f"{stem}.png", *image.size, boxes)
        (folder / f"{stem}.xml").write_bytes(write_voc(labelled))
        stems.append(stem)
    return stems
