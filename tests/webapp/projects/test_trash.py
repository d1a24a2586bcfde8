"""The trash: restore, or delete for good."""

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(project) -> str:
    return f"/projects/{project.pk}/settings/trash/"


@pytest.fixture
def trashed(project, make_image) -> list:
    images = [
        make_image(project, f"{name}.jpg", (64 + place, 48), boxes=[("cat", 1, 1, 9, 9)])
        for place, name in enumerate("abc")
    ]
    project.images.filter(pk__in=[image.pk for image in images[:2]]).update(
        trashed_at=timezone.now()
    )
    return images


def test_page(client_of, annotator, owner, path, trashed):
    page = client_of(annotator).get(path).content.decode()
    assert "a.jpg" in page
    assert "c.jpg" not in page
    assert "for good" not in page.split("<main")[1]
    assert "Delete all 2 images for good?" in client_of(owner).get(path).content.decode()


def test_empty(client_of, owner, path):
    assert "The trash is empty" in client_of(owner).get(path).content.decode()


def test_restore_one(client_of, annotator, project, path, trashed):
    client_of(annotator).post(path, {"do": "restore", "all": "1", "ids": [trashed[0].pk]})
    assert project.images.filter(trashed_at=None).count() == 2
    assert trashed[0].annotations.count() == 1


def test_restore_all(client_of, annotator, project, path, trashed):
    client_of(annotator).post(path, {"do": "restore", "all": "1"})
    assert project.images.filter(trashed_at=None).count() == 3


def test_delete_one_with_its_files(
    client_of, owner, project, path, trashed, django_capture_on_commit_callbacks
):
    first, second, _ = trashed
    with django_capture_on_commit_callbacks(execute=True):
        client_of(owner).post(path, {"do": "delete", "all": "1", "ids": [first.pk]})
    assert set(project.images.values_list("name", flat=True)) == {"b.jpg", "c.jpg"}
    for gone in (first.original_path, first.preview_path, first.thumbnail_path):
        assert not default_storage.exists(gone)
    assert default_storage.exists(second.original_path)


def test_delete_all_takes_only_the_trash(client_of, owner, project, path, trashed):
    client_of(owner).post(path, {"do": "delete", "all": "1"})
    assert list(project.images.values_list("name", flat=True)) == ["c.jpg"]


def test_an_image_outside_the_trash_is_not_deleted(client_of, owner, project, path, trashed):
    page = client_of(owner).post(path, {"do": "delete", "ids": [trashed[2].pk]}, follow=True)
    assert "No image was chosen" in page.content.decode()
    assert project.images.count() == 3


@pytest.mark.parametrize("data", [{}, {"do": "delete"}, {"do": "explode", "all": "1"}])
def test_nothing_chosen(client_of, owner, project, path, trashed, data):
    client_of(owner).post(path, data)
    assert project.images.count() == 3


def test_who_may(client_of, annotator, viewer, stranger, project, path, trashed):
    delete = {"do": "delete", "all": "1"}
    assert client_of(stranger).get(path).status_code == 404
    assert client_of(stranger).post(path, delete).status_code == 404
    assert client_of(viewer).get(path).status_code == 403
    assert client_of(viewer).post(path, {"do": "restore", "all": "1"}).status_code == 403
    assert client_of(annotator).post(path, delete).status_code == 403
    assert project.images.count() == 3


def test_wrong_method(client_of, owner, path):
    assert client_of(owner).put(path).status_code == 405
