"""The hostile data sets of the reference data, format by format, as MANIFEST.json expects."""

import json

import pytest

from detection.formats.dataset import DatasetError
from detection.formats.files import FolderFiles
from detection.formats.reading import dataset_of, own_label_map
from detection.formats.registry import open_reading
from tests.conftest import SHARED

HOSTILE = SHARED / "data/hostile"
DOG = ("dog", 100, 150, 250, 420)
FULL = ("cat", 0, 0, 640, 480)
# The boxes by image, as taken, and words that the report holds; or the words that refuse it.
COCO = {
    "ok.json": ({"1": [DOG], "2": [FULL]}, []),
    "missing_files.json": (
        {"1": [DOG], "2": [FULL]}, ["nowhere.jpg: There is no image for these annotations"],
    ),
    "crowd_rle.json": (
        {"1": [DOG, ("dog", 300, 100, 500, 300), ("dog", 10, 10, 40, 40)], "2": [FULL]}, [],
    ),
    "no_bbox_only_seg.json": ({"1": [DOG], "2": []}, []),
    "nan.json": ({"1": [], "2": []}, ["has bbox [nan, 1, inf, 5], which are not four finite"]),
    "string_ids.json": ({"1": [("dog", 1, 1, 51, 51)], "2": [("dog", 1, 1, 10, 10)]}, []),
    "file_name_paths.json": (
        {"1": [DOG], "3": []},
        ["../../../../etc/passwd: There is no image", "http://127.0.0.1:9/x.jpg: There is no"],
    ),
    "no_categories.json": 'it has no "categories"',
    "truncated.json": "line 1: It is cut short",
    "results_format.json": "perhaps COCO results",
}  # fmt: skip
YOLO = {
    "ok": ({"a": [DOG], "b": [FULL]}, []),
    "list_and_txt": (
        {"a": [DOG], "b": [FULL]},
        ["'images/extra' means no image", "val.txt, line 2: '../../../../etc/hosts' means no"],
    ),
    "yaml_bomb": "data.yaml, line 2: It has an alias",
    "nc_mismatch": ({"a": [DOG], "b": [FULL]}, ["says nc: 3 and names 2 classes"]),
    "bad_labels": (
        {"a": [("dog", 480, 192, 640, 288), ("cat", 64, 48, 128, 96), ("dog", 288, 216, 352, 264)],
         "b": []},
        ["line 1: It has 4 fields", "line 2: It has 6 fields", "line 3: There is no class 7",
         "line 4: '-1' is no class number", "line 5: Box 5 (dog) has xmax 1056",
         "line 6: Its x centre is 'nan'", "line 7: A box 0 wide", "line 8: Its x centre is 320",
         "line 9: Its fields stand between commas", "line 10: It is a polygon of 4 points"],
    ),
}  # fmt: skip
CSV = {
    "ok.csv": ({"ok": [DOG]}, []),
    "quoted.csv": ({"a, b": [('dog, "big"', 100, 150, 250, 420)]}, []),
    "formula.csv": ({"ok": [('=HYPERLINK("http://127.0.0.1")', 100, 150, 250, 420)]}, []),
}


def cases(folder: str, expected: dict) -> list[str]:
    """The manifest's cases and ours together: what only one side knows fails."""
    if not HOSTILE.is_dir():
        return sorted(expected)
    manifest = json.loads((HOSTILE / "MANIFEST.json").read_text("utf-8"))
    names = [case["file"] for case in manifest if case["file"].startswith(folder)]
    return sorted({*(name.removeprefix(folder) for name in names), *expected})


def read(files, label_map=None):
    problems = []
    reading = open_reading(files, problems.append)
    if reading is None:
        raise DatasetError("nothing was found")
    try:
        map_ = own_label_map(reading) if reading.label_map is None else reading.label_map
    except DatasetError:
        map_ = label_map
    dataset = dataset_of(reading, files, map_ or label_map, problems.append, pictures=False)
    found = {
        item.image.name.rpartition("/")[2].rpartition(".")[0]: [
            (box.label, *(round(value, 1) for value in box.xyxy)) for box in item.image.boxes
        ]
        for item in dataset.read(problems.append)
    }
    reading.close()
    return found, [str(problem) for problem in problems]


def check(files, expected):
    if isinstance(expected, str):
        with pytest.raises(DatasetError, match=expected):
            read(files)
        return
    boxes, words = expected
    found, problems = read(files)
    assert {name: found.get(name) for name in boxes} == boxes
    for said in words:
        assert any(said in problem for problem in problems), (said, problems)
    assert not any("CANARY" in problem or "root:" in problem for problem in problems)


@pytest.mark.parametrize("name", cases("coco/", COCO))
def test_coco(name, shared):
    check(FolderFiles(HOSTILE / "coco", only=[name], with_images=True), COCO[name])


@pytest.mark.parametrize("name", cases("yolo/", YOLO))
def test_yolo(name, shared):
    check(FolderFiles(HOSTILE / "yolo" / name), YOLO[name])


@pytest.mark.parametrize("name", cases("csv/", CSV))
def test_csv(name, shared, tmp_path):
    (tmp_path / name).write_bytes((HOSTILE / "csv" / name).read_bytes())
    picture = (HOSTILE / "coco/images/1.jpg").read_bytes()
    for image in CSV[name][0]:
        (tmp_path / f"{image}.jpg").write_bytes(picture)
    check(FolderFiles(tmp_path), CSV[name])
