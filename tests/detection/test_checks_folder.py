"""Folders on disk: surveyed, checked and mended from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from detection.__main__ import main
from detection.checks import run_checks
from detection.checks.folder import survey_folder

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")
XML = """<?xml version="1.0" encoding="utf-8"?>
<annotation>
\t<!-- kept -->
\t<filename>{stem}.jpg</filename>
\t<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>
{objects}</annotation>
"""
OBJECT = """\t<object>
\t\t<name>{}</name>
\t\t<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>
\t</object>
"""


def voc(root: Path, stem: str, *boxes: tuple[object, ...], size=(120, 80), picture=True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    if picture:
        Image.effect_noise((120, 80), 90).convert("RGB").save(root / f"{stem}.jpg")
    objects = "".join(OBJECT.format(*box) for box in boxes)
    path = root / f"{stem}.xml"
    path.write_text(XML.format(stem=stem, size=size, objects=objects), encoding="utf-8")
    return path


def check(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict]:
    status = main(["check", *map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def keys(report: dict) -> list[tuple[str, str, int | None]]:
    return [(f["check"], f["file"], f["box"]) for f in report["findings"]]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    boxes = [("cat", 10 * n, 5, 10 * n + 30, 60) for n in range(8)]
    voc(root, "good", *boxes)
    voc(root, "bad", ("cat", 60, 10, 20, 50), ("cat", 30, 5, 180, 40), ("Cat", 4, 4, 4, 4))
    voc(root, "lost", ("cat", 1, 1, 20, 20), picture=False)
    return root


def test_findings_say_where(broken: Path, capsys) -> None:
    status, report = check(capsys, broken)
    assert status == 1
    assert keys(report)[:4] == [
        ("unpaired", "lost.xml", None),
        ("inverted", "bad.xml", 1),
        ("outside", "bad.xml", 2),
        ("tiny", "bad.xml", 3),
    ]
    inverted = report["findings"][1]
    lines = (broken / "bad.xml").read_text().splitlines()
    assert "<object>" in lines[inverted["line"] - 1]
    assert inverted["fix"]["flag"] == "--fix inverted"
    assert inverted["fix"]["changes"][0]["after"] == [20, 10, 60, 50]


def test_a_dry_run_writes_nothing(broken: Path, capsys) -> None:
    before = {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()}
    status, report = check(capsys, broken, "--fix", "all", "--dry-run")
    assert status == 1  # lost.xml stays without its image.
    assert [change["action"] for change in report["changes"]][:2] == ["move_box", "move_box"]
    assert report["written"] == []
    assert {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()} == before


def test_fix_in_place_keeps_the_old_files_and_all_else(broken: Path, capsys) -> None:
    old = (broken / "bad.xml").read_bytes()
    good = (broken / "good.xml").read_bytes()
    _, report = check(capsys, broken, "--fix", "inverted", "outside", "tiny")
    assert report["written"] == ["bad.xml"]
    assert (Path(report["backup"]) / "bad.xml").read_bytes() == old
    text = (broken / "bad.xml").read_text()
    assert "<!-- kept -->" in text
    assert text.count("<object>") == 2
    assert "<xmax>120</xmax>" in text
    assert (broken / "good.xml").read_bytes() == good
    _, again = check(capsys, broken)
    assert not {"inverted", "outside", "tiny"} & {f["check"] for f in again["findings"]}


def test_fix_into_a_copy(broken: Path, tmp_path: Path, capsys) -> None:
    old = (broken / "bad.xml").read_bytes()
    out = tmp_path / "mended"
    check(capsys, broken, "--fix", "all", "--out", out)
    assert (broken / "bad.xml").read_bytes() == old
    assert not list(broken.glob(".boxloop*"))
    assert (out / "good.jpg").read_bytes() == (broken / "good.jpg").read_bytes()
    assert main(["check", str(broken), "--fix", "tiny", "--out", str(out)]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_words_for_people(broken: Path, capsys) -> None:
    assert main(["check", str(broken), "--fix", "tiny", "--dry-run"]) == 1
    out = capsys.readouterr().out
    assert "bad.xml, line" in out
    assert "Box 3 (Cat) has no area: 4 4 to 4 4. [Remove box 3.]" in out
    assert "To mend: --fix tiny" in out
    assert "Nothing was written (--dry-run)." in out


def test_moves_between_split_lists(tmp_path: Path, capsys) -> None:
    root = tmp_path / "set"
    for stem in "abc":
        voc(root, stem, ("cat", 10, 10, 50, 50))
    shutil.copy(root / "a.jpg", root / "b.jpg")
    (root / "train.txt").write_text("a\nc\n")
    (root / "val.txt").write_text("b\nnobody\n")
    _, report = check(capsys, root, "--fix", "duplicate-images")
    assert any(f["line"] == 2 and f["file"] == "val.txt" for f in report["findings"])
    assert (root / "train.txt").read_text() == "a\nc\nb\n"
    assert (root / "val.txt").read_text() == "nobody\n"


def test_yolo_lines(tmp_path: Path, capsys) -> None:
    root = tmp_path / "set"
    for folder in ("images/train", "labels/train"):
        (root / folder).mkdir(parents=True)
    (root / "data.yaml").write_text("train: images/train\nnc: 3\nnames: [cat, 'dog']\n")
    for stem in "abc":
        Image.effect_noise((120, 80), 90).save(root / f"images/train/{stem}.png")
    (root / "labels/train/a.txt").write_text("0 0.5 0.5 0.2 0.2\n\n1 0.5 0.5 0 0.2\n7 1 1 1 1\n")
    (root / "labels/train/b.txt").write_text("1 60 40 20 10\n")
    (root / "labels/train/c.txt").write_text("")
    _, report = check(capsys, root, "--fix", "tiny", "units")
    where = {(f["check"], f["file"], f["line"]) for f in report["findings"]}
    assert ("tiny", "labels/train/a.txt", 3) in where
    assert ("unreadable", "labels/train/a.txt", 4) in where
    assert ("units", "labels/train/b.txt", 1) in where
    assert ("label-ids", "data.yaml", 2) in where
    assert ("empty-images", "labels/train/c.txt", None) in where
    assert (root / "labels/train/a.txt").read_text() == "0 0.5 0.5 0.2 0.2\n\n7 1 1 1 1\n"
    assert (root / "labels/train/b.txt").read_text() == "1 0.5 0.5 0.1666666667 0.125\n"


def test_splits_of_data_yaml(tmp_path: Path, capsys) -> None:
    for folder, stem in (("one", "a"), ("two", "b")):
        (tmp_path / folder).mkdir()
        Image.effect_noise((120, 80), 90).save(tmp_path / folder / f"{stem}.png")
        (tmp_path / folder / f"{stem}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text("train: [one]\nval: two\nnames: {0: cat}\n")
    _, report = check(capsys, tmp_path)
    assert "splits" in report["passed"]
    assert not {"splits", "near-duplicates"} & {f["check"] for f in report["findings"]}


def test_a_label_map_with_id_0_names_its_line(tmp_path: Path, capsys) -> None:
    root = tmp_path / "set"
    voc(root, "a", ("cat", 10, 10, 50, 50))
    (root / "label_map.pbtxt").write_text("item {\n  id: 0\n  name: 'cat'\n}\n")
    (root / "broken.pbtxt").write_text("item {\n  id: x\n}\n")
    _, report = check(capsys, root)
    found = {(f["file"], f["line"]) for f in report["findings"] if f["check"] == "label-ids"}
    assert found == {("label_map.pbtxt", 1), ("broken.pbtxt", 2)}


def test_what_cannot_be_checked_is_said(tmp_path: Path, capsys) -> None:
    assert main(["check", str(tmp_path / "nowhere")]) == 1
    assert "there is no such folder" in capsys.readouterr().err
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    assert main(["check", str(tmp_path)]) == 1
    assert "there are no annotations in it that Boxloop reads" in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--dry-run"]) == 2


def test_coco_is_checked_and_mended_after_a_conversion(tmp_path: Path, capsys) -> None:
    for stem in "ab":
        Image.effect_noise((120, 80), 90).save(tmp_path / f"{stem}.png")
    boxes = [[10, 10, 40, 40], [100, 10, 60, 40], [5, 5, 0, 0], [0, 0, 120, 80]]
    coco = {
        "images": [
            {"id": n, "file_name": f"{stem}.png", "width": 120, "height": 80}
            for n, stem in enumerate("abc", 1)
        ],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 7, "bbox": box, "iscrowd": int(n == 4)}
            for n, box in enumerate(boxes, 1)
        ],
        "categories": [{"id": 7, "name": "cat"}],
    }
    (tmp_path / "set.json").write_text(json.dumps(coco))
    _, report = check(capsys, tmp_path)
    assert report["data"] == "coco"
    found = {(f["check"], f["image"], f["box"]) for f in report["findings"]}
    assert ("outside", "a.png", 2) in found
    assert ("empty-images", "b.png", None) in found
    assert not any(kind == "whole-image" for kind, *_ in found)  # The crowd is large by right.
    assert any(f["check"] == "unpaired" and "c.png" in f["file"] for f in report["findings"])
    assert main(["check", str(tmp_path), "--fix", "outside"]) == 1
    assert "Convert them first" in capsys.readouterr().err


@needs_data
def test_microcontroller_has_nothing_wrong() -> None:
    survey = survey_folder(DATA / "microcontroller").survey
    assert (len(survey.images), survey.num_boxes) == (149, 177)
    assert [f for result in run_checks(survey) for f in result.findings] == []


@needs_data
def test_bccd_has_two_boxes_without_area_and_one_pair_in_two_splits() -> None:
    survey = survey_folder(DATA / "bccd" / "BCCD").survey
    findings = [f for result in run_checks(survey) for f in result.findings]
    assert [(f.check, f.severity, f.image[-9:], f.box) for f in findings] == [
        ("tiny", "error", "00338.jpg", 13),
        ("tiny", "error", "00343.jpg", 4),
        # One smear, photographed twice: 37 in val and 38 in train.
        ("near-duplicates", "warning", "00037.jpg", None),
    ]
