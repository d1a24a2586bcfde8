"""A photo's pictures: preview, thumbnail, and with its boxes drawn in."""

import io

import pytest
from PIL import Image

from tests.webapp.inference.rows import add_photo, at, make_request


@pytest.fixture
def photo(project, owner):
    return add_photo(make_request(owner, project))


def opened(response):
    return Image.open(io.BytesIO(response.content))


@pytest.mark.parametrize("name", ["preview", "thumbnail"])
def test_pictures(client_of, viewer, photo, name):
    response = client_of(viewer).get(at(name, photo.request, photo.pk))
    assert response["Content-Type"] == "image/jpeg"
    assert "immutable" in response["Cache-Control"]
    assert opened(response).size == (64, 48)


def test_drawn_at_a_threshold(client_of, viewer, photo):
    client = client_of(viewer)
    url = at("drawn", photo.request, photo.pk)
    plain = opened(client.get(url, {"threshold": "1"}))
    drawn = opened(client.get(url, {"threshold": "0.9"}))
    assert drawn.size == (64, 48)
    assert plain.tobytes() != drawn.tobytes()
    off = opened(client.get(url, {"threshold": "0.9", "hidden": "1,x"}))
    assert off.tobytes() == plain.tobytes()


@pytest.mark.parametrize("name", ["preview", "thumbnail", "drawn"])
def test_a_photo_that_could_not_be_read_has_no_pictures(client_of, viewer, photo, name):
    bad = add_photo(photo.request, "bad.svg", error="It is an SVG drawing.")
    assert client_of(viewer).get(at(name, bad.request, bad.pk)).status_code == 404


@pytest.mark.parametrize("name", ["preview", "thumbnail", "drawn"])
def test_people(client_of, viewer, stranger, owner, photo, name):
    url = at(name, photo.request, photo.pk)
    assert client_of(stranger).get(url).status_code == 404
    assert client_of(viewer).post(url).status_code == 405
    other = add_photo(make_request(owner, photo.request.project))
    assert client_of(viewer).get(at(name, photo.request, other.pk)).status_code == 404
    mine = add_photo(make_request(stranger))
    assert client_of(owner).get(at(name, mine.request, mine.pk)).status_code == 404
    assert client_of(stranger).get(at(name, mine.request, mine.pk)).status_code == 200
