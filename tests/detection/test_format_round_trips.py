"""Each format reads back what it writes: ``read(write(x)) == x``, stated losses aside."""

import io
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from detection.convert import convert, write_to
from detection.formats.dataset import NO_SPLIT, Dataset, DatasetItem, WriteReport
from detection.formats.files import FolderFiles
from detection.formats.reading import dataset_of
from detection.formats.registry import FORMATS, open_reading
from detection.formats.sink import ZipSink
from detection.label_map import LabelMap, LabelMapItem
from detection.types import Box, LabelledImage
from tests.conftest import SHARED

SIZES = [(64, 48), (48, 64), (640, 3)]
LABELS = LabelMap(
    (LabelMapItem(1, "dog"), LabelMapItem(7, "guinea pig", "Meerschweinchen"),
     LabelMapItem(90, '=HYPERLINK("x")'), LabelMapItem(91, "犬 <b>'&,;\"")),
)  # fmt: skip
NAMES = ["a.jpg", "sub/a.jpg", "-rf.jpg", "naïve, café.jpg", "a b;c&d.jpg", "x.y.jpg", "'=q.jpg"]


@cache
def picture(size: tuple[int, int], number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (number * 20, 90, 120)).save(file, "JPEG")
    return file.getvalue()


@st.composite
def boxes(draw, width: int, height: int) -> Box:
    """Corners on a grid of a thousandth of a pixel, which is what every format keeps."""
    xs = sorted(draw(st.tuples(*[st.integers(0, width * 1000)] * 2).filter(
        lambda pair: abs(pair[0] - pair[1]) >= 20)))  # fmt: skip
    ys = sorted(draw(st.tuples(*[st.integers(0, height * 1000)] * 2).filter(
        lambda pair: abs(pair[0] - pair[1]) >= 20)))  # fmt: skip
    return Box(
        draw(st.sampled_from(LABELS.names)),
        xs[0] / 1000, ys[0] / 1000, xs[1] / 1000, ys[1] / 1000,
        difficult=draw(st.booleans()), truncated=draw(st.booleans()), crowd=draw(st.booleans()),
        pose=draw(st.sampled_from(["Unspecified", "Left"])),
    )  # fmt: skip


@st.composite
def items(draw) -> list[DatasetItem]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    made = []
    for number, name in enumerate(names):
        size = draw(st.sampled_from(SIZES))
        drawn = draw(st.lists(boxes(*size), max_size=3, unique_by=lambda box: box.xyxy))
        split = draw(st.sampled_from(["train", "val", "test", NO_SPLIT]))
        image = LabelledImage(name, *size, tuple(drawn))
        made.append(DatasetItem(image, picture(size, number), "jpeg", split))
    return sorted(made, key=lambda item: ["train", "val", "test", NO_SPLIT].index(item.split))


def dataset(made: list[DatasetItem]) -> Dataset:
    return Dataset(LABELS, Counter(item.split for item in made), lambda say: iter(made))


def what_is_kept(made: list[DatasetItem], holds: frozenset[str]) -> dict:
    """Splits and boxes by picture, as far as the format holds them."""
    defaults = {"difficult": False, "truncated": False, "crowd": False, "pose": "Unspecified"}
    lost = {name: value for name, value in defaults.items() if name not in holds}
    return {
        item.picture: (item.split, item.image.width, item.image.height,
                       [replace(rounded(box), **lost) for box in item.image.boxes])
        for item in made
    }  # fmt: skip


def rounded(box: Box) -> Box:
    xmin, ymin, xmax, ymax = (round(value, 3) for value in box.xyxy)
    return replace(box, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)


@pytest.mark.parametrize("key", FORMATS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=items())
def test_reads_back_what_it_writes(key, made):
    with tempfile.TemporaryDirectory() as folder:
        report = WriteReport()
        write_to(dataset(made), key, Path(folder), report)
        assert report.num_images == len(made)
        files, problems = FolderFiles(Path(folder)), []
        reading = open_reading(files, problems.append)
        assert reading is not None
        assert reading.format == key
        again = dataset_of(reading, files, reading.label_map or LABELS, problems.append)
        found = list(again.read(problems.append))
        reading.close()
    holds = FORMATS[key].holds
    assert what_is_kept(found, holds) == what_is_kept(made, holds)
    assert [str(p) for p in problems if p.severity != "note"] == []
    if "ids" in holds:
        assert [item.id for item in again.label_map] == [1, 7, 90, 91]
    if "display" in holds:
        assert again.label_map == LABELS


def test_every_pair_converts(tmp_path):
    """Each format to each other one, from a zip and from a folder, keeps boxes and negatives."""
    size = (64, 48)
    made = [
        DatasetItem(LabelledImage("one.jpg", *size, (Box("dog", 1, 2, 30.5, 40),)),
                    picture(size, 1), "jpeg", "train"),
        DatasetItem(LabelledImage("none.jpg", *size), picture(size, 2), "jpeg", "val"),
    ]  # fmt: skip
    for key in FORMATS:
        write_to(dataset(made), key, tmp_path / key, WriteReport())
    for source, target in product(FORMATS, FORMATS):
        out = tmp_path / f"{source}-{target}"
        report = convert("auto", target, tmp_path / source, out)
        assert report.images == {"train": 1, "val": 1}, (source, target, report.problems)
        assert (report.boxes, report.negatives) == (1, 1)
        assert [p for p in report.problems if p.severity != "note"] == []


@pytest.mark.parametrize("key", FORMATS)
def test_a_zip_that_is_streamed_reads_back(key, tmp_path):
    size = (64, 48)
    made = [
        DatasetItem(LabelledImage(f"{n}.jpg", *size, (Box("dog", n, 2, 30, 40),)),
                    picture(size, n), "jpeg", "train")
        for n in range(3)
    ]  # fmt: skip
    sink, report = ZipSink(folder=tmp_path), WriteReport()
    with (tmp_path / "out.zip").open("wb") as file:
        for _ in FORMATS[key].write(dataset(made), sink, report):
            for piece in sink.pieces():
                file.write(piece)
        for piece in sink.finish():
            file.write(piece)
    report = convert("auto", "voc", tmp_path / "out.zip", tmp_path / "voc")
    assert report.images == {"train": 3}
    assert report.boxes == 3


@pytest.mark.parametrize("key", [key for key, one in FORMATS.items() if not one.with_pictures_only])
def test_annotations_alone_fit_pictures_that_are_elsewhere(key, tmp_path):
    size = (64, 48)
    image = LabelledImage("photos/one.jpg", *size, (Box("dog", 1, 2, 30, 40),))
    made = [DatasetItem(image, picture(size, 1), "jpeg", "train")]
    write_to(dataset(made), key, tmp_path / "out", WriteReport(), images="none")
    assert not list((tmp_path / "out").rglob("*.jpg"))
    (tmp_path / "out/photos").mkdir(exist_ok=True)
    (tmp_path / "out/photos/one.jpg").write_bytes(picture(size, 1))
    report = convert(key, "coco", tmp_path / "out", tmp_path / "coco", images="link")
    assert report.boxes == 1, report.problems
    link = tmp_path / "coco/images"
    assert [path.read_bytes() for path in link.rglob("*.jpg")] == [picture(size, 1)]


@pytest.fixture(scope="module")
def blood(tmp_path_factory) -> Path:
    """Real data: some of BCCD's test images, and one that has a box without area."""
    source = SHARED / "data/bccd/BCCD"
    if not source.is_dir():
        pytest.skip("../shared is absent")
    root = tmp_path_factory.mktemp("blood")
    stems = (source / "ImageSets/Main/test.txt").read_text().split()[:24]
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for stem in [*stems, "BloodImage_00338"]:
        for name in (f"JPEGImages/{stem}.jpg", f"Annotations/{stem}.xml"):
            shutil.copyfile(source / name, root / name)
    (root / "ImageSets/Main/test.txt").write_text("\n".join(stems))
    return root


@pytest.mark.parametrize("key", FORMATS)
def test_bccd_there_and_back(key, blood, tmp_path):
    """Boxes equal to a thousandth of a pixel, splits and labels kept."""
    report = convert("voc", key, blood, tmp_path / "there")
    assert report.images == {"test": 24, NO_SPLIT: 1}
    assert sum("has no area" in problem.message for problem in report.problems) == 1
    first, second = (boxes_by_stem(path) for path in (blood, tmp_path / "there"))
    assert first.keys() == second.keys()
    for stem, (split, drawn) in first.items():
        assert second[stem][0] == split
        assert [box.label for box in second[stem][1]] == [box.label for box in drawn]
        for one, other in zip(drawn, second[stem][1], strict=True):
            assert other.xyxy == pytest.approx(one.xyxy, abs=1e-3)


def boxes_by_stem(root: Path) -> dict:
    files = FolderFiles(root)
    reading = open_reading(files, lambda problem: None)
    found = dataset_of(reading, files, None, lambda problem: None, pictures=False)
    return {
        Path(item.image.name).stem: (item.split, item.image.boxes)
        for item in found.read(lambda problem: None)
    }


def test_other_programs_find_labels_beside_pictures(tmp_path):
    """They look for labels/x.txt beside images/x.jpg, and for names that are not VOC's twenty."""
    made = [
        DatasetItem(LabelledImage(name, 64, 48), picture((64, 48), number), "jpeg", "train")
        for number, name in enumerate(["JPEGImages/a.jpg", "data/images/a.jpg", "img/a.jpg"])
    ]
    write_to(dataset(made), "yolo", tmp_path / "yolo", WriteReport())
    written = {path.relative_to(tmp_path / "yolo").as_posix()
               for path in (tmp_path / "yolo").rglob("*.*")}  # fmt: skip
    assert written == {"data.yaml"} | {
        f"{kind}/train/{stem}.{suffix}"
        for stem in ("a", "data/a", "a-2")
        for kind, suffix in (("images", "jpg"), ("labels", "txt"))
    }
    write_to(dataset(made), "voc", tmp_path / "voc", WriteReport())
    assert (tmp_path / "voc/JPEGImages/data/a.jpg").exists()
    names = (tmp_path / "voc/labelmap.txt").read_text("utf-8").splitlines()
    assert names[1:4] == ["background:0,0,0::", "dog:128,0,0::", "guinea pig:0,128,0::"]
