"""Photos for the browser tests: the microcontroller set of ../shared, or shapes drawn here."""

import io
import random
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
MICROCONTROLLER = ROOT.parent / "shared" / "data" / "microcontroller" / "images"
SHAPES = {"disc": (214, 66, 54), "square": (52, 96, 204)}
NamedBox = tuple[str, list[int]]


def draw_shapes(seed: int, size: tuple[int, int] = (400, 300)) -> tuple[bytes, list[NamedBox]]:
    """A JPEG with one disc and one square on noise, and their boxes (xmin, ymin, xmax, ymax)."""
    chance = random.Random(seed)
    width, height = size
    noise = Image.effect_noise((width // 8, height // 8), 60).resize(size)
    picture = Image.merge("RGB", [noise.point(lambda v, k=k: v // 2 + k) for k in (70, 80, 60)])
    pen, boxes = ImageDraw.Draw(picture), []
    for column, (label, color) in enumerate(SHAPES.items()):
        side = chance.randint(60, 110)
        left = column * width // 2 + chance.randint(5, width // 2 - side - 5)
        top = chance.randint(5, height - side - 5)
        box = [left, top, left + side, top + side]
        (pen.ellipse if label == "disc" else pen.rectangle)(box, fill=color)
        boxes.append((label, box))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue(), boxes


def voc_xml(name: str, size: tuple[int, int], boxes: list[NamedBox]) -> str:
    objects = "".join(
        f"<object><name>{escape(label)}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin>"
        f"<xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for label, box in boxes
    )
    return (
        f"<annotation><filename>{escape(name)}</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height><depth>3</depth></size>{objects}</annotation>"
    )


def shapes_zip(path: Path, count: int = 24) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for seed in range(count):
            data, boxes = draw_shapes(seed)
            archive.writestr(f"shapes/shape_{seed:03d}.jpg", data)
            archive.writestr(
                f"shapes/shape_{seed:03d}.xml", voc_xml(f"shape_{seed:03d}.jpg", (400, 300), boxes)
            )
    return path


def training_zip(path: Path) -> Path:
    """A zip of labelled photos: all of the microcontroller set, or 24 drawn ones."""
    if not MICROCONTROLLER.exists():
        return shapes_zip(path)
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(MICROCONTROLLER.rglob("*")):
            if file.suffix.lower() in {".jpg", ".jpeg", ".png", ".xml"}:
                archive.write(file, file.relative_to(MICROCONTROLLER.parent))
    return path


def new_photo() -> bytes:
    """A JPEG, in no zip, that shows what `training_zip` does."""
    if not MICROCONTROLLER.exists():
        return draw_shapes(99)[0]
    first = min(MICROCONTROLLER.rglob("*.jpg"))
    buffer = io.BytesIO()
    with Image.open(first) as photo:
        photo.convert("RGB").resize((640, 480)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
