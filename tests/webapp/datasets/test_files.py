"""Thumbnail, preview and original of an image."""

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

KINDS = ["thumbnail", "preview", "original"]


def address(project: Any, image: Any, kind: str) -> str:
    return f"/projects/{project.pk}/images/{image.pk}/{kind}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_viewer_sees_the_picture(
    client_of: Any, viewer: Any, project: Any, make_image: Any, kind: str
) -> None:
    image = make_image(project, "cat.jpg", size=(64, 48))
    response = client_of(viewer).get(address(project, image, kind))
    assert response.status_code == 200
    assert response["Content-Type"] == "image/jpeg"
    assert response.content[:2] == b"\xff\xd8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_browser_keeps_it(
    client_of: Any, viewer: Any, project: Any, make_image: Any, kind: str
) -> None:
    image = make_image(project)
    client = client_of(viewer)
    first = client.get(address(project, image, kind))
    assert image.sha256 in first["ETag"]
    again = client.get(address(project, image, kind), headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    tags = {client.get(address(project, image, other))["ETag"] for other in KINDS}
    assert len(tags) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_strangers_request_is_404(
    client_of: Any, stranger: Any, project: Any, make_image: Any, kind: str
) -> None:
    image = make_image(project)
    assert client_of(stranger).get(address(project, image, kind)).status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_of_another_project_is_404(
    client_of: Any, owner: Any, project: Any, make_image: Any, kind: str
) -> None:
    from webapp.projects.models import Membership, Project

    other = Project.objects.create(name="Other", created_by=owner)
    Membership.objects.create(project=other, user=owner, role="owner")
    image = make_image(project)
    assert client_of(owner).get(address(other, image, kind)).status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_post_is_405(client_of: Any, owner: Any, project: Any, make_image: Any, kind: str) -> None:
    image = make_image(project)
    assert client_of(owner).post(address(project, image, kind)).status_code == 405


def test_a_missing_file_is_404(client_of: Any, viewer: Any, project: Any, make_image: Any) -> None:
    image = make_image(project)
    default_storage.delete(image.thumbnail_path)
    assert client_of(viewer).get(address(project, image, "thumbnail")).status_code == 404


def test_the_original_carries_the_users_name(
    client_of: Any, viewer: Any, project: Any, make_image: Any
) -> None:
    image = make_image(project, 'trip/katze "ü"\r\nX-Evil: 1.jpg')
    response = client_of(viewer).get(address(project, image, "original"))
    assert response["Content-Disposition"].startswith("inline")
    assert "X-Evil" not in response
    assert "trip" not in response["Content-Disposition"]
    saved = client_of(viewer).get(address(project, image, "original") + "?download=1")
    assert saved["Content-Disposition"].startswith("attachment")


def test_what_browsers_do_not_know_as_a_picture_is_only_saved(
    client_of: Any, viewer: Any, project: Any, make_image: Any
) -> None:
    image = make_image(project, "scan.tiff")
    image.format = "tiff"
    image.save()
    default_storage.save(image.original_path, ContentFile(b"II*\0<html>"))
    response = client_of(viewer).get(address(project, image, "original"))
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
