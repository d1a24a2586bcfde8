"""Sending an upload's files: create, file, start."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from webapp.datasets import uploads
from webapp.datasets.models import ImageImport, ImportFile
from webapp.leases import Status


def create(client: Any, project: Any, **fields: Any) -> Any:
    asked = {"name": "holiday", "files": 2, "bytes": 100, **fields}
    return client.post(f"/projects/{project.pk}/imports/new/", asked)


def send(
    client: Any, project: Any, import_id: int, name: str = "a.jpg", data: bytes = b"abc"
) -> Any:
    return client.post(
        f"/projects/{project.pk}/imports/{import_id}/files/",
        {"name": name, "file": SimpleUploadedFile("blob", data)},
    )


def start(client: Any, project: Any, import_id: int) -> Any:
    return client.post(
        f"/projects/{project.pk}/imports/{import_id}/start/", headers={"Accept": "application/json"}
    )


@pytest.fixture
def draft(project: Any, annotator: Any) -> ImageImport:
    return ImageImport.objects.create(
        project=project, created_by=annotator, name="holiday", status=Status.DRAFT
    )


def test_an_upload_from_beginning_to_end(
    client_of: Any, annotator: Any, project: Any, sent: Any, django_capture_on_commit_callbacks: Any
) -> None:
    client = client_of(annotator)
    answer = create(client, project, name="trip/../my holiday", split="val")
    assert answer.status_code == 201
    row = ImageImport.objects.get(pk=answer.json()["id"])
    assert (row.name, row.status, row.split, row.created_by) == (
        "trip/my holiday", "draft", "val", annotator,
    )  # fmt: skip
    assert send(client, project, row.pk, "trip/a.jpg", b"abc").status_code == 201
    assert send(client, project, row.pk, "trip/b.jpg", b"defg").status_code == 201
    with django_capture_on_commit_callbacks(execute=True):
        begun = start(client, project, row.pk)
    assert begun.json()["status"] == "queued"
    assert sent == [("workers.tasks.import_images", row.pk)]
    files = list(row.files.values_list("name", "bytes"))
    assert files == [("trip/a.jpg", 3), ("trip/b.jpg", 4)]


def test_what_is_acknowledged_is_stored(
    client_of: Any, annotator: Any, project: Any, draft: Any
) -> None:
    assert send(client_of(annotator), project, draft.pk, data=b"the bytes").status_code == 201
    with default_storage.open(draft.files.get().path, "rb") as file:
        assert file.read() == b"the bytes"


def test_a_file_that_is_sent_again_replaces_itself(
    client_of: Any, annotator: Any, project: Any, draft: Any
) -> None:
    client = client_of(annotator)
    send(client, project, draft.pk, data=b"half")
    send(client, project, draft.pk, data=b"all of it")
    row = draft.files.get()
    assert row.bytes == 9
    with default_storage.open(row.path, "rb") as file:
        assert file.read() == b"all of it"


def test_starting_twice_queues_once(
    client_of: Any, annotator: Any, project: Any, draft: Any, sent: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    client = client_of(annotator)
    send(client, project, draft.pk)
    with django_capture_on_commit_callbacks(execute=True):
        assert start(client, project, draft.pk).status_code == 200
        assert start(client, project, draft.pk).status_code == 200
    assert len(sent) == 1


def test_a_row_whose_bytes_never_came_is_dropped(draft: Any) -> None:
    ImportFile.objects.create(image_import=draft, name="lost.jpg", bytes=0)
    with pytest.raises(uploads.UploadRefused, match="No file has arrived"):
        uploads.submit(draft)
    assert not draft.files.exists()


def test_an_empty_file_reaches_the_report(
    client_of: Any, annotator: Any, project: Any, draft: Any
) -> None:
    assert send(client_of(annotator), project, draft.pk, "empty.jpg", b"").status_code == 201
    assert uploads.submit(draft)
    assert draft.files.get().name == "empty.jpg"


def test_starting_with_nothing_is_refused_in_words(
    client_of: Any, annotator: Any, project: Any, draft: Any
) -> None:
    answer = start(client_of(annotator), project, draft.pk)
    assert answer.status_code == 400
    assert answer.json()["error"] == "No file has arrived. Choose the files again."


@pytest.mark.parametrize(
    "status", [Status.QUEUED, Status.RUNNING, Status.FINISHED, Status.CANCELLED]
)
def test_a_file_for_an_import_that_is_no_draft_is_refused(
    client_of: Any, annotator: Any, project: Any, draft: Any, status: str
) -> None:
    ImageImport.objects.filter(pk=draft.pk).update(status=status)
    answer = send(client_of(annotator), project, draft.pk)
    assert answer.status_code == 409
    assert "Start a new one" in answer.json()["error"]
    assert not draft.files.exists()


def test_a_cancel_while_the_bytes_come_leaves_none(
    draft: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = default_storage.save

    def save_and_cancel(name: str, content: Any) -> str:
        saved = save(name, content)
        ImageImport.objects.filter(pk=draft.pk).update(status=Status.CANCELLED)
        return saved

    monkeypatch.setattr(default_storage._wrapped, "save", save_and_cancel)
    with pytest.raises(uploads.UploadRefused, match="cancelled"):
        uploads.receive_file(draft, "a.jpg", SimpleUploadedFile("a.jpg", b"abc"))
    assert not default_storage.exists(draft.files.get().path)


def test_a_file_over_the_limit_is_413_in_words(
    client_of: Any, annotator: Any, project: Any, draft: Any, settings: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = 10
    answer = send(client_of(annotator), project, draft.pk, "big.zip", b"x" * 11)
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("big.zip: 11 B is over the limit of 10 B a file.")
    assert not draft.files.exists()


def test_a_request_without_a_file_is_400(
    client_of: Any, annotator: Any, project: Any, draft: Any
) -> None:
    url = f"/projects/{project.pk}/imports/{draft.pk}/files/"
    assert client_of(annotator).post(url, {"name": "a.jpg"}).status_code == 400


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a.jpg", "a.jpg"),
        ("trip\\day 1\\a.jpg", "trip/day 1/a.jpg"),
        ("/etc/passwd", "etc/passwd"),
        ("../../a.jpg", "a.jpg"),
        ("a\0b\r\n.jpg", "ab.jpg"),
        ("café.jpg", "café.jpg"),
    ],
)
def test_names_are_text(given: str, kept: str) -> None:
    assert uploads.clean_file_name(given) == kept


@pytest.mark.parametrize("given", ["", "..", "/", "\0", "x" * 1025])
def test_names_that_are_none(given: str) -> None:
    with pytest.raises(uploads.UploadRefused):
        uploads.clean_file_name(given)


@pytest.mark.parametrize(
    "fields",
    [
        {"files": 0},
        {"files": "many"},
        {"bytes": -1},
        {"name": ""},
        {"name": "../.."},
        {"split": "holdout"},
    ],
)
def test_bad_announcements_say_what_is_wrong(
    client_of: Any, annotator: Any, project: Any, fields: dict[str, Any]
) -> None:
    answer = create(client_of(annotator), project, **fields)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert not ImageImport.objects.exists()


def test_too_many_files_are_refused_before_they_are_sent(
    client_of: Any, annotator: Any, project: Any, settings: Any
) -> None:
    settings.MAX_ENTRIES = 10
    answer = create(client_of(annotator), project, files=11)
    assert answer.status_code == 413
    assert "11 files; one import takes 10" in answer.json()["error"]


def test_more_than_the_disk_holds_is_refused_before_it_is_sent(
    client_of: Any, annotator: Any, project: Any
) -> None:
    answer = create(client_of(annotator), project, bytes=10**17)
    assert answer.status_code == 507
    assert "free" in answer.json()["error"]


def test_writes_take_an_annotator(
    client_of: Any, viewer: Any, stranger: Any, annotator: Any, project: Any, draft: Any
) -> None:
    for user, status in ((viewer, 403), (stranger, 404)):
        client = client_of(user)
        assert create(client, project).status_code == status
        assert send(client, project, draft.pk).status_code == status
        assert start(client, project, draft.pk).status_code == status
    client = client_of(annotator)
    for path in ("new/", f"{draft.pk}/files/", f"{draft.pk}/start/"):
        assert client.get(f"/projects/{project.pk}/imports/{path}").status_code == 405


def test_another_projects_import_is_404(
    client_of: Any, annotator: Any, owner: Any, project: Any
) -> None:
    from webapp.projects.models import Project

    other = Project.objects.create(name="Other", created_by=owner)
    foreign = ImageImport.objects.create(
        project=other, created_by=owner, name="x", status=Status.DRAFT
    )
    client = client_of(annotator)
    assert send(client, project, foreign.pk).status_code == 404
    assert start(client, project, foreign.pk).status_code == 404


def test_drafts_without_a_sign_for_a_day_are_cancelled(
    draft: Any, project: Any, annotator: Any
) -> None:
    old = timezone.now() - timedelta(days=2)
    uploads.receive_file(draft, "a.jpg", SimpleUploadedFile("a.jpg", b"abc"))
    ImageImport.objects.filter(pk=draft.pk).update(created_at=old)
    assert uploads.cancel_abandoned_drafts() == 0  # a file came just now
    draft.files.update(received_at=old)
    path = draft.files.get().path
    assert uploads.cancel_abandoned_drafts() == 1
    draft.refresh_from_db()
    assert draft.status == Status.CANCELLED
    assert "for a day" in draft.reason
    assert not default_storage.exists(path)
    assert uploads.cancel_abandoned_drafts() == 0
