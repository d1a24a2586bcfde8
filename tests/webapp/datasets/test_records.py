"""TFRecords of a frozen revision: what the Object Detection API reads."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from detection.formats.tfrecord import read_records
from detection.label_map import read_label_map
from webapp.datasets.freezing import NotTrainable, freeze, read_manifest, training_findings
from webapp.datasets.records import write_records
from webapp.storage import save_stream

pytestmark = pytest.mark.django_db


def test_records_hold_the_frozen_boxes(
    project: Any, owner: Any, make_image: Any, tmp_path: Path
) -> None:
    make_image(project, "a.jpg", boxes=[("cat", 16, 12, 32, 24)], split="train")
    make_image(project, "b.jpg", boxes=[("dog", 0, 0, 64, 48)], split="val")
    make_image(project, "c.jpg", split="train")
    revision = freeze(project, owner)
    write_records(revision, tmp_path)
    examples = {e.one_bytes("image/filename"): e for e in read_records(tmp_path / "train")}
    assert set(examples) == {b"a.jpg", b"c.jpg"}
    a = examples[b"a.jpg"]
    assert a.floats("image/object/bbox/xmin") == [0.25]
    assert a.floats("image/object/bbox/ymax") == [0.5]
    assert a.ints("image/object/class/label") == [1]
    assert examples[b"c.jpg"].ints("image/object/class/label") == []
    assert read_label_map(tmp_path / "label_map.pbtxt").names == ("cat", "dog")


def test_a_manifest_that_was_changed_is_refused(
    project: Any, owner: Any, make_image: Any, tmp_path: Path
) -> None:
    for name in ("a.jpg", "b.jpg"):
        make_image(project, name, boxes=[("cat", 16, 12, 32, 24)])
    revision = freeze(project, owner)
    with default_storage.open(revision.manifest_path, "rb") as file:
        body = file.read()
    for changed in (body.replace(b"16.0", b"17.0"), body[:-40], b"[]"):
        save_stream(revision.manifest_path, io.BytesIO(changed))
        with pytest.raises(ValueError, match="is not the one that was frozen"):
            write_records(revision, tmp_path / "records")
    assert not (tmp_path / "records").exists()


def test_a_revision_never_changes_and_the_same_set_has_the_same_hash(
    project: Any, owner: Any, make_image: Any
) -> None:
    image = make_image(project, "a.jpg", boxes=[("cat", 1, 1, 30, 30)])
    make_image(project, "b.jpg", boxes=[("cat", 1, 1, 30, 30)])
    first, again = freeze(project, owner), freeze(project, owner)
    assert (first.number, again.number) == (1, 2)
    assert first.sha256 == again.sha256
    image.annotations.all().delete()
    assert read_manifest(first)["images"][0]["boxes"]
    assert freeze(project, owner).sha256 != first.sha256


def test_splits_stay_as_the_project_grows(project: Any, owner: Any, make_image: Any) -> None:
    for number in range(10):
        make_image(project, f"{number}.jpg", boxes=[("cat", 1, 1, 30, 30)])
    freeze(project, owner)
    before = dict(project.images.values_list("name", "split"))
    assert sorted(before.values()).count("val") == 2
    for number in range(10, 20):
        make_image(project, f"{number}.jpg", boxes=[("dog", 1, 1, 30, 30)])
    freeze(project, owner)
    after = dict(project.images.values_list("name", "split"))
    assert before.items() <= after.items()


def test_val_is_drawn_from_train_where_only_train_and_test_came(
    project: Any, owner: Any, make_image: Any
) -> None:
    for number in range(10):
        make_image(project, f"{number}.jpg", boxes=[("cat", 1, 1, 30, 30)], split="train")
    make_image(project, "t.jpg", boxes=[("cat", 1, 1, 30, 30)], split="test")
    counts = freeze(project, owner).counts["splits"]
    assert [counts[split]["images"] for split in ("train", "val", "test")] == [8, 2, 1]


def test_says_what_is_missing_before_it_starts(project: Any, owner: Any, make_image: Any) -> None:
    def stops() -> list[str]:
        return [f.message for f in training_findings(project) if f.severity == "stop"]

    assert "no images" in stops()[0]
    first = make_image(project, "a.jpg", done=False)
    assert "marked done" in stops()[0]
    first.set_state("done")
    assert "has a box" in stops()[0]
    make_image(project, "b.jpg", boxes=[("cat", 1, 1, 30, 30)])
    first.delete()
    assert "Only one image" in stops()[0]
    with pytest.raises(NotTrainable, match="Only one image"):
        freeze(project, owner)
    make_image(project, "c.jpg", boxes=[("cat", 1, 1, 30, 30)])
    findings = training_findings(project)
    assert not [f for f in findings if f.severity == "stop"]
    assert any("Without a single box: dog" in f.message for f in findings)
