"""What a worker does with a whole dataset: exports that are kept, changes of many images."""

import contextlib
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from webapp.datasets import recording, works
from webapp.datasets.freezing import freeze
from webapp.datasets.job_models import DatasetExport, DatasetWork
from webapp.datasets.kept_exports import remove_old_exports
from webapp.labeling.models import Annotation
from webapp.leases import LeaseLost, Status
from workers.dataset_exports import run_dataset_export
from workers.dataset_works import run_dataset_work

pytestmark = pytest.mark.django_db
TWICE = [("cat", 1, 2, 30, 40), ("cat", 1, 2, 30, 40)]


class Keeper(contextlib.nullcontext[Any]):
    """No thread beside the test's, which holds the database. `lose_at`: the check that fails."""

    lose_at = 0
    checks = 0

    def __enter__(self) -> Any:
        return self

    def check(self) -> None:
        Keeper.checks += 1
        if Keeper.checks == Keeper.lose_at:
            raise LeaseLost


@pytest.fixture(autouse=True)
def in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keeper, "lose_at", 0)
    monkeypatch.setattr(Keeper, "checks", 0)
    monkeypatch.setattr("workers.dataset_exports.LeaseKeeper", Keeper)
    monkeypatch.setattr("workers.dataset_works.LeaseKeeper", Keeper)
    monkeypatch.setattr(works, "LARGE", 0)
    monkeypatch.setattr(recording, "BATCH", 1)
    monkeypatch.setattr("webapp.datasets.health_fixes.BATCH", 1)


@pytest.fixture
def images(project: Any, make_image: Any) -> list[Any]:
    return [make_image(project, f"{n}.jpg", boxes=TWICE, split="train") for n in range(4)]


def page(project: Any, tail: str) -> str:
    return f"/projects/{project.pk}/{tail}"


def num_boxes(project: Any) -> int:
    return Annotation.objects.filter(image__project=project, status="active").count()


def body(response: Any) -> bytes:
    return response.content if not response.streaming else b"".join(response.streaming_content)


def test_an_export_is_kept_and_downloaded(
    client_of: Any,
    annotator: Any,
    viewer: Any,
    stranger: Any,
    project: Any,
    images: Any,
    sent: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    form = {"format": "coco", "pictures": "1"}
    assert client_of(viewer).post(page(project, "dataset/export/keep/"), form).status_code == 403
    client = client_of(annotator)
    assert client.post(page(project, "dataset/export/keep/"), {"format": "x"}).status_code == 400
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(page(project, "dataset/export/keep/"), form).status_code == 302
    row = DatasetExport.objects.get()
    assert sent == [("workers.tasks.export_dataset", row.pk)]
    link = page(project, f"dataset/exports/{row.pk}.zip")
    assert client.get(link).status_code == 404
    assert "waiting for a worker" in client.get(page(project, "dataset/exports/")).content.decode()
    run_dataset_export(row.pk, "test")
    run_dataset_export(row.pk, "test")  # delivered twice
    row.refresh_from_db()
    assert (row.status, row.num_done, row.attempt) == (Status.FINISHED, 4, 1), row.reason
    answer = client_of(viewer).get(link)
    assert answer["Content-Disposition"].startswith("attachment")
    data = body(answer)
    assert len(data) == row.bytes
    archive = zipfile.ZipFile(io.BytesIO(data))
    table = json.loads(archive.read("annotations/instances_train.json"))
    assert (len(table["images"]), archive.testzip()) == (4, None)
    assert client_of(stranger).get(link).status_code == 404
    assert row.file_name in client.get(page(project, "dataset/exports/")).content.decode()


def test_an_export_is_stopped_or_gone(
    client_of: Any, annotator: Any, project: Any, images: Any, media: Path
) -> None:
    rows = [project.dataset_exports.create(format="voc", about="all") for _ in range(3)]
    client = client_of(annotator)
    client.post(page(project, f"dataset/exports/{rows[0].pk}/drop/"))
    run_dataset_export(rows[0].pk, "test")
    rows[0].refresh_from_db()
    assert rows[0].status == Status.CANCELLED
    for row in rows[1:]:
        run_dataset_export(row.pk, "test")
    assert len(list(media.rglob("exports/*.zip"))) == 2
    client.post(page(project, f"dataset/exports/{rows[1].pk}/drop/"))
    long_ago = timezone.now() - timedelta(days=8)
    DatasetExport.objects.filter(pk=rows[2].pk).update(finished_at=long_ago)
    assert remove_old_exports() == 1
    assert not list(media.rglob("exports/*.zip"))
    assert DatasetExport.objects.get() == rows[0]


def test_a_fix_by_a_worker_survives_a_kill_and_is_taken_back(
    client_of: Any,
    annotator: Any,
    viewer: Any,
    project: Any,
    images: Any,
    sent: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    client = client_of(annotator)
    fix = page(project, "health/duplicate-boxes/fix/")
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(fix).status_code == 302
    work = DatasetWork.objects.get()
    assert sent == [("workers.tasks.change_dataset", work.pk)]
    shown = client.get(page(project, "dataset/splits/")).content.decode()
    assert "Waiting for a worker" in shown
    assert "Another change is being made" in client.post(fix, follow=True).content.decode()
    Keeper.lose_at = 3
    run_dataset_work(work.pk, "killed")
    assert num_boxes(project) == 6  # two of four images, and the third one's batch taken back
    work.refresh_from_db()
    assert (work.num_done, len(work.change.changes["operations"])) == (2, 2)
    DatasetWork.objects.update(status=Status.QUEUED, lease_token=None)
    run_dataset_work(work.pk, "next")
    work.refresh_from_db()
    assert work.status == Status.FINISHED, work.reason
    assert num_boxes(project) == 4
    assert len(work.change.changes["operations"]) == 4
    answer = client.get(page(project, "dataset/work/"), headers={"HX-Request": "true"})
    assert answer["HX-Refresh"] == "true"
    assert "Changed 2 boxes" in client.get(page(project, "health/")).content.decode()

    client.post(page(project, f"changes/{work.change.pk}/undo/"))
    undo = DatasetWork.objects.get()
    Keeper.lose_at = Keeper.checks + 3
    run_dataset_work(undo.pk, "killed")
    assert num_boxes(project) == 6
    DatasetWork.objects.update(status=Status.QUEUED, lease_token=None)
    run_dataset_work(undo.pk, "next")
    undo.refresh_from_db()
    assert (undo.status, undo.said["left"]) == (Status.FINISHED, [])
    assert num_boxes(project) == 8


def test_restore_and_deal_by_a_worker(
    client_of: Any, owner: Any, viewer: Any, project: Any, images: Any
) -> None:
    freeze(project, owner)
    Annotation.objects.filter(image=images[0]).delete()
    client = client_of(owner)
    assert client_of(viewer).post(page(project, "dataset/1/restore/")).status_code == 403
    client.post(page(project, "dataset/1/restore/"))
    work = DatasetWork.objects.get()
    Keeper.lose_at = 4
    run_dataset_work(work.pk, "killed")
    DatasetWork.objects.update(status=Status.QUEUED, lease_token=None)
    run_dataset_work(work.pk, "next")
    work.refresh_from_db()
    assert work.status == Status.FINISHED, work.reason
    assert num_boxes(project) == 8
    assert list(project.revisions.values_list("number", flat=True)) == [2, 1]  # frozen first, once

    form = {"val": 50, "test": 0, "seed": 0, "anew": "on"}
    client.post(page(project, "dataset/splits/"), form)
    run_dataset_work(DatasetWork.objects.get().pk, "test")
    assert project.images.filter(split="val").count() == 2


def test_a_change_is_stopped_and_a_failure_is_said(
    client_of: Any, annotator: Any, project: Any, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(annotator)
    client.post(page(project, "health/duplicate-boxes/fix/"))
    client.post(page(project, "dataset/work/cancel/"))
    run_dataset_work(DatasetWork.objects.get().pk, "test")
    assert DatasetWork.objects.get().status == Status.CANCELLED
    assert num_boxes(project) == 8
    client.post(page(project, "health/duplicate-boxes/fix/"))
    monkeypatch.setattr("workers.dataset_works.do", lambda *_: 1 / 0)
    run_dataset_work(DatasetWork.objects.get().pk, "test")
    assert "division by zero" in client.get(page(project, "health/")).content.decode()
