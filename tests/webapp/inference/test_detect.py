"""New detection requests: from a project's page, or from "Try detection now"."""

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from tests.web_fixtures import jpeg_bytes
from tests.webapp.inference.rows import BASE, add_photo, make_request
from tests.webapp.training.rows import make_model, make_run
from webapp.inference import requests
from webapp.inference.models import DetectionRequest
from webapp.leases import Status

JSON = {"Accept": "application/json"}
TRY = "/detect/"


@pytest.fixture
def url(project):
    return reverse("inference:detect", args=[project.pk])


def photo(name="tom.jpg", data=None):
    return SimpleUploadedFile(name, jpeg_bytes() if data is None else data)


def test_the_newest_model_is_the_default_and_the_base_is_there(client_of, viewer, project, url):
    for number in (1, 2):
        make_model(make_run(project, number, Status.FINISHED), number)
    detectors = client_of(viewer).get(url).context["detectors"]
    assert [one.name for one in detectors] == ["Model 2", "Model 1", "80 everyday things"]
    assert client_of(viewer).get(url).context["chosen"].name == "Model 2"


def test_without_a_model_the_base_detects(client_of, viewer, url):
    response = client_of(viewer).get(url)
    assert response.context["chosen"].base == BASE
    assert "Train one" in response.content.decode()


@pytest.mark.parametrize("person", ["owner", "annotator", "viewer"])
def test_photos_become_a_request(client_of, request, person, project, url, sent):
    user = request.getfixturevalue(person)
    response = client_of(user).post(url, {"photos": [photo("a.jpg"), photo("b.jpg")]})
    row = DetectionRequest.objects.get()
    assert response.url == reverse("inference:request", args=[project.pk, row.pk])
    assert (row.status, row.base, row.created_by) == (Status.QUEUED, BASE, user)
    assert [one.name for one in row.photos.all()] == ["a.jpg", "b.jpg"]
    assert all(default_storage.exists(one.original_path) for one in row.photos.all())


def test_the_message_goes_out_after_the_files_are_there(
    client_of, viewer, url, sent, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        client_of(viewer).post(url, {"photos": [photo()]})
    assert sent == [("workers.tasks.detect", DetectionRequest.objects.get().pk)]


def test_a_script_gets_addresses(client_of, viewer, url):
    response = client_of(viewer).post(url, {"photos": [photo()]}, headers=JSON)
    assert response.status_code == 201
    assert response.json()["photos_url"].endswith("/photos/")


def test_with_a_model_of_the_project(client_of, viewer, project, url):
    model = make_model(make_run(project, 1, Status.FINISHED))
    client_of(viewer).post(url, {"photos": [photo()], "detector": model.pk})
    row = DetectionRequest.objects.get()
    assert (row.model, row.base, row.score_threshold) == (model, "", 0.46)


def test_the_model_of_another_project_is_not_there(client_of, viewer, project, url, make_user):
    from webapp.projects.models import Project

    other = Project.objects.create(name="Other", created_by=make_user("otto"))
    model = make_model(make_run(other, 1, Status.FINISHED))
    response = client_of(viewer).post(
        url, {"photos": [photo()], "detector": model.pk}, headers=JSON
    )
    assert response.status_code == 422
    assert not DetectionRequest.objects.exists()


def test_no_photo(client_of, viewer, url):
    response = client_of(viewer).post(url, {}, headers=JSON)
    assert (response.status_code, "No photo" in response.json()["message"]) == (422, True)


def test_what_cannot_be_taken_says_so_and_the_rest_goes_on(client_of, viewer, url, monkeypatch):
    monkeypatch.setattr(requests, "MAX_PHOTO_BYTES", 2000)
    files = [photo("empty.jpg", b""), photo("large.jpg", b"x" * 2001), photo("good.jpg")]
    client_of(viewer).post(url, {"photos": files})
    row = DetectionRequest.objects.get()
    errors = {one.name: one.error for one in row.photos.all()}
    assert errors["large.jpg"].startswith("The file has 2.0")
    assert errors["good.jpg"] == ""
    assert row.status == Status.QUEUED


def test_nothing_but_refused_photos_ends_at_once(client_of, viewer, url, monkeypatch):
    monkeypatch.setattr(requests, "MAX_PHOTO_BYTES", 10)
    client_of(viewer).post(url, {"photos": [photo()]})
    assert DetectionRequest.objects.get().status == Status.FINISHED


def test_too_many_photos(client_of, viewer, url, monkeypatch):
    monkeypatch.setattr(requests, "MAX_PHOTOS", 1)
    response = client_of(viewer).post(url, {"photos": [photo(), photo()]}, headers=JSON)
    assert response.status_code == 422
    assert "at most 1 photos" in response.json()["message"]
    assert not DetectionRequest.objects.exists()


def test_a_path_in_a_name_is_left_off(client_of, viewer, url):
    client_of(viewer).post(url, {"photos": [photo("..\\..\\etc\\tom.jpg")]})
    assert DetectionRequest.objects.get().photos.get().name == "tom.jpg"


def test_recent_requests_are_those_of_the_project(client_of, viewer, owner, project, url):
    add_photo(make_request(owner, project))
    add_photo(make_request(owner))
    assert len(client_of(viewer).get(url).context["recent"]) == 1


def test_try_is_for_anyone_with_an_account(client_of, stranger):
    client = client_of(stranger)
    assert client.get(TRY).status_code == 200
    client.post(TRY, {"photos": [photo()]})
    row = DetectionRequest.objects.get()
    assert (row.project, row.base) == (None, BASE)
    assert client.get(reverse("inference:try_request", args=[row.pk])).status_code == 200


def test_people(client_of, client, stranger, url):
    assert client_of(stranger).get(url).status_code == 404
    assert client_of(stranger).post(url, {"photos": [photo()]}).status_code == 404
    assert client_of(stranger).put(TRY).status_code == 405
    assert client.get(TRY).status_code == 302  # to the login
