"""More hostile inputs, made here by code: uploaded, and converted by the command line.

What each becomes stands beside it: photos taken, boxes taken, and words of the report.
"""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from detection.__main__ import main
from tests.workers.test_importing_hostile import (  # noqa: F401
    bounded,
    decoder,
    in_this_thread,
    upload,
)
from webapp.labeling.models import Annotation
from webapp.leases import Status

pytestmark = pytest.mark.django_db
Files = dict[str, bytes]
Case = tuple[Callable[[], Files], int, int, str | None]


def photo(side: int = 64, kind: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(target, kind, **options)
    return target.getvalue()


PHOTO = photo()


def zipped(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, data in entries:
            archive.writestr(info, data)
    return target.getvalue()


def central(data: bytes) -> int:
    """Where a zip's table of contents begins."""
    return data.index(b"PK\x01\x02")


def overlapping() -> Files:
    """A hundred entries of the table mean one entry's bytes."""
    packed = zipped(("0.png", PHOTO))
    at, end = central(packed), packed.index(b"PK\x05\x06")
    line = packed[at:end]
    table = b"".join(
        line[:28] + struct.pack("<H", 7) + line[30:46] + b"%03d.png" % n + line[51:]
        for n in range(100)
    )
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 100, 100, len(table), at, 0)
    return {"overlap.zip": packed[:at] + table + tail}


def lying_zip64() -> Files:
    """One entry says by its zip64 field that it has a terabyte."""
    packed = zipped(("a.png", PHOTO))
    at, end = central(packed), packed.index(b"PK\x05\x06")
    extra = struct.pack("<HHQ", 1, 8, 1 << 40)
    line = bytearray(packed[at:end])
    line[24:28] = b"\xff" * 4
    line[30:32] = struct.pack("<H", len(extra))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(line) + len(extra), at, 0)
    return {"wide.zip": packed[:at] + bytes(line) + extra + tail}


def encrypted() -> Files:
    packed = bytearray(zipped(("a.png", PHOTO)))
    packed[6] |= 1
    packed[central(bytes(packed)) + 8] |= 1
    return {"locked.zip": bytes(packed)}


def bad_names() -> Files:
    """A NUL, a drive, a climb by backslashes; a link to a file of the machine; and one good one."""
    link = zipfile.ZipInfo("link.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    packed = zipped(
        ("nul_in.png", PHOTO), ("C:\\evil.png", PHOTO), ("..\\..\\evil.png", PHOTO),
        (link, b"/etc/passwd"), ("good.png", PHOTO),
    )  # fmt: skip
    return {"names.zip": packed.replace(b"nul_in.png", b"nul\0in.png")}


def unicode_twins() -> Files:
    """One name in two Unicode forms, with two pictures."""
    return {"twins.zip": zipped(("caf\u00e9.png", PHOTO), ("cafe\u0301.png", photo(65)))}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(kind: bytes, data: bytes) -> bytes:
    return PHOTO[:33] + chunk(kind, data) + PHOTO[33:]


def profile_bomb() -> Files:
    """A colour profile of 64 MB in 300 kB."""
    return {"icc.png": png_with(b"iCCP", b"p\0\0" + zlib.compress(bytes(64 << 20), 1))}


def many_frames() -> Files:
    """A GIF of 5,000 frames."""
    still = photo(8, "GIF")
    frame = still[still.index(b",") : -1]
    return {"frames.gif": still[:-1] + frame * 5_000 + b";"}


def ring_of_pages() -> Files:
    """A TIFF whose first page says that it is followed by itself."""
    data = bytearray(photo(8, "TIFF"))
    at = struct.unpack_from("<I", data, 4)[0]
    (count,) = struct.unpack_from("<H", data, at)
    struct.pack_into("<I", data, at + 2 + 12 * count, at)
    return {"ring.tif": bytes(data)}


def page_and_picture() -> Files:
    """A GIF that a browser which guesses would take for a page."""
    still = photo(8, "GIF")
    words = b"<html><script>document.title='XSS-gif'</script></html>"
    comment = b"!\xfe" + bytes([len(words)]) + words + b"\0"
    at = still.index(b",")
    return {"page.gif": still[:at] + comment + still[at:]}


def many_scans() -> Files:
    """A progressive JPEG whose first scan stands there five hundred times."""
    data = photo(256, "JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff\xda", first + 2)
    tables = data.rfind(b"\xff\xc4", first, second)
    scan = data[first : tables if tables > 0 else second]
    return {"scans.jpg": data[:first] + scan * 500 + data[first:]}


def voc(text: str) -> Files:
    return {"a.xml": text.encode(), "a.png": PHOTO}


def laughs() -> Files:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return voc(
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{entities}]><annotation><object><name>&l9;</name>'
        "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
        "</annotation>"
    )


def outer_types() -> Files:
    return voc(
        '<!DOCTYPE annotation SYSTEM "http://127.0.0.1:9/evil.dtd"><annotation><object>'
        "<name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
        "</object></annotation>"
    )


def deep_xml() -> Files:
    return voc("<annotation>" + "<part>" * 200_000 + "</part>" * 200_000 + "</annotation>")


def deep_cvat() -> Files:
    deep = "<a>" * 200_000 + "</a>" * 200_000
    image = f'<image id="0" name="a.png">{deep}</image>'
    text = f"<annotations><version>1.1</version>{image}</annotations>"
    return {"annotations.xml": text.encode(), "a.png": PHOTO}


def coco(annotation: str) -> Files:
    text = (
        '{"images":[{"id":1,"file_name":"a.png","width":64,"height":64}],'
        f'"categories":[{{"id":1,"name":"cat"}}],"annotations":[{annotation}]}}'
    )
    return {"coco.json": text.encode(), "a.png": PHOTO}


BOX = '"id":1,"image_id":1,"category_id":1'


def big_lengths() -> Files:
    return coco(
        f'{{{BOX},"iscrowd":0,"segmentation":{{"size":[99999,99999],"counts":[0,{10**40}]}}}}'
    )


def numbers_in_yolo() -> Files:
    """A line of a million numbers, and one of words."""
    return {
        "images/a.png": PHOTO,
        "labels/a.txt": b"0 " + b"0.5 0.25 " * 500_000 + b"\n0 0.5 0.5 0.25 0.25\n",
        "data.yaml": b"names: [cat]\ntrain: images\n",
    }


def long_field() -> Files:
    head = b"filename,width,height,class,xmin,ymin,xmax,ymax\n"
    rows = b"a.png,64,64,c\0at,1,1,9,9\na.png,64,64," + b"c" * (20 << 20) + b",1,1,9,9\n"
    return {"a.csv": head + rows + b"a.png,64,64,cat,1,1,9,9\n", "a.png": PHOTO}


def lying_record() -> Files:
    """A record that says it has an exabyte, in a file of some bytes."""
    head = struct.pack("<Q", 1 << 60)
    return {"train.record": head + bytes(60), "label_map.pbtxt": b"item { id: 1 name: 'cat' }"}


def places_elsewhere() -> Files:
    """Label Studio's tasks whose pictures lie on the machine and on the net."""
    value = {"x": 1, "y": 1, "width": 9, "height": 9, "rectanglelabels": ["cat"]}
    result = {
        "type": "rectanglelabels", "from_name": "label", "to_name": "image",
        "original_width": 64, "original_height": 64, "value": value,
    }  # fmt: skip
    tasks = [
        {"id": n, "data": {"image": at}, "annotations": [{"id": n, "result": [result]}]}
        for n, at in enumerate(
            ["file:///etc/passwd", "http://127.0.0.1:9/x.png", "/data/local-files/?d=../a.png"]
        )
    ]
    return {"tasks.json": json.dumps(tasks).encode(), "a.png": PHOTO}


def escapes() -> Files:
    """Names that would colour a terminal, turn text around, or run in a spreadsheet."""
    name = "=cmd|' /C calc'!A0\x1b]0;owned\x07\u202e.png"
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>99</xmax><ymax>9</ymax></bndbox>"
    text = f"<annotation><object><name>@SUM(1)</name>{box}</object></annotation>"
    return {name: PHOTO, f"{name[:-4]}.xml": text.encode()}


CASES: dict[str, Case] = {
    "zip: entries share their bytes": (overlapping, 1, 0, "shares its bytes"),
    "zip: a size of a terabyte": (lying_zip64, 0, 0, "unpacks to 1,099,512 MB"),
    "zip: locked": (encrypted, 0, 0, "password"),
    "zip: names that lead elsewhere, a link": (bad_names, 1, 0, "link to another file"),
    "zip: one name in two Unicode forms": (unicode_twins, 2, 0, "letters are encoded"),
    "PNG: a colour profile of 64 MB": (profile_bomb, 0, 0, None),
    "GIF: 5,000 frames": (many_frames, 1, 0, ""),
    "TIFF: a page followed by itself": (ring_of_pages, 1, 0, ""),
    "GIF: a page in it": (page_and_picture, 1, 0, ""),
    "JPEG: 500 scans": (many_scans, 1, 0, None),
    "SVG: named .jpg": (lambda: {"a.jpg": b"<svg></svg>"}, 0, 0, "SVG"),
    "XML: billion laughs": (laughs, 1, 0, "declares an entity"),
    "XML: types from elsewhere": (outer_types, 1, 1, None),
    "XML: 200,000 deep": (deep_xml, 1, 0, None),
    "CVAT: 200,000 deep": (deep_cvat, 1, 0, None),
    "COCO: nested 200,000 deep": (
        lambda: coco(f'{{{BOX},"bbox":{"[" * 200_000}{"]" * 200_000}}}'), 1, 0, "nested too deeply",
    ),
    "COCO: a number that is infinite": (
        lambda: coco(f'{{{BOX},"bbox":[1,1,1e999,9]}}'), 1, 0, "not four finite numbers",
    ),
    "COCO: a number of 10,000 digits": (
        lambda: coco(f'{{{BOX},"bbox":[1,1,{"9" * 10_000},9]}}'), 1, 0, "digits",
    ),
    "COCO: a key twice": (
        lambda: coco(f'{{{BOX},"bbox":[1,1,5,5],"bbox":[2,2,5,5]}}'), 1, 1, "",
    ),
    "COCO: enormous run lengths": (big_lengths, 1, 0, None),
    "YOLO: a line of a million numbers": (numbers_in_yolo, 1, 1, "the limit is 1,000,000"),
    "CSV: a NUL and a field of 20 MB": (long_field, 1, -1, None),
    "TFRecord: a record of an exabyte": (lying_record, 0, 0, None),
    "Label Studio: pictures elsewhere": (places_elsewhere, 1, -1, None),
    "names: escapes and formulas": (escapes, 1, 1, "Clipped to 64"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_uploaded(case: str, client_of: Any, owner: Any, project: Any) -> None:
    make, photos, boxes, words = CASES[case]
    client = client_of(owner)
    row = upload(client, project, make())
    said = "\n".join(map(str, row.problems.all()))
    assert (row.status, row.reason) == (Status.FINISHED, "")
    assert (row.num_taken, boxes) == (photos, boxes if boxes < 0 else Annotation.objects.count())
    assert words is None or (words in said if words else not said), said
    for address in (f"imports/{row.pk}/", "images/"):
        page = client.get(f"/projects/{project.pk}/{address}")
        assert (page.status_code, b"\x1b" in page.content) == (200, False)
    for image in project.images.all():
        original = client.get(f"/projects/{project.pk}/images/{image.pk}/original")
        assert original["Content-Type"] in (f"image/{image.format}", "application/octet-stream")
        assert original["X-Content-Type-Options"] == "nosniff"
        assert original["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("case", CASES)
def test_converted(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make = CASES[case][0]
    source = tmp_path / "in"
    for name, data in make().items():
        path = source / name.replace("/C calc", "C calc")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    only = next(source.iterdir())
    status = main([
        "convert", "--to", "csv", str(only if only.suffix == ".zip" else source),
        str(tmp_path / "out"),
    ])  # fmt: skip
    printed = capsys.readouterr()
    assert status in (0, 1)
    assert "Traceback" not in printed.err
    assert "\x1b" not in printed.err + printed.out
    assert printed.err.startswith("convert: ") if status else True
