import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detection.formats.numbers import NumberRefused, parse_number
from detection.formats.voc import (
    DatasetError,
    VocError,
    VocFolder,
    labelled_image,
    parse_voc,
    read_voc,
    write_voc,
)
from detection.formats.voc_xml import MAX_BOXES
from detection.splits import SplitError
from detection.types import Box, LabelledImage

LABELIMG = """<annotation>
  <folder>images</folder>
  <filename>cat.jpg</filename>
  <size><width>640</width><height>480</height><depth>3</depth></size>
  <object>
    <name>cat</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
    <bndbox><xmin>10</xmin><ymin>20</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>
  </object>
</annotation>"""
ROBOFLOW = """<annotation><folder></folder><filename>cat_jpg.rf.0a1b.jpg</filename>
<path>cat_jpg.rf.0a1b.jpg</path><source><database>roboflow.com</database></source>
<size><width>640</width><height>480</height><depth>3</depth></size>
<object><name>cat</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>
<occluded>0</occluded>
<bndbox><xmin>10</xmin><xmax>30</xmax><ymin>20</ymin><ymax>40</ymax></bndbox></object></annotation>"""
CVAT = """<?xml version="1.0" encoding="utf-8"?><annotation><folder/><filename>cat.jpg</filename>
<source><database>Unknown</database></source><size><width>640</width><height>480</height><depth/></size>
<segmented>0</segmented><object><name>cat</name><occluded>0</occluded>
<bndbox><xmin>10.0</xmin><ymin>20.0</ymin><xmax>30.0</xmax><ymax>40.0</ymax></bndbox>
<attributes><attribute><name>rotation</name><value>0.0</value></attribute></attributes>
</object></annotation>"""
VOTT = """<annotation verified="yes"><folder>Annotation</folder><filename>cat.jpg</filename>
<path>vott/cat.jpg</path><size><width>640</width><height>480</height><depth>3</depth></size>
<object><name>cat</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>
<bndbox><xmin>10.00000001</xmin><ymin>2.0e1</ymin><xmax> 30 </xmax><ymax>+40</ymax></bndbox>
</object></annotation>"""


def xml(objects: str, size: str = "<size><width>640</width><height>480</height></size>") -> bytes:
    return f"<annotation><filename>a.jpg</filename>{size}{objects}</annotation>".encode()


def an_object(corners=(10, 20, 30, 40), name="cat", extra="") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    bounds = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name>{extra}<bndbox>{bounds}</bndbox></object>"


@pytest.mark.parametrize("text", [LABELIMG, ROBOFLOW, CVAT, VOTT])
def test_reads_what_the_tools_write(text):
    voc = parse_voc(text.encode(), "cat.xml")
    assert voc.filename.startswith("cat")
    assert (voc.width, voc.height) == (640, 480)
    image, problems = labelled_image(voc, "cat.jpg", 640, 480)
    assert problems == []
    assert [box.label for box in image.boxes] == ["cat"]
    assert image.boxes[0].xyxy == pytest.approx((10, 20, 30, 40))


def test_flags_pose_and_lines():
    voc = parse_voc(LABELIMG.encode(), "cat.xml")
    assert voc.boxes == (Box("cat", 10, 20, 30, 40, truncated=True, pose="Left"),)
    assert voc.lines == (5,)
    assert voc.folder == "images"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings(encoding):
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?>' + xml(an_object(name="café")).decode()
    assert parse_voc(text.encode(encoding), "a.xml").boxes[0].label == "café"


@pytest.mark.parametrize(
    ("data", "words", "line"),
    [
        (b"", "The file is empty", None),
        (b"<annotation>\n<object></annotation>", "not well-formed XML", 2),
        (b"<html></html>", "starts with <html> and not <annotation>", None),
        (b"<!DOCTYPE a [\n<!ENTITY x 'y'>]><annotation/>", "declares an entity", 2),
        (b"<!DOCTYPE a [<!ENTITY % d SYSTEM 'http://127.0.0.1:9/d'> %d;]><annotation/>",
         "declares an entity", 1),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><annotation/>".encode("utf-16"), "declares an ent", 1),
        (b"<annotation>caf\xe9</annotation>", "not well-formed", 1),
        (b"<annotation>" + b"<a>" * 400 + b"</a>" * 400 + b"</annotation>", "not well-formed", 1),
        (b"x" * (33 << 20), "the limit is 32 MiB", None),
        (b'<?xml version="1.0" encoding="klingon"?><annotation/>', "XML", None),
    ],
)  # fmt: skip
def test_files_refused_as_a_whole(data, words, line):
    with pytest.raises(VocError, match=words) as refusal:
        parse_voc(data, "bad.xml")
    assert refusal.value.problem.file == "bad.xml"
    assert line is None or refusal.value.problem.line == line


def test_entities_never_reach_a_name(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("CANARY")
    # The declaration stands behind more comment than is looked through beforehand.
    data = (
        f"<!DOCTYPE a [<!--{'x' * 100_000}--><!ENTITY e SYSTEM 'file://{secret}'>]>"
        f"<annotation>{an_object(name='&e;')}</annotation>"
    )
    with pytest.raises(VocError, match="declares an entity"):
        parse_voc(data.encode(), "a.xml")


@pytest.mark.parametrize(
    ("element", "words"),
    [
        (an_object(("nan", 0, 1, 1)), "Box 1 (cat) has xmin 'nan', which is not a number."),
        (an_object((0, "inf", 1, 1)), "has ymin 'inf'"),
        (an_object((0, 0, "0x10", 1)), "has xmax '0x10'"),
        (an_object((0, 0, "２５０", 1)), "has xmax '２５０'"),
        (an_object((0, 0, 1, "1e400")), "has ymax '1e400', which is too large"),
        (an_object((0, 0, "1_0", 1)), "has xmax '1_0'"),
        (an_object((0, 0, "", 1)), "has xmax empty, which is not a number"),
        (an_object(name=""), "Box 1: A label's name is empty."),
        (an_object(name="x" * 5000), "has 5,000 characters; the limit is 100."),
        ("<object><name>cat</name></object>", "Box 1 (cat) has no <bndbox>."),
        ("<object><name>cat</name><robndbox/></object>", "has no <cx>."),
        ("<object><name>cat</name><bndbox><xmin>1</xmin></bndbox></object>", "has no <ymin>."),
    ],
)
def test_objects_refused_one_by_one(element, words):
    voc = parse_voc(xml(f"\n{element}\n{an_object()}"), "a.xml")
    assert [box.xyxy for box in voc.boxes] == [(10, 20, 30, 40)]
    assert voc.numbers == (2,)
    assert [problem.severity for problem in voc.problems] == ["refused"]
    assert words in voc.problems[0].message
    assert voc.problems[0].line == 2


def test_an_objects_own_box_not_its_parts():
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax>"
    part += "<ymax>2</ymax></bndbox></part>"
    voc = parse_voc(xml(an_object(extra=part)), "a.xml")
    assert [box.xyxy for box in voc.boxes] == [(10, 20, 30, 40)]


def test_too_many_boxes_are_refused():
    with pytest.raises(VocError, match="more than 10,000 boxes"):
        parse_voc(xml("<object/>" * (MAX_BOXES + 1)), "a.xml")


def size(width, height) -> str:
    return f"<size><width>{width}</width><height>{height}</height></size>"


@pytest.mark.parametrize(
    ("said", "picture", "orientation", "box", "words"),
    [
        (size(640, 480), (640, 480), 1, (10, 20, 30, 40), None),
        ("", (640, 480), 1, (10, 20, 30, 40), "no usable <size>; the picture's own, 640x480"),
        (size(0, 0), (640, 480), 1, (10, 20, 30, 40), "no usable <size>"),
        (size(1280, 960), (640, 480), 1, (5, 10, 15, 20), "boxes were scaled by 0.5"),
        (size(640, 481), (640, 480), 1, (10, 20 * 480 / 481, 30, 40 * 480 / 481), "scaled"),
        (size(300, 300), (640, 480), 1, (10, 20, 30, 40), "were taken as its pixels"),
        (size(480, 640), (640, 480), 1, (10, 20, 30, 40), "were taken as its pixels"),
        # Stored 480x640, turned clockwise: x becomes 640 - y.
        (size(480, 640), (640, 480), 6, (600, 10, 620, 30), "drawn before it, and were turned"),
        (size(640, 480), (640, 480), 6, (10, 20, 30, 40), None),
    ],
)
def test_size_that_is_not_the_pictures(said, picture, orientation, box, words):
    voc = parse_voc(xml(an_object(), said), "a.xml")
    image, problems = labelled_image(voc, "a.jpg", *picture, orientation)
    assert image.boxes[0].xyxy == pytest.approx(box)
    assert (image.width, image.height) == picture
    if words is None:
        assert problems == []
    else:
        assert words in problems[0].message


def test_numbers():
    assert [parse_number(text) for text in (" 1 ", "-2.5", "+.5", "3.", "1e2")] == [
        1, -2.5, 0.5, 3, 100,
    ]  # fmt: skip
    for bad in ("", "1,5", "١", "1 2", "0b1", "infinity", "9" * 100):
        with pytest.raises(NumberRefused):
            parse_number(bad)


names = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=("C", "Z", "M")),
    min_size=1, max_size=20,
)  # fmt: skip
labels = names.map(lambda text: " ".join(text.split())).filter(
    lambda text: text and text == unicodedata.normalize("NFC", text)
)
sides = st.integers(0, 999) | st.floats(0, 999, allow_nan=False)


@st.composite
def boxes(draw):
    xmin, ymin = draw(sides), draw(sides)
    return Box(
        draw(labels), xmin, ymin,
        draw(st.floats(xmin + 0.5, 1000)), draw(st.floats(ymin + 0.5, 1000)),
        difficult=draw(st.booleans()), truncated=draw(st.booleans()),
        pose=draw(st.sampled_from(["Unspecified", "Left", "Frontal"])),
    )  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(boxes(), max_size=4, unique_by=lambda box: (box.label, box.xyxy)),
    names.filter(lambda name: "/" not in name and "\\" not in name),
)
def test_reads_back_what_it_writes(written, name):
    image = LabelledImage(f"folder/{name}", 1000, 1000, tuple(written))
    voc = parse_voc(write_voc(image), "a.xml")
    assert (voc.filename, voc.folder) == (name, "folder")
    assert labelled_image(voc, image.name, 1000, 1000) == (image, [])


def test_writes_what_xml_can_hold():
    data = write_voc(LabelledImage("a\x01\t<b>.jpg", 10, 10, (Box("<i>&", 1, 2, 3.5, 4),)))
    voc = parse_voc(data, "a.xml")
    assert voc.filename == "a\ufffd\t<b>.jpg"
    assert voc.boxes[0].label == "<i>&"
    assert b"<xmin>1</xmin>" in data
    assert b"<xmax>3.5</xmax>" in data


def put(root, name: str, data: bytes | str | None = None):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        Image.new("RGB", (640, 480)).save(path, "JPEG")
    else:
        path.write_bytes(data if isinstance(data, bytes) else data.encode())


def test_reads_a_folder(tmp_path):
    put(tmp_path, "train/a.jpg")
    put(tmp_path, "train/a.xml", xml(an_object()))
    put(tmp_path, "test/a.jpg")
    put(tmp_path, "test/a.xml", xml(""))
    put(tmp_path, "test/alone.jpg")
    put(tmp_path, "test/broken.jpg")
    put(tmp_path, "test/broken.xml", "<annotation>")
    put(tmp_path, "test/cut.jpg", b"text")
    put(tmp_path, "test/cut.xml", xml(an_object()))
    put(tmp_path, "test/orphan.xml", b"<annotation><filename>nowhere.jpg</filename></annotation>")
    put(tmp_path, ".cache/hidden.jpg")
    problems = []
    read = list(read_voc(tmp_path, problems=problems))
    assert [(image.name, len(image.boxes)) for image, _ in read] == [
        ("test/a.jpg", 0), ("train/a.jpg", 1),
    ]  # fmt: skip
    assert read[1][0].source == tmp_path / "train/a.jpg"
    said = {problem.file: problem.message for problem in problems}
    assert set(said) == {"test/alone.jpg", "test/orphan.xml", "test/broken.xml", "test/cut.jpg"}
    assert "text, not a picture" in said["test/cut.jpg"]

    chosen = list(read_voc(tmp_path, ["train/a"]))
    assert [image.name for image, _ in chosen] == ["train/a.jpg"]
    with pytest.raises(SplitError, match="'a' could be"):
        list(read_voc(tmp_path, ["a"]))
    with pytest.raises(SplitError, match="no labelled image 'alone'"):
        list(read_voc(tmp_path, ["alone"]))


def test_folders_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        VocFolder(tmp_path / "missing")
    with pytest.raises(DatasetError, match="no images"):
        VocFolder(tmp_path)
    put(tmp_path, "a.jpg")
    with pytest.raises(DatasetError, match="no Pascal VOC XML"):
        VocFolder(tmp_path)


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    put(outside, "secret.jpg")
    put(tmp_path, "data/a.jpg")
    put(tmp_path, "data/a.xml", xml(""))
    (tmp_path / "data/link.jpg").symlink_to(outside / "secret.jpg")
    (tmp_path / "data/folder").symlink_to(outside)
    assert VocFolder(tmp_path / "data").image_names == ["a.jpg"]


def test_reads_the_reference_sets(shared):
    found = {name: list(read_voc(shared / "data" / name)) for name in ("bccd", "microcontroller")}
    assert [len(images) for images in found.values()] == [364, 149]
    assert [sum(len(image.boxes) for image, _ in images) for images in found.values()] == [
        4886, 177,
    ]  # fmt: skip
    problems = [problem for images in found.values() for _, said in images for problem in said]
    assert len(problems) == 2
    assert all("has no area" in problem.message for problem in problems)
