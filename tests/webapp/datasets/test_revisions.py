"""Revisions: content-addressed, compared, renamed, restored."""

from pathlib import Path

import pytest
from django.urls import reverse

from webapp.datasets.comparing import compare, compare_boxes
from webapp.datasets.freezing import freeze, read_manifest, working_manifest
from webapp.datasets.health_fixes import undo
from webapp.datasets.health_models import DatasetChange
from webapp.datasets.restoring import restore_revision
from webapp.labeling.models import Annotation

NAMES = {1: "cat", 2: "dog"}


def url(name, project, *args):
    return reverse(f"datasets:{name}", args=[project.pk, *args])


def box(class_id, *corners):
    return {"class_id": class_id, "box": list(corners), "difficult": False, "truncated": False}


def boxes_of(image):
    rows = image.annotations.filter(status="active").order_by("xmin", "ymin")
    return list(rows.values_list("label__name", "xmin", "ymin", "xmax", "ymax"))


@pytest.fixture
def pets(project, make_image):
    return [
        make_image(project, "a.jpg", boxes=[("cat", 5, 5, 30, 30), ("dog", 31, 5, 60, 40)]),
        make_image(project, "b.jpg", boxes=[("cat", 5, 5, 30, 30)]),
        make_image(project, "c.jpg"),
    ]


def test_boxes_are_matched_by_place() -> None:
    before = [box(1, 0, 0, 10, 10), box(1, 20, 20, 40, 40), box(2, 50, 50, 60, 60)]
    after = [box(1, 20, 20, 42, 40), box(2, 0, 0, 10, 10), box(1, 80, 80, 90, 90)]
    changes = compare_boxes(before, after, NAMES, NAMES)
    assert {(c.kind, c.label, tuple(c.box)) for c in changes} == {
        ("moved", "cat", (20, 20, 42, 40)),
        ("relabelled", "dog", (0, 0, 10, 10)),
        ("removed", "dog", (50, 50, 60, 60)),
        ("added", "cat", (80, 80, 90, 90)),
    }
    assert compare_boxes(before, list(reversed(before)), NAMES, NAMES) == []
    flagged = [{**before[0], "difficult": True}]
    assert [c.kind for c in compare_boxes(before[:1], flagged, NAMES, NAMES)] == ["flagged"]


def test_two_manifests(project, owner, pets, make_image) -> None:
    first = freeze(project, owner)
    pets[0].annotations.filter(label__name="dog").delete()
    pets[1].set_state("in_progress")
    make_image(project, "d.jpg", boxes=[("cat", 1, 1, 20, 20)])
    project.add_label("cow")
    found = compare(read_manifest(first), working_manifest(project))
    assert [(c.kind, c.entry["name"]) for c in found.images] == [
        ("changed", "a.jpg"), ("removed", "b.jpg"), ("added", "d.jpg"),
    ]  # fmt: skip
    assert found.images[0].words == "1 box removed"
    assert (found.count_boxes("added"), found.count_boxes("removed")) == (1, 2)
    assert [(label.kind, label.name) for label in found.labels] == [("added", "cow")]


def test_ten_revisions_cost_ten_manifests(project, owner, pets, media: Path) -> None:
    freeze(project, owner)

    def stored(part: str) -> int:
        return sum(path.is_file() for path in (media / f"projects/{project.pk}/{part}").rglob("*"))

    photos = stored("images")
    for _ in range(3):
        freeze(project, owner, name="the same again")
    assert stored("revisions") == 1  # The same content is the same file.
    for number in range(9):
        Annotation.objects.filter(image=pets[0], label__name="cat").update(xmax=20 + number)
        freeze(project, owner)
    assert stored("revisions") == 10
    assert stored("images") == photos
    assert project.revisions.count() == 13


def test_restore_brings_back_boxes_splits_and_images(project, owner, pets, make_image) -> None:
    revision = freeze(project, owner, fractions=(0.5, 0.5, 0))
    then = working_manifest(project)
    kept_id = pets[0].annotations.get(label__name="cat").pk
    pets[0].annotations.filter(label__name="dog").delete()
    pets[0].annotations.filter(label__name="cat").update(xmax=33)
    pets[1].trashed_at = pets[1].created_at
    pets[1].split = "test"
    pets[1].save()
    pets[2].set_state("new")
    project.labels.filter(name="dog").update(retired_at=pets[0].created_at)
    new = make_image(project, "new.jpg", boxes=[("cat", 1, 1, 20, 20)])
    outcome = restore_revision(project, revision, owner)
    assert outcome.left == []
    now = working_manifest(project)
    assert [entry for entry in now["images"] if entry["sha256"] != new.sha256] == then["images"]
    assert pets[0].annotations.get(label__name="cat").pk == kept_id  # Moved back, not replaced.
    pets[0].refresh_from_db()
    assert (pets[0].revision, pets[0].operations.count()) == (1, 1)
    new.delete()
    assert freeze(project, owner).sha256 == revision.sha256
    again = restore_revision(project, revision, owner)
    assert (again.images, again.change) == (0, None)


def test_restore_can_be_taken_back(project, owner, pets, make_image) -> None:
    revision = freeze(project, owner)
    pets[0].annotations.filter(label__name="dog").update(ymax=44)
    new = make_image(project, "new.jpg", boxes=[("cat", 1, 1, 20, 20)])
    before = working_manifest(project)
    outcome = restore_revision(project, revision, owner, trash_others=True)
    new.refresh_from_db()
    assert new.trashed_at is not None
    undo(outcome.change, owner)
    assert working_manifest(project) == before


def test_restore_says_which_photo_is_gone(project, owner, pets) -> None:
    revision = freeze(project, owner)
    pets[1].delete()
    outcome = restore_revision(project, revision, owner)
    assert outcome.left == ["b.jpg: its photo was deleted for good. Upload it again."]


def test_the_comparison_page(client_of, project, owner, viewer, stranger, pets) -> None:
    freeze(project, owner)
    pets[0].annotations.filter(label__name="dog").update(ymax=44)
    freeze(project, owner)
    client = client_of(viewer)
    page = client.get(url("compare", project, 1) + "?with=2").content.decode()
    assert "1 box moved" in page
    assert "box-gone" in page
    assert "box-made" in page
    assert "Nothing changed" in client.get(url("compare", project, 2)).content.decode()
    assert client.get(url("compare", project, 1) + "?with=7").status_code == 404
    assert client.get(url("compare", project, 1) + "?with=x").status_code == 404
    assert client_of(stranger).get(url("compare", project, 1)).status_code == 404
    assert b"Compare" in client.get(url("dataset", project)).content


def test_rename(client_of, project, owner, viewer, pets) -> None:
    revision = freeze(project, owner, name="first")
    client_of(owner).post(url("revision_name", project, 1), {"name": "  for   the paper "})
    revision.refresh_from_db()
    assert revision.name == "for the paper"
    assert client_of(viewer).post(url("revision_name", project, 1)).status_code == 403
    assert client_of(owner).get(url("revision_name", project, 1)).status_code == 405


def test_restore_freezes_what_was_there_first(client_of, project, owner, viewer, pets) -> None:
    freeze(project, owner)
    pets[0].annotations.filter(label__name="dog").update(ymax=44)
    assert client_of(viewer).post(url("restore", project, 1)).status_code == 403
    client_of(owner).post(url("restore", project, 1))
    assert boxes_of(pets[0])[1] == ("dog", 31, 5, 60, 40)
    kept = project.revisions.get(number=2)
    assert kept.name == "before restoring r1"
    assert [b["box"][3] for e in read_manifest(kept)["images"] for b in e["boxes"]].count(44) == 1
    assert DatasetChange.objects.get().words == "Restored r1"
    client_of(owner).post(url("restore", project, 1))
    assert project.revisions.count() == 2  # Nothing differs, so nothing is frozen or restored.
