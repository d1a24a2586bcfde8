import pytest
from PIL import Image

from detection.drawing import INK, PALETTE, WHITE, chip_text, color_of, draw_detections
from detection.types import Detection


def luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))


def test_text_on_every_colour_is_readable():
    assert len({color for color, _ in PALETTE}) == 12
    for color, text_color in PALETTE:
        light, dark = sorted((luminance(color), luminance(text_color)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_colours_repeat_and_then_the_number_tells():
    assert color_of(1) == color_of(13)
    assert chip_text("monkey", 0.982, 1) == "monkey 98 %"
    assert chip_text("monkey", None, 13) == "13 monkey"


def test_a_box_is_two_strokes_and_no_fill():
    photo = Image.new("RGB", (400, 300), "white")
    drawn = draw_detections(photo, [Detection("cat", 1, 0.9, 100, 100, 200, 200)])
    assert drawn.getpixel((100, 150)) == rgb("#62C7FC")
    assert drawn.getpixel((98, 150)) != (255, 255, 255)
    assert drawn.getpixel((96, 150)) == (255, 255, 255)
    assert drawn.getpixel((150, 150)) == (255, 255, 255)
    # The chip stands above the corner.
    assert drawn.getpixel((103, 80)) == rgb("#62C7FC")
    assert photo.getpixel((100, 150)) == (255, 255, 255)


def test_the_surer_box_keeps_its_chip_outside():
    photo = Image.new("RGB", (400, 300), "white")
    pair = [Detection("a", 1, 0.5, 100, 100, 200, 200), Detection("b", 2, 0.9, 104, 102, 220, 210)]
    drawn = draw_detections(photo, pair)
    assert drawn.getpixel((107, 82)) == rgb("#CEBD34")
    assert drawn.getpixel((103, 110)) == rgb("#62C7FC")


def test_a_projects_own_colours_come_first():
    photo = Image.new("RGB", (400, 300), "white")
    box = Detection("cat", 1, 0.9, 100, 100, 200, 200)
    drawn = draw_detections(photo, [box], {"cat": "#123456"})
    assert drawn.getpixel((100, 150)) == rgb("#123456")


@pytest.mark.parametrize("size", [(1, 1), (20, 10), (640, 480), (5000, 200)])
def test_any_box_can_be_drawn(size):
    width, height = size
    corners = [
        (0, 0, width, height), (-50, -50, 10, 10), (width - 1, height - 1, width + 9, height + 9),
        (5, 5, 5, 5), (width + 50, 0, width + 60, 5),
    ]  # fmt: skip
    boxes = [Detection("犬 long name " * 9, n, 0.5, *box) for n, box in enumerate(corners, 1)]
    assert draw_detections(Image.new("L", size), boxes).size == size


def test_ink_and_white_are_apart():
    assert luminance(WHITE) > 0.99 > 0.01 > luminance(INK)
