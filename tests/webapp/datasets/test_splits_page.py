"""The splits page: counts, dealing, and taking it back."""

from collections import Counter

import pytest
from django.urls import reverse

from webapp.datasets.dealing import deal, split_table
from webapp.datasets.freezing import freeze
from webapp.datasets.health_fixes import undo
from webapp.datasets.health_models import DatasetChange, PhotoFacts


@pytest.fixture
def pets(project, make_image):
    return [
        make_image(
            project, f"{n:02}.jpg", boxes=[("cat" if n % 4 else "dog", 5, 5, 30, 30)] if n else []
        )
        for n in range(12)
    ]


def splits_of(project):
    return dict(project.images.values_list("name", "split"))


def test_the_table_counts_images_and_boxes(project, pets) -> None:
    for image, split in zip(pets, ["train"] * 6 + ["val"] * 3, strict=False):
        image.split = split
        image.save()
    rows = {row.name: row.counts for row in split_table(project)}
    assert rows["Images"] == [6, 3, 0, 3]
    assert rows["Done, without boxes"] == [1, 0, 0, 0]
    assert rows["cat"] == [4, 2, 0, 3]
    assert rows["dog"] == [1, 1, 0, 0]


def test_dealing_keeps_what_is_there_unless_all_is_dealt_anew(project, owner, pets) -> None:
    pets[0].split = "test"
    pets[0].save()
    outcome = deal(project, owner, (0.75, 0.25, 0), 1)
    first = splits_of(project)
    assert first["00.jpg"] == "test"
    assert Counter(first.values()) == {"train": 8, "val": 3, "test": 1}
    undo(outcome.change, owner)
    assert Counter(splits_of(project).values()) == {"": 11, "test": 1}
    deal(project, owner, (0.75, 0.25, 0), 1)
    assert splits_of(project) == first  # The same seed deals the same way.
    deal(project, owner, (0.5, 0.25, 0.25), 2, keep=False)
    assert Counter(splits_of(project).values()) == {"train": 6, "val": 3, "test": 3}


def test_near_duplicates_and_groups_stay_together(project, owner, pets) -> None:
    for image in pets[1:4]:
        PhotoFacts.objects.create(image=image, perceptual_hash="0123456789abcdef" * 4)
    for image in pets[3:6]:
        image.group = "clip"
        image.save()
    for seed in range(4):
        deal(project, owner, (0.5, 0.5, 0), seed, keep=False)
        splits = splits_of(project)
        assert len({splits[f"{n:02}.jpg"] for n in range(1, 6)}) == 1
    project.images.update(split="")
    freeze(project, owner, fractions=(0.5, 0.5, 0.0), seed=3)
    splits = splits_of(project)
    assert len({splits[f"{n:02}.jpg"] for n in range(1, 6)}) == 1


def test_the_page(client_of, project, owner, viewer, stranger, pets) -> None:
    address = reverse("datasets:splits", args=[project.pk])
    page = client_of(viewer).get(address).content.decode()
    assert "What lies where" in page
    assert "Deal images" not in page
    values = {"val": 25, "test": 0, "seed": 4}
    assert client_of(viewer).post(address, values).status_code == 403
    assert client_of(stranger).get(address).status_code == 404
    client = client_of(owner)
    assert client.post(address, values).status_code == 302
    assert DatasetChange.objects.get().words == "Dealt images that had no split"
    assert b"Undo" in client.get(address).content
    too_much = client.post(address, {"val": 60, "test": 60})
    assert too_much.status_code == 400
    assert "leave -20 %" in too_much.content.decode()
