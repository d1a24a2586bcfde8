"""A request's page, progress, more photos, another detector, and its JSON."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.web_fixtures import jpeg_bytes
from tests.webapp.inference.rows import BASE, FOUND, add_photo, at, make_request
from tests.webapp.training.rows import make_model, make_run
from webapp.inference.models import DetectionRequest
from webapp.leases import Status

JSON = {"Accept": "application/json"}


@pytest.fixture
def row(project, owner):
    return make_request(owner, project, make_model(make_run(project, 1, Status.FINISHED)))


def photo(name="new.jpg"):
    return SimpleUploadedFile(name, jpeg_bytes())


def test_page_carries_its_results(client_of, viewer, row):
    add_photo(row)
    response = client_of(viewer).get(at("request", row))
    assert response.context["state"]["photos"][0]["name"] == "tom.jpg"
    assert 'id="request-state"' in response.content.decode()


def test_progress(client_of, viewer, row):
    first = add_photo(row)
    add_photo(row, "bad.svg", error="It is an SVG drawing.")
    add_photo(row, "later.jpg", done=False, width=None, height=None)
    client = client_of(viewer)
    state = client.get(at("progress", row)).json()
    assert (state["total"], state["undone"], state["threshold"]) == (3, 1, 0.46)
    good, bad, later = state["photos"]
    assert good["detections"][0] == [1, 0.98, 5, 5, 30, 30]
    assert (bad["error"], bad["preview"]) == ("It is an SVG drawing.", "")
    assert (later["done"], later["detections"]) == (False, [])
    assert [label["shown"] for label in state["labels"]] == ["cat", "dog"]
    rest = client.get(at("progress", row), {"after": first.pk}).json()
    assert [one["name"] for one in rest["photos"]] == ["bad.svg", "later.jpg"]


def test_labels_of_a_base_are_those_that_it_found(client_of, viewer, owner, project):
    row = make_request(owner, project)
    add_photo(row, found=[(17, "cat", 0.9, 5, 5, 30, 30)])
    (label,) = client_of(viewer).get(at("progress", row)).json()["labels"]
    assert (label["shown"], label["color"]) == ("cat", "var(--class-5)")


def test_a_failed_request_says_why(client_of, viewer, row):
    DetectionRequest.objects.update(status=Status.FAILED, reason="The base is not here.")
    state = client_of(viewer).get(at("progress", row)).json()
    assert (state["status"], state["reason"]) == ("failed", "The base is not here.")


def test_more_photos_queue_it_again(client_of, viewer, row):
    add_photo(row)
    client_of(viewer).post(at("photos", row), {"photos": [photo()]}, headers=JSON)
    row.refresh_from_db()
    assert (row.status, row.attempt, row.photos.count()) == (Status.QUEUED, 0, 2)


def test_more_photos_leave_a_worker_alone(client_of, viewer, row):
    DetectionRequest.objects.update(status=Status.RUNNING)
    client_of(viewer).post(at("photos", row), {"photos": [photo()]}, headers=JSON)
    row.refresh_from_db()
    assert row.status == Status.RUNNING
    # The worker ends without having seen it; the page asks for it to be taken up.
    DetectionRequest.objects.update(status=Status.FINISHED)
    client_of(viewer).post(at("photos", row), headers=JSON)
    row.refresh_from_db()
    assert row.status == Status.QUEUED


def test_asking_without_photos_changes_nothing_where_all_are_done(client_of, viewer, row):
    add_photo(row)
    client_of(viewer).post(at("photos", row), headers=JSON)
    row.refresh_from_db()
    assert row.status == Status.FINISHED


def test_the_same_photos_with_another_detector(client_of, viewer, row):
    add_photo(row)
    response = client_of(viewer).post(at("again", row), {"detector": BASE})
    again = DetectionRequest.objects.exclude(pk=row.pk).get()
    assert response.url == at("request", again)
    copy = again.photos.get()
    assert (again.base, again.status, copy.name, copy.done) == (BASE, "queued", "tom.jpg", False)
    assert client_of(viewer).post(at("again", row), {"detector": "nonesuch"}).status_code == 404


def test_json_is_that_of_the_command_line(client_of, viewer, row):
    add_photo(row)
    add_photo(row, "bad.svg", error="It is an SVG drawing.", width=None, height=None)
    response = client_of(viewer).get(at("json", row))
    assert response["Content-Disposition"].startswith("attachment")
    good, bad = response.json()
    assert (good["image"], good["width"], good["height"]) == ("tom.jpg", 64, 48)
    assert good["detections"][0] == {
        "label": "cat", "score": 0.98, "xmin": 5, "ymin": 5, "xmax": 30, "ymax": 30,
    }  # fmt: skip
    assert len(good["detections"]) == 2  # 0.2 is below the recommended threshold
    assert bad["error"] == "It is an SVG drawing."


@pytest.mark.parametrize(
    ("asked", "count"), [("0.05", 3), ("0.6", 1), ("7", 2), ("nan", 2), ("", 2)]
)
def test_json_from_a_threshold(client_of, viewer, row, asked, count):
    add_photo(row, found=FOUND)
    listed = client_of(viewer).get(at("json", row), {"threshold": asked}).json()
    assert len(listed[0]["detections"]) == count


def test_each_label_has_its_own_threshold(client_of, viewer, owner, project):
    model = make_model(make_run(project), metrics={"score_thresholds": {"cat": 0.99, "dog": 0.2}})
    row = make_request(owner, project, model)
    add_photo(row, found=FOUND)
    client = client_of(viewer)
    assert client.get(at("progress", row)).json()["own_thresholds"] == {"1": 0.99, "2": 0.2}
    for asked, scores in [("", [0.5, 0.2]), ("abc", [0.5, 0.2]), ("0.5", [0.98, 0.5])]:
        listed = client.get(at("json", row), {"threshold": asked}).json()
        assert [one["score"] for one in listed[0]["detections"]] == scores


@pytest.mark.parametrize("name", ["request", "progress", "json"])
def test_people(client_of, viewer, stranger, row, name):
    assert client_of(viewer).get(at(name, row)).status_code == 200
    assert client_of(stranger).get(at(name, row)).status_code == 404
    assert client_of(viewer).post(at(name, row)).status_code == 405


@pytest.mark.parametrize("name", ["photos", "again"])
def test_people_who_write(client_of, viewer, stranger, row, name):
    assert client_of(stranger).post(at(name, row)).status_code == 404
    assert client_of(viewer).get(at(name, row)).status_code == 405


def test_try_requests_are_their_makers_alone(client_of, owner, stranger):
    row = make_request(stranger)
    assert client_of(stranger).get(f"/detect/{row.pk}/").status_code == 200
    assert client_of(owner).get(f"/detect/{row.pk}/").status_code == 404
    assert client_of(owner).get(at("progress", row)).status_code == 404


def test_a_projects_request_has_no_address_without_it(client_of, owner, row):
    assert client_of(owner).get(f"/detect/{row.pk}/").status_code == 404
