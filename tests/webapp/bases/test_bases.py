"""The page of bases: who sees it, who adds, fetches and removes, and what is refused."""

import io
import json
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from webapp.bases.models import BaseArrival
from webapp.leases import Status
from workers import bases as worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def bases_folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("BOXLOOP_BASES", str(tmp_path / "bases"))
    return tmp_path / "bases"


@pytest.fixture
def path(project) -> str:
    return f"/projects/{project.pk}/bases/"


def put_base(folder: Path, name: str = "mine") -> None:
    (folder / name / "model").mkdir(parents=True)
    row = {"title": "My own", "about": "Added.", "licence": "MIT", "architecture": "faster_rcnn"}
    (folder / name / "base.json").write_text(json.dumps({"name": name, **row}))
    (folder / name / "model" / "model.json").write_text("{}")


def checkpoint() -> SimpleUploadedFile:
    return SimpleUploadedFile("zoo.tar.gz", b"weights")


def test_every_member_sees_what_there_is(client_of, annotator, owner, path, bases_folder):
    put_base(bases_folder)
    page = client_of(annotator).get(path).content.decode()
    assert "Faster R-CNN Inception v2" in page
    assert "My own" in page
    assert "Add a checkpoint" not in page
    assert "Add a checkpoint" in client_of(owner).get(path).content.decode()


def test_another_persons_project_is_not_there(client_of, make_user, path):
    assert client_of(make_user("zoe")).get(path).status_code == 404


def test_an_annotator_may_not_add(client_of, annotator, path):
    answer = client_of(annotator).post(path, {"name": "mine", "checkpoint": checkpoint()})
    assert answer.status_code == 403
    assert not BaseArrival.objects.exists()


def test_an_owner_adds_by_file(client_of, owner, path, sent, tmp_path):
    config = SimpleUploadedFile("pipeline.config", b"model {}")
    given = {"name": "mine", "title": "My own", "checkpoint": checkpoint(), "config": config}
    assert client_of(owner).post(path, given).status_code == 302
    arrival = BaseArrival.objects.get()
    assert (arrival.status, arrival.uploaded, arrival.has_config) == ("queued", True, True)
    assert "--origin=zoo.tar.gz" in worker._command(arrival, tmp_path), "not the worker's own name"
    assert default_storage.open(arrival.checkpoint_path).read() == b"weights"
    assert sent == []  # the message goes out after the commit, which a test never does


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "mine"}, "Give a file, or its address."),
        ({"name": "../x", "url": "https://example.org/a.tar.gz"}, "cannot be a name"),
        ({"name": "ssdlite_mobilenet_v2_coco", "url": "https://example.org/a"}, "already"),
        ({"name": "a", "url": "https://example.org/a", "sha256": "12"}, "64 digits"),
        ({"name": "a", "url": "file:///etc/passwd"}, "valid URL"),
    ],
)
def test_what_is_missing_or_wrong_is_said(client_of, owner, path, given, words):
    answer = client_of(owner).post(path, given)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not BaseArrival.objects.exists()


def test_fetching_once(client_of, owner, annotator, path):
    fetch = f"{path}faster_rcnn_inception_v2_coco/fetch/"
    assert client_of(annotator).post(fetch).status_code == 403
    for _ in range(2):
        client_of(owner).post(fetch)
    assert BaseArrival.objects.count() == 1
    assert "Waiting for a worker" in client_of(owner).get(path).content.decode()
    assert client_of(owner).post(f"{path}nothing/fetch/").status_code == 404


def test_only_an_added_base_is_removed(client_of, owner, path, bases_folder):
    put_base(bases_folder)
    assert client_of(owner).post(f"{path}mine/remove/").status_code == 302
    assert not (bases_folder / "mine").exists()
    answer = client_of(owner).post(f"{path}ssdlite_mobilenet_v2_coco/remove/", follow=True)
    assert "is built in" in answer.content.decode()


def test_cancel(client_of, owner, path):
    arrival = BaseArrival.objects.create(name="mine", url="https://example.org/a")
    client_of(owner).post(f"{path}arrivals/{arrival.pk}/cancel/")
    arrival.refresh_from_db()
    assert arrival.status == Status.CANCELLED


def test_a_base_that_is_built_in_cannot_be_uploaded(monkeypatch):
    said = (
        "/srv/x/a.tgz: npm could not fetch it. Check the network, or give the tarball: --from FILE."
    )
    monkeypatch.setattr(worker, "_follow", lambda *arguments: said)
    built_in = BaseArrival.objects.create(name="ssdlite_mobilenet_v2_coco", built_in=True)
    added = BaseArrival.objects.create(name="mine", url="https://example.org/a")
    for arrival in (built_in, added):
        worker.run_arrival(arrival.pk, "here")
        arrival.refresh_from_db()
    command = "./boxloop bases --fetch ssdlite_mobilenet_v2_coco --from FILE"
    assert built_in.reason.endswith(f"or give the file on the server: {command}.")
    assert added.reason == "a.tgz: npm could not fetch it. Check the network, or upload the file."


def test_the_worker_says_why_a_base_is_not_taken(client_of, owner, path):
    arrival = BaseArrival.objects.create(
        name="mine", title="Mine", uploaded=True, file_name="zoo.tar.gz"
    )
    default_storage.save(arrival.checkpoint_path, io.BytesIO(b"no tarball"))
    worker.run_arrival(arrival.pk, "here")
    worker.run_arrival(arrival.pk, "there")
    arrival.refresh_from_db()
    assert (arrival.status, arrival.attempt) == ("failed", 1)
    assert arrival.reason.startswith("zoo.tar.gz: this is no tar archive")
    assert not default_storage.exists(arrival.checkpoint_path)
    assert "was not added" in client_of(owner).get(path).content.decode()
    BaseArrival.objects.create(name="mine", status=Status.FINISHED)
    assert "was not added" not in client_of(owner).get(path).content.decode()
