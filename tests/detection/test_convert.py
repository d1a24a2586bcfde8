import io

import pytest
from PIL import Image

from detection.convert import ConversionError, convert
from detection.formats.tfrecord import RecordWriter, decode_example, encode_example, read_records
from detection.formats.voc import read_voc, write_voc
from detection.label_map import LabelMap, read_label_map, write_label_map
from detection.types import Box, LabelledImage


def picture(color="grey", size=(64, 48), **options) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "JPEG", **options)
    return file.getvalue()


def put(root, name: str, *boxes: Box, data: bytes | None = None):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data or picture())
    path.with_suffix(".xml").write_bytes(write_voc(LabelledImage(name, 64, 48, boxes)))


CAT, DOG = Box("cat", 1, 2, 30, 40, difficult=True), Box("dog", 10.5, 0, 64, 48)


@pytest.fixture
def voc(tmp_path):
    """Four images, two of them of one name, in train and val; one of them a negative."""
    root = tmp_path / "voc"
    put(root, "a/one.jpg", CAT, DOG)
    put(root, "b/one.jpg", DOG, data=picture("red"))
    put(root, "a/two.jpg", data=picture("blue"))
    put(root, "a/three.jpg", CAT, DOG, data=picture("white"))
    (root / "splits").mkdir()
    (root / "splits/train.txt").write_text("a/one\na/two\nthree\nmissing\n")
    (root / "splits/val.txt").write_text("b/one\n")
    return root


def by_content(root):
    return {
        image.source.read_bytes(): (image.width, image.height, image.boxes)
        for image, _ in read_voc(root)
    }


def test_voc_to_tfrecord_and_back(voc, tmp_path):
    seen = []
    report = convert(
        "voc", "tfrecord", voc, tmp_path / "rec", on_progress=lambda *n: seen.append(n)
    )
    assert report.images == {"train": 3, "val": 1}
    assert report.boxes == 5
    assert [str(problem) for problem in report.problems] == [
        "train.txt, line 4: there is no labelled image 'missing'. Names are paths relative to the "
        "data, without suffix, for instance a/one. Passed over."
    ]
    assert seen[-1] == (4, 4)
    assert [path.name for path in report.files] == [
        "label_map.pbtxt", "train-00000-of-00001", "val-00000-of-00001",
    ]  # fmt: skip
    # The commonest label comes first.
    assert read_label_map(tmp_path / "rec/label_map.pbtxt").names == ("dog", "cat")
    filenames = [e.one_bytes("image/filename") for e in read_records(tmp_path / "rec")]
    assert filenames == [b"one.jpg", b"three.jpg", b"two.jpg", b"b/one.jpg"]

    report = convert("tfrecord", "voc", tmp_path / "rec", tmp_path / "again")
    assert report.images == {"train": 3, "val": 1}
    assert report.problems == []
    assert by_content(tmp_path / "again") == by_content(voc)
    assert (tmp_path / "again/ImageSets/Main/val.txt").read_text() == "b/one\n"
    report = convert("voc", "tfrecord", tmp_path / "again", tmp_path / "rec2")
    assert [path.read_bytes() for path in report.files] == [
        (tmp_path / "rec" / path.name).read_bytes() for path in report.files
    ]


def test_examples_equal_those_of_the_api(shared, tmp_path):
    convert("voc", "tfrecord", shared / "data/bccd", tmp_path / "rec")
    ours, theirs = (
        {example.one_bytes("image/filename"): example for example in read_records(path)}
        for path in (tmp_path / "rec/test", shared / "reference/odapi/bccd_test.record")
    )
    assert len(theirs) == 72
    assert ours == theirs


def test_a_label_map_numbers_and_chooses(voc, tmp_path):
    own = tmp_path / "own.pbtxt"
    own.write_text("item { id: 5 name: 'cat' }")
    report = convert("voc", "tfrecord", voc, tmp_path / "rec", label_map=own)
    assert report.boxes == 2
    assert "The label map has no 'dog'" in str(report.problems[-1])
    (voc / "label_map.pbtxt").write_text(write_label_map(LabelMap.from_names(["cat", "dog"])))
    convert("voc", "tfrecord", voc, tmp_path / "rec2")
    assert read_label_map(tmp_path / "rec2/label_map.pbtxt").names == ("cat", "dog")


def test_images_in_no_split_are_written_and_said(voc, tmp_path):
    (voc / "splits/train.txt").write_text("three\n")
    report = convert("voc", "tfrecord", voc, tmp_path / "rec")
    assert report.images == {"train": 1, "val": 1, "data": 2}
    assert "2 labelled images are in no split" in " ".join(map(str, report.problems))


def test_bad_images_are_left_out_and_the_rest_goes_on(voc, tmp_path):
    put(voc, "a/cut.jpg", CAT, data=picture(size=(640, 480))[:-2000])
    exif = Image.Exif()
    exif[0x0112] = 6
    put(voc, "a/turned.jpg", CAT, data=picture(size=(48, 64), exif=exif))
    report = convert("voc", "tfrecord", voc, tmp_path / "rec")
    assert report.num_images == 5
    words = " ".join(map(str, report.problems))
    assert "a/cut.jpg: The JPEG is cut short" in words
    turned = [e for e in read_records(tmp_path / "rec")
              if e.one_bytes("image/filename") == b"turned.jpg"]  # fmt: skip
    image, data, _ = decode_example(turned[0])
    assert Image.open(io.BytesIO(data)).size == (image.width, image.height) == (64, 48)
    assert image.boxes == (CAT,)


def test_records_are_hostile_too(tmp_path):
    label_map = LabelMap.from_names(["cat"])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = picture(size=(48, 64), exif=exif)
    items = [
        (LabelledImage("../../HOSTILE.jpg", 64, 48, (Box("cat", -9, 0, 900, 48),)), picture()),
        (LabelledImage("same.jpg", 64, 48, (Box("cat", 5, 5, 5, 5),)), picture("red")),
        (LabelledImage("same.jpg", 64, 48), picture("blue")),
        (LabelledImage("no.jpg", 64, 48), b"not a picture"),
        # The API reads a turned JPEG as stored, and so its boxes are.
        (LabelledImage("turned.jpg", 48, 64, (Box("cat", 10, 20, 30, 40),)), turned),
    ]
    with RecordWriter(tmp_path / "in/val") as writer:
        for image, data in items:
            writer.write(encode_example(image, data, "jpeg", label_map))
    report = convert("tfrecord", "voc", tmp_path / "in", tmp_path / "out")
    assert report.num_images == 4
    assert sorted(path.name for path in (tmp_path / "out/JPEGImages").iterdir()) == [
        "HOSTILE.jpg", "same-2.jpg", "same.jpg", "turned.jpg",
    ]  # fmt: skip
    assert not list(tmp_path.glob("*HOSTILE*"))
    boxes = {image.name: [b.xyxy for b in image.boxes] for image, _ in read_voc(tmp_path / "out")}
    assert boxes["JPEGImages/HOSTILE.jpg"] == [(0, 0, 64, 48)]
    assert boxes["JPEGImages/same.jpg"] == []
    assert boxes["JPEGImages/turned.jpg"] == [(24, 10, 44, 30)]
    words = " ".join(map(str, report.problems))
    for said in ("Clipped to 64", "has no area", "no.jpg: It is text, not a picture"):
        assert said in words


def test_conversions_that_cannot_be_done_say_why(voc, tmp_path):
    def refused(words, *arguments, **options):
        with pytest.raises(ConversionError, match=words):
            convert(*arguments, **options)

    out = tmp_path / "out"
    refused(
        "'xyz' is not a format that can be read; there is boxloop, coco", "xyz", "voc", voc, out
    )
    refused("'xyz' is not a format that can be written", "voc", "xyz", voc, out)
    refused("no such folder", "voc", "tfrecord", tmp_path / "missing", out)
    refused("no TFRecord in it; what was found is Pascal VOC", "tfrecord", "voc", voc, out)
    refused("is not empty", "voc", "tfrecord", voc, voc)
    refused("it is a file", "voc", "tfrecord", voc, voc / "a/one.jpg")
    refused("no such file", "voc", "tfrecord", voc, out, label_map=tmp_path / "none.pbtxt")
    empty = tmp_path / "empty"
    put(empty, "a.jpg")
    refused("there are no boxes", "voc", "tfrecord", empty, out)
    assert not out.exists()
