"""The hostile inputs of the reference data, case by case, as far as the formats go.

Each case of the manifest in these folders has its line here; one without is a failure, so that a
new case cannot go unnoticed.
"""

import json
import os
import resource
import sys
import time

import pytest

from detection.archive import ArchiveError, SafeArchive
from detection.formats.voc import VocError, labelled_image, parse_voc
from detection.images import ImageRefused, open_with_facts, probe_image, upright_jpeg_bytes
from detection.label_map import LabelMapError, read_label_map
from detection.names import visible
from detection.pairing import pair_annotations
from tests.conftest import SHARED

HOSTILE = SHARED / "data/hostile"
CANARY = "CANARY-7f3a"
MAX_GROWTH = 64 << 20
MAX_SECONDS = 5

# Refused with these words; None: taken, upright 640x480.
IMAGES = {
    **{f"exif_orient_{n}.jpg": None for n in (1, 3, 5, 7)},
    "exif_orient_6.png": None,
    "cmyk.jpg": None,
    "gray_L.jpg": None,
    "gray16.png": None,
    "palette_transparent.png": None,
    "bilevel_1.png": None,
    "lossy.webp": None,
    "plain.avif": None,
    "plain.bmp": None,
    "plain.ico": "Windows icon",
    "truncated_2pct.jpg": "cut short",
    "truncated_95pct.jpg": "cut short: it ends after about 430 of its 480 rows",
    "bitrot.jpg": "damaged",
    "truncated.png": "cut short",
    "bomb_header_50000x50000.png": "2,500 million pixels; the limit is 100 million",
    "bomb_zTXt.png": "unpacks to over 1 MiB",
    "one_pixel.png": None,
    "text_named.jpg": "text, not a picture",
    "jpeg_named.png": None,
    "UPPER.JPG": None,
    "script.svg": "SVG",
    "html_named.png": "HTML",
    "bad_icc.jpg": None,
}
DOG = ("dog", 100, 150, 250, 420)
# Boxes as taken, and words of the problems in order; or the words that refuse the file.
VOC = {
    "ok.xml": ([DOG], []),
    "xxe_param.xml": "declares an entity",
    "quadratic.xml": "declares an entity",
    "box_beyond.xml": (
        [("dog", 600, 400, 640, 480), ("cat", 0, 0, 640, 480), ("cat", 1, 1, 640, 480)],
        ["Box 1 (dog) has xmax 700 in an image 640 wide. Clipped to 640.", "Box 3 (cat)"],
    ),
    "box_outside.xml": ([], ["lies outside the image"]),
    "box_zero.xml": ([], ["has no area"]),
    "box_nan.xml": ([], ["xmin 'nan'", "xmin '0x10'"]),
    "box_huge.xml": (
        [("dog", 0, 0, 640, 480), ("dog", 0, 0, 640, 10)],
        ["Clipped to 0", "xmax 1e+30"],
    ),
    "size_wrong.xml": ([("dog", 50, 75, 125, 210)], ["The boxes were scaled by 0.5."]),
    "size_missing.xml": ([DOG], ["no usable <size>"]),
    "filename_noext.xml": ([DOG], []),
    "filename_traversal.xml": ([DOG], []),
    "name_empty.xml": ([], ["Box 1: A label's name is empty", "Box 2: A label's name is empty"]),
    "name_script.xml": (
        [("<img src=x onerror=document.title='XSS-class'>", 10, 10, 50, 50)],
        [],
    ),
    "name_long.xml": ([], ["has 5,000 characters; the limit is 100"]),
    "dup_boxes.xml": ([DOG], ["Box 2 (dog) equals box 1. Merged.", "Box 3 (dog) equals box 1."]),
    "no_objects.xml": ([], []),
    "utf16.xml": ([("café", 10, 10, 50, 50)], []),
    "bad_utf8.xml": "not well-formed XML",
    "empty.xml": "The file is empty",
    "orphan.xml": ([DOG], []),
    "parts.xml": ([DOG], []),
}
LABEL_MAPS = {
    "ok.pbtxt": {1: "dog", 2: "cat"},
    "id_zero_dog.pbtxt": "'dog' has id 0",
    "id_gap.pbtxt": {1: "dog", 7: "cat", 90: "fox"},
    "name_dup.pbtxt": "line 2, column 6: The name 'dog' is used twice",
    "comments.pbtxt": {1: "dog"},
    "missing_id.pbtxt": "'dog' has no id",
    "escapes.pbtxt": {1: 'it\'s "x" café', 2: "two parts"},
    "crlf_bom.pbtxt": {1: "dog"},
    "empty.pbtxt": "no labels",
    "unicode.pbtxt": {1: "犬🐶"},
    "many_20000.pbtxt": "more than 10,000 labels, which is the limit",
}
GOOD = ["images/ok.jpg", "annotations/ok.xml"]
# Names as taken, and the number of problems; or the words that refuse the archive.
ARCHIVES = {
    "good_voc.zip": (GOOD, 0),
    "absolute.zip": (GOOD, 3),
    "nested.zip": ([], 2),
    "many_entries_60000.zip": "It has 60,000 entries; the limit is 50,000",
    "duplicate_names.zip": (["images/a.jpg", "images/A.jpg"], 2),
    "wrapped_twice.zip": ([f"my dataset/v1/{name}" for name in GOOD], 0),
    "bad_utf8_names.zip": (["images/café .jpg"], 0),
    "not_a_zip.zip": "not a zip",
    "empty.zip": "there are no files in it",
    "traversal.tar.gz": "a gzip archive. Boxloop takes zip archives",
}


def cases(folder: str) -> list[str]:
    if not HOSTILE.is_dir():
        return []
    manifest = json.loads((HOSTILE / "MANIFEST.json").read_text("utf-8"))
    names = [case["file"] for case in manifest]
    return [name.removeprefix(folder) for name in names if name.startswith(folder)]


def all_cases(folder: str, expected: dict) -> list[str]:
    """The manifest's cases and ours together: what only one side knows fails."""
    return sorted({*cases(folder), *expected})


@pytest.fixture(autouse=True)
def bounded(shared):
    """No case may take long or leave much memory behind, whatever it holds."""
    before, started = peak_memory(), time.perf_counter()
    yield
    assert time.perf_counter() - started < MAX_SECONDS
    assert peak_memory() - before < MAX_GROWTH


def peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.mark.parametrize("name", all_cases("images/", IMAGES))
def test_image(name):
    path, words = HOSTILE / "images" / name, IMAGES[name]
    if words is not None:
        with pytest.raises(ImageRefused, match=words):
            open_with_facts(path)
        return
    facts, image = open_with_facts(path)
    size = (1, 1) if name == "one_pixel.png" else (640, 480)
    assert image.size == (facts.width, facts.height) == size
    assert image.mode == "RGB"
    upright, _ = upright_jpeg_bytes(path.read_bytes())
    assert (probe_image(upright).width, probe_image(upright).orientation) == (size[0], 1)
    mean = sum(image.convert("L").resize((1, 1)).getpixel((0, 0)) for _ in range(1))
    assert name == "one_pixel.png" or 110 < mean < 150  # the same photo, neither white nor black


def test_all_orientations_show_one_picture():
    shown = [
        open_with_facts(HOSTILE / "images" / name)[1].resize((8, 6)).tobytes()
        for name in IMAGES
        if name.startswith("exif_orient")
    ]
    for pixels in shown[1:]:
        assert max(abs(a - b) for a, b in zip(shown[0], pixels, strict=True)) < 12


@pytest.mark.parametrize("name", all_cases("voc/annotations/", VOC))
def test_voc(name):
    data, expected = (HOSTILE / "voc/annotations" / name).read_bytes(), VOC[name]
    if isinstance(expected, str):
        with pytest.raises(VocError, match=expected) as refusal:
            parse_voc(data, name)
        assert str(refusal.value).startswith(name)
        return
    image, problems = labelled_image(parse_voc(data, name), "ok.jpg", 640, 480)
    boxes, words = expected
    assert [(box.label, *box.xyxy) for box in image.boxes] == boxes
    assert len(problems) == len(words)
    for problem, said in zip(problems, words, strict=True):
        assert said in str(problem)
    assert CANARY not in repr((image, problems))


def test_voc_orphans_and_climbing_names_are_paired_by_text_alone():
    images = ["images/ok.jpg"]
    claims = {"xml/orphan.xml": "nowhere.jpg", "xml/climb.xml": "../../../../etc/passwd"}
    found = pair_annotations(images, list(claims), claims.get)
    assert found.pairs == ()
    assert [problem.file for problem in found.problems] == list(claims)
    assert pair_annotations(images, ["xml/a.xml"], lambda name: "ok").pairs


@pytest.mark.parametrize("name", all_cases("label_map/", LABEL_MAPS))
def test_label_map(name):
    path, expected = HOSTILE / "label_map" / name, LABEL_MAPS[name]
    if isinstance(expected, str):
        with pytest.raises(LabelMapError, match=expected) as refusal:
            read_label_map(path)
        assert str(refusal.value).startswith(f"{name}, line ")
        return
    assert {item.id: item.name for item in read_label_map(path)} == expected


@pytest.mark.parametrize("name", all_cases("archives/", ARCHIVES))
def test_archive(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, expected = HOSTILE / "archives" / name, ARCHIVES[name]
    if isinstance(expected, str):
        with pytest.raises(ArchiveError, match=expected):
            SafeArchive(path)
    else:
        names, num_problems = expected
        with SafeArchive(path) as archive:
            assert [entry.name for entry in archive.entries] == names
            assert len(archive.problems) == num_problems
            assert all(len(entry.read()) == entry.size for entry in archive.entries)
    assert os.listdir(tmp_path) == []


def test_names_are_kept_apart_and_shown_as_text():
    wanted = cases("names/")
    with SafeArchive(HOSTILE / "names.zip") as archive:
        names = [entry.name for entry in archive.entries]
        assert archive.problems == []
    assert set(names) == set(wanted)
    shown = [visible(name) for name in names]
    assert len(set(shown)) == len(names)
    assert all(name.isprintable() for name in shown)
    pairing = pair_annotations(names, [f"{name[:-4]}.xml" for name in names], lambda name: None)
    assert len(pairing.pairs) >= len(names) - 1  # upper.jpeg has a longer suffix
