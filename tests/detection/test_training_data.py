"""A run's data: records from a folder, pictures decoded once, and what is refused."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from detection.formats.dataset import DatasetError
from detection.picture_cache import BOX, IGNORED
from detection.training.data import ground_truth, load_data, remarks
from detection.training.from_folder import is_written_from, write_run_records
from detection.training.settings import TrainingError
from tests.detection.synthetic import COLOURS, write_scenes

GAPS = "item { id: 3 name: 'red' }\nitem { id: 7 name: 'blue' }\nitem { id: 9 name: 'none' }\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three scenes in train, one in val, and a label map whose ids have gaps."""
    folder = tmp_path / "data"
    (tmp_path / "train.txt").write_text("\n".join(write_scenes(folder, 3)))
    (tmp_path / "val.txt").write_text("\n".join(write_scenes(folder, 1, 100)))
    first, second = COLOURS
    names = GAPS.replace("red", first).replace("blue", second)
    (tmp_path / "map.pbtxt").write_text(names)
    return folder


def source(data: Path) -> tuple[Path, Path | None, Path | None, Path | None, int]:
    beside = data.parent
    return data, beside / "train.txt", beside / "val.txt", beside / "map.pbtxt", 0


@pytest.fixture
def records(data: Path) -> Path:
    target = data.parent / "records"
    write_run_records(target, *source(data))
    return target


def load(records: Path, **more):
    return load_data(records, records / "label_map.pbtxt", records.parent / "cache", 96, **more)


def test_ids_with_gaps_become_the_models_indices(records: Path):
    run = load(records)
    assert sorted(set(run.train.classes.ravel().tolist())) == [0, 1]
    assert run.label_map.class_id(1) == 7
    assert {box.label for image in run.val_truth() for box in image.boxes} == set(COLOURS)


def test_training_pictures_keep_a_reserve_for_crops(records: Path):
    run = load(records)
    assert run.train.pixels.shape == (3, 123, 123, 3)
    assert run.val is not None
    assert run.val.pixels.shape == (1, 96, 96, 3)


def test_what_is_odd_is_remarked(records: Path):
    words = " ".join(remarks(load(records)))
    assert "No training box has the label none" in words
    assert "2 validation boxes only" in words


def test_pictures_of_train_that_are_in_val_too_are_found(tmp_path: Path):
    write_scenes(tmp_path / "data", 3)
    write_scenes(tmp_path / "data", 1, 100)
    for suffix in ("png", "xml"):
        shutil.copy(tmp_path / f"data/scene_1.{suffix}", tmp_path / f"data/copy.{suffix}")
    (tmp_path / "train.txt").write_text("scene_0\nscene_1\nscene_2\n")
    (tmp_path / "val.txt").write_text("scene_100\ncopy\n")
    splits = tmp_path / "train.txt", tmp_path / "val.txt"
    write_run_records(tmp_path / "records", tmp_path / "data", *splits, None, 0)
    run = load(tmp_path / "records")
    near = run.near_duplicates()
    assert near == [("scene_1.png", "copy.png")]
    assert "1 pair of train and val pictures show almost the same" in " ".join(remarks(run, near))


def test_labels_that_val_lacks_are_remarked(records: Path):
    run = load(records)
    assert run.val is not None
    run.val.classes[:] = 0
    _, second = COLOURS
    assert f"No validation box has the label {second}" in " ".join(remarks(run))


def test_ground_truth_is_in_the_pictures_own_pixels(records: Path):
    run = load(records)
    for image in ground_truth(run.train, run.label_map):
        for box in image.boxes:
            assert 0 <= box.xmin < box.xmax <= image.width == 128
            assert box.xmin == pytest.approx(round(box.xmin), abs=1e-3)


def test_ignored_boxes_are_difficult_ground_truth(records: Path):
    run = load(records)
    run.train.kinds[0, 0, [BOX, IGNORED]] = 0, 1
    first = ground_truth(run.train, run.label_map)[0]
    assert [box.difficult for box in first.boxes] == [True, False]


def test_other_boxes_have_another_fingerprint(records: Path):
    run = load(records)
    before = run.fingerprint()
    assert load(records).fingerprint() == before
    run.train.boxes_rel_xyxy[0, 0, 0] += 0.01
    assert run.fingerprint() != before


def test_images_without_a_box_cannot_be_learnt(records: Path, monkeypatch: pytest.MonkeyPatch):
    run = load(records)
    assert run.train.kinds.any()
    for path in (records.parent / "data").glob("*.xml"):
        path.write_text(path.read_text().replace("<difficult>0", "<difficult>1"))
    shutil.rmtree(records)
    write_run_records(records, *source(records.parent / "data"))
    with pytest.raises(TrainingError, match="No training image has a box"):
        load(records)


def test_no_records_and_no_label_map(records: Path):
    with pytest.raises(TrainingError, match="no train records"):
        load_data(records / "no", records / "label_map.pbtxt", records / "cache", 96)
    with pytest.raises(TrainingError, match="label map cannot be read"):
        load_data(records, records / "no.pbtxt", records / "cache", 96)


def test_records_of_another_label_map_name_the_box(records: Path):
    (records / "label_map.pbtxt").write_text("item { id: 3 name: 'only' }")
    with pytest.raises(TrainingError, match=r"scene_.*box \d has class id 7"):
        load(records)


def test_a_damaged_record_is_said(records: Path):
    (path,) = records.glob("train-*")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="train-00000"):
        load(records)


def test_a_full_disk_is_seen_before_it_is_full(records: Path, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 1_000_000))
    with pytest.raises(TrainingError, match=r"need 0\.5 GB there.*--input-size"):
        load(records)


def test_loading_can_be_ended(records: Path):
    seen = []

    def leave() -> None:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(records, on_picture=leave)
    assert len(seen) == 2


# -- records from a folder ---------------------------------------------------------------------


def test_records_know_what_they_were_written_from(data: Path, records: Path):
    assert is_written_from(records, *source(data))
    (data.parent / "train.txt").write_text("scene_0\n")
    assert not is_written_from(records, *source(data))
    assert not is_written_from(records / "none", *source(data))


def test_an_image_in_both_splits_is_refused(data: Path):
    (data.parent / "val.txt").write_text("scene_0\n")
    with pytest.raises(DatasetError, match=r"scene_0.*in the train and in the val"):
        write_run_records(data.parent / "records", *source(data))


def test_without_split_files_a_fifth_is_kept_for_val(tmp_path: Path):
    write_scenes(tmp_path / "data", 10)
    report = write_run_records(tmp_path / "records", tmp_path / "data", None, None, None, 4)
    assert report.images == {"train": 8, "val": 2}
    run = load(tmp_path / "records")
    assert not set(run.train.names) & set(run.val.names if run.val else [])


def test_writing_can_be_ended_and_leaves_no_records(data: Path):
    def leave() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_run_records(data.parent / "records", *source(data), on_image=leave)
    assert not (data.parent / "records").exists()


def test_a_picture_looks_as_it_did(records: Path):
    run = load(records)
    assert run.val is not None
    row = run.val.boxes_rel_xyxy[0, 0] * 96
    xmin, ymin, xmax, ymax = np.round(row).astype(int)
    inner = run.val.pixels[0, ymin + 2 : ymax - 2, xmin + 2 : xmax - 2]
    assert inner.std(axis=(0, 1)).max() < 3
