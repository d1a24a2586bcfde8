import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from detection.image_headers import exif_orientation, read_jpeg_header, size_in_header
from detection.images import (
    ImageRefused,
    check_decodes,
    encode_jpeg,
    make_preview,
    open_upright,
    open_with_facts,
    probe_image,
    sha256_of,
    to_rgb,
    upright_jpeg_bytes,
)

# Upright: red left of blue, over white. What each orientation stores is turned back here.
_TURN_BACK = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quarters() -> Image.Image:
    image = Image.new("RGB", (64, 48), "white")
    image.paste("red", (0, 0, 32, 24))
    image.paste("blue", (32, 0, 64, 24))
    return image


def saved(image: Image.Image, format_name: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def turned(orientation: int, format_name: str) -> bytes:
    method = _TURN_BACK[orientation]
    stored = quarters() if method is None else quarters().transpose(method)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(stored, format_name, exif=exif)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_shows_the_same_picture(orientation, format_name):
    data = turned(orientation, format_name)
    facts, image = open_with_facts(data)
    assert (facts.width, facts.height) == image.size == (64, 48)
    corners = [image.getpixel(at) for at in ((8, 8), (56, 8), (8, 40))]
    expected = [(255, 0, 0), (0, 0, 255), (255, 255, 255)]
    assert np.abs(np.subtract(corners, expected)).max() < 40
    assert probe_image(data) == facts


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_jpeg_bytes_need_no_exif(orientation):
    data = turned(orientation, "JPEG")
    upright, name = upright_jpeg_bytes(data)
    assert name == "jpeg"
    assert (upright == data) == (orientation == 1)
    assert read_jpeg_header(upright).orientation == 1
    assert Image.open(io.BytesIO(upright)).size == (64, 48)


def test_what_is_kept_as_it_is_and_what_is_encoded_again():
    grey = saved(quarters().convert("L"), "JPEG")
    png = saved(quarters(), "PNG")
    assert upright_jpeg_bytes(grey) == (grey, "jpeg")
    assert upright_jpeg_bytes(png) == (png, "png")
    for other in (
        saved(quarters().convert("CMYK"), "JPEG"),
        saved(quarters().convert("P"), "PNG"),
        saved(quarters().convert("RGBA"), "PNG"),
        saved(quarters(), "PNG", transparency=(255, 0, 0)),
        saved(quarters(), "WEBP"),
        saved(quarters(), "GIF"),
        turned(6, "PNG"),
    ):
        data, name = upright_jpeg_bytes(other)
        assert name == "jpeg"
        assert data != other
        assert Image.open(io.BytesIO(data)).size == (64, 48)


def test_grey_of_16_bits_is_scaled_and_not_clipped():
    deep = np.array([[0, 257, 32896, 65535]], np.uint16)
    image = to_rgb(Image.fromarray(deep))
    assert [image.getpixel((x, 0)) for x in range(4)] == [
        (0, 0, 0), (1, 1, 1), (128, 128, 128), (255, 255, 255),
    ]  # fmt: skip


def test_float_and_32_bit_grey_use_their_own_range():
    values = np.array([[-1.0, 0.0, 1.0, np.nan]], np.float32)
    image = to_rgb(Image.fromarray(values))
    assert [image.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]
    flat = to_rgb(Image.fromarray(np.full((2, 2), 7.0, np.float32)))
    assert flat.getpixel((0, 0)) == (0, 0, 0)
    deep = to_rgb(Image.fromarray(np.array([[0, 65535]], np.int32)))
    assert deep.getpixel((1, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_white(mode):
    image = Image.new("RGBA", (4, 4), (200, 0, 0, 0)).convert(mode)
    if mode == "P":
        image = Image.new("P", (4, 4), 0)
        image.putpalette([200, 0, 0])
        image = Image.open(io.BytesIO(saved(image, "PNG", transparency=0)))
    assert to_rgb(image).getpixel((1, 1)) == (255, 255, 255)


def test_cmyk_bilevel_and_odd_modes():
    assert to_rgb(Image.new("CMYK", (2, 2), (0, 255, 255, 0))).getpixel((0, 0)) == (255, 0, 0)
    assert to_rgb(Image.new("1", (2, 2), 1)).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(Image.new("YCbCr", (2, 2))).mode == "RGB"


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    facts, image = open_with_facts(data)
    assert facts.format == "gif"
    assert image.getpixel((0, 0)) == (255, 0, 0)


def png_of_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body
            + struct.pack(">I", zlib.crc32(kind + body))
        )  # fmt: skip

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def test_too_many_pixels_are_refused_from_the_header():
    for call in (probe_image, open_upright, upright_jpeg_bytes):
        with pytest.raises(ImageRefused, match=r"50000x50000, which is 2,500 million pixels; the"):
            call(png_of_size(50_000, 50_000))
    webp = b"RIFF\0\0\0\0WEBPVP8X" + struct.pack("<I", 10) + b"\0" * 4
    webp += (16_382).to_bytes(3, "little") * 2 + b"\0" * 40
    with pytest.raises(ImageRefused, match="16383x16383"):
        probe_image(webp)
    with pytest.raises(ImageRefused, match="the limit is 0 million"):
        probe_image(saved(quarters(), "JPEG"), max_pixels=100)
    with pytest.raises(ImageRefused, match="64x48"):
        upright_jpeg_bytes(saved(quarters(), "JPEG"), max_pixels=100)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty."),
        (b"hello", "It is text, not a picture."),
        (b"<?xml version='1.0'?><svg onload='x()'/>", "SVG drawing"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><html>", "HTML page"),
        (b"<?xml version='1.0'?><a/>", "XML file"),
        (b"PK\x03\x04....\xff", "ZIP archive"),
        (b"%PDF-1.4\xff", "PDF document"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "video"),
        (b"\x00\xff\xfe\x01" * 8, "not a picture that can be read"),
        (b"\xff\xd8\xff\xe0 and no more", "read"),
        (b"\x89PNG\r\n\x1a\n", "read"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(data, words):
    for call in (open_upright, probe_image, upright_jpeg_bytes, check_decodes):
        with pytest.raises(ImageRefused, match=words):
            call(data)


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8))


@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
def test_cut_short_pictures_say_how_far_they_go(format_name):
    data = saved(noise(), format_name)
    half = data[: len(data) // 2]
    for call in (open_upright, upright_jpeg_bytes):
        with pytest.raises(ImageRefused, match=rf"The {format_name} is cut short: .* 480 rows\."):
            call(half)
    with pytest.raises(ImageRefused, match="cut short"):
        check_decodes(half)
    check_decodes(data)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"])
def test_no_cut_or_altered_byte_crashes(format_name):
    data = bytearray(saved(quarters(), format_name))
    rng = np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 6):
            broken[at] = rng.integers(0, 256)
        for candidate in (bytes(broken), bytes(data[: rng.integers(0, len(data))])):
            for call in (probe_image, open_upright, upright_jpeg_bytes):
                try:
                    call(candidate)
                except ImageRefused:
                    pass


def test_sources_may_be_paths_and_files(tmp_path):
    data = saved(quarters(), "JPEG")
    path = tmp_path / "wrong.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert probe_image(path) == probe_image(data) == probe_image(file)
        assert sha256_of(path) == sha256_of(data) == sha256_of(file)
    assert probe_image(path).format == "jpeg"
    assert probe_image(path).mime == "image/jpeg"


def test_previews_keep_proportions_and_never_grow():
    image = Image.new("RGB", (400, 100))
    assert make_preview(image, 100).size == (100, 25)
    assert make_preview(image, 1000).size == (400, 100)
    assert image.size == (400, 100)
    reduced = open_upright(saved(noise(), "JPEG"), min_side=150)
    assert 150 <= max(reduced.size) < 640


def test_encoded_jpegs_carry_no_metadata():
    _, image = open_with_facts(turned(6, "JPEG"))
    data = encode_jpeg(image)
    assert b"Exif" not in data
    assert open_upright(data).size == (64, 48)


def test_headers_by_hand():
    assert size_in_header(png_of_size(7, 9)) == (7, 9)
    assert size_in_header(saved(quarters(), "GIF")) == (64, 48)
    for options in ({"lossless": True}, {"lossless": False}):
        assert size_in_header(saved(quarters(), "WEBP", **options)) == (64, 48)
    assert size_in_header(saved(quarters(), "WEBP", exif=Image.Exif().tobytes())) == (64, 48)
    assert size_in_header(b"nothing") is None
    header = read_jpeg_header(saved(quarters(), "JPEG"))
    assert (header.width, header.height, header.num_components) == (64, 48, 3)
    assert read_jpeg_header(b"\xff\xd8\xff\xc0\x00\x08") is None
    for broken in (b"", b"II*\0", b"II*\0\xff\xff\xff\xff\0\0", b"MM\0*\0\0\0\x08\0\x01"):
        assert exif_orientation(broken) == 1
