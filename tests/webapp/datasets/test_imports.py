"""Import history, report, progress and cancel."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from webapp.datasets import uploads
from webapp.datasets.models import ImageImport, ImportProblem
from webapp.leases import Status


@pytest.fixture
def make_import(project: Any, annotator: Any) -> Any:
    def make(status: str = Status.FINISHED, **fields: Any) -> ImageImport:
        fields = {"name": "bench.zip", "num_found": 40, "num_done": 40, "num_taken": 39, **fields}
        return ImageImport.objects.create(
            project=project, created_by=annotator, status=status, **fields
        )

    return make


def address(project: Any, row: Any = None, tail: str = "") -> str:
    return f"/projects/{project.pk}/imports/" + (f"{row.pk}/{tail}" if row else "")


def add_problem(row: Any, severity: str = "refused", file: str = "a.jpg", **fields: Any) -> Any:
    return ImportProblem.objects.create(
        image_import=row, file=file, message="Ends after 41 kB.", severity=severity, **fields
    )


def test_the_history_lists_imports(
    client_of: Any, viewer: Any, project: Any, make_import: Any
) -> None:
    add_problem(make_import(num_refused=1))
    make_import(Status.RUNNING, name="running.zip", num_done=7)
    text = client_of(viewer).get(address(project)).content.decode()
    assert "bench.zip" in text
    assert "Finished, 1 left out" in text
    assert "7 of 40" in text
    assert "every 2s" in text


def test_an_empty_history_says_what_it_is_for(client_of: Any, viewer: Any, project: Any) -> None:
    assert "Nothing was imported yet" in client_of(viewer).get(address(project)).content.decode()


def test_a_draft_whose_browser_is_gone(
    client_of: Any, annotator: Any, project: Any, make_import: Any
) -> None:
    row = make_import(Status.DRAFT)
    uploads.receive_file(row, "a.jpg", SimpleUploadedFile("a.jpg", b"abc"))
    row.files.update(received_at=timezone.now() - timedelta(hours=1))
    client = client_of(annotator)
    assert "Upload broke off" in client.get(address(project)).content.decode()
    text = client.get(address(project, row)).content.decode()
    assert "1 file (3 B) arrived" in text
    assert "Import the 1 that arrived" in text
    begun = client.post(address(project, row, "start/"))
    assert begun.status_code == 302
    row.refresh_from_db()
    assert row.status == Status.QUEUED


def test_the_report_groups_problems_by_severity(
    client_of: Any, viewer: Any, project: Any, make_import: Any, make_image: Any
) -> None:
    row = make_import()
    image = make_image(project)
    add_problem(row, "note", "<b>notes</b>.txt")
    add_problem(row, "mended", "cat.xml", image=image)
    client = client_of(viewer)
    text = client.get(address(project, row)).content.decode()
    assert "cat.xml" in text
    assert f"/projects/{project.pk}/label/{image.pk}/" in text
    assert "notes" not in text
    text = client.get(address(project, row) + "?show=note").content.decode()
    assert "&lt;b&gt;notes&lt;/b&gt;.txt" in text
    assert client.get(address(project, row) + "?show=nonsense&page=x").status_code == 200


def test_a_long_report_is_paged(
    client_of: Any, viewer: Any, project: Any, make_import: Any
) -> None:
    row = make_import()
    for number in range(130):
        add_problem(row, file=f"{number:03}.jpg")
    client = client_of(viewer)
    first = client.get(address(project, row)).content.decode()
    assert "099.jpg" in first
    assert "100.jpg" not in first
    assert "129.jpg" in client.get(address(project, row) + "?show=refused&page=2").content.decode()


def test_progress_while_it_runs(
    client_of: Any, viewer: Any, project: Any, make_import: Any
) -> None:
    row = make_import(Status.RUNNING, num_done=7, num_taken=7)
    add_problem(row)
    answer = client_of(viewer).get(address(project, row, "progress/")).json()
    assert (answer["active"], answer["found"], answer["done"]) == (True, 40, 7)
    assert answer["problems"] == []


def test_progress_at_the_end_is_the_report(
    client_of: Any, viewer: Any, project: Any, make_import: Any, make_image: Any
) -> None:
    row = make_import(format="Pascal VOC", num_boxes=61, num_refused=1)
    image = make_image(project)
    add_problem(row, "note", "note.txt")
    add_problem(row, "mended", "cat.xml", image=image)
    add_problem(row, "refused", "scan.tiff")
    answer = client_of(viewer).get(address(project, row, "progress/")).json()
    assert (answer["active"], answer["taken"], answer["boxes"]) == (False, 39, 61)
    assert [line["file"] for line in answer["problems"]] == ["scan.tiff", "cat.xml"]
    assert answer["num_problems"] == 2
    assert answer["problems"][1]["url"].endswith(f"/label/{image.pk}/")


def test_a_page_opened_while_it_runs_follows_it(
    client_of: Any, annotator: Any, project: Any, make_import: Any
) -> None:
    row = make_import(Status.RUNNING)
    response = client_of(annotator).get(f"/projects/{project.pk}/images/")
    assert response.context["upload_config"]["running"] == row.pk


def test_cancelling_a_draft_deletes_what_was_staged(
    client_of: Any, annotator: Any, project: Any, make_import: Any
) -> None:
    row = make_import(Status.DRAFT)
    path = uploads.receive_file(row, "a.jpg", SimpleUploadedFile("a.jpg", b"abc")).path
    answer = client_of(annotator).post(
        address(project, row, "cancel/"), headers={"Accept": "application/json"}
    )
    assert answer.json()["status"] == "cancelled"
    assert not default_storage.exists(path)


def test_cancelling_what_runs_asks_its_worker(
    client_of: Any, annotator: Any, project: Any, make_import: Any
) -> None:
    row = make_import(Status.RUNNING)
    assert client_of(annotator).post(address(project, row, "cancel/")).status_code == 302
    row.refresh_from_db()
    assert (row.status, row.cancel_requested) == (Status.RUNNING, True)


def test_cancelling_what_has_ended_changes_nothing(
    client_of: Any, annotator: Any, project: Any, make_import: Any
) -> None:
    row = make_import()
    client_of(annotator).post(address(project, row, "cancel/"))
    row.refresh_from_db()
    assert (row.status, row.cancel_requested) == (Status.FINISHED, False)


@pytest.mark.parametrize("tail", ["", "progress/"])
def test_reading_is_for_members(
    client_of: Any,
    stranger: Any,
    viewer: Any,
    owner: Any,
    project: Any,
    make_import: Any,
    tail: str,
) -> None:
    row = make_import()
    assert client_of(viewer).get(address(project, row, tail)).status_code == 200
    assert client_of(stranger).get(address(project, row, tail)).status_code == 404
    assert client_of(stranger).get(address(project)).status_code == 404
    assert client_of(owner).post(address(project, row, tail)).status_code == 405
    assert client_of(owner).get(f"/projects/{project.pk}/imports/999999/{tail}").status_code == 404


def test_cancelling_takes_an_annotator(
    client_of: Any, stranger: Any, viewer: Any, owner: Any, project: Any, make_import: Any
) -> None:
    row = make_import(Status.QUEUED)
    assert client_of(viewer).post(address(project, row, "cancel/")).status_code == 403
    assert client_of(stranger).post(address(project, row, "cancel/")).status_code == 404
    assert client_of(owner).get(address(project, row, "cancel/")).status_code == 405
