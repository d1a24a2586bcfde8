"""Export: any format, of all images, of a revision or of a selection; the bundle loses nothing."""

import asyncio
import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from detection.formats.files import ArchiveFiles
from detection.formats.reading import dataset_of
from detection.formats.registry import FORMATS, open_reading
from detection.formats.tfrecord import read_records
from webapp.datasets.freezing import freeze
from webapp.datasets.models import ImageImport, ImportFile
from webapp.datasets.records import write_records
from webapp.datasets.restoring import restore_revision
from webapp.labeling.edits import Edit, apply_edit
from webapp.labeling.models import Annotation
from webapp.leases import Status
from webapp.projects.models import Membership, Project
from workers.importing import run_import

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def images(project: Any, make_image: Any) -> list[Any]:
    return [
        make_image(project, "a/one.jpg", boxes=[("cat", 1, 2.5, 30, 40), ("dog", 5, 5, 9, 9)],
                   split="train"),
        make_image(project, "b/two.jpg", boxes=[("dog", 0, 0, 64, 48)], split="val"),
        make_image(project, "none.jpg", split="train"),
        make_image(project, "unlabelled.jpg", done=False),
    ]  # fmt: skip


def page(project: Any, tail: str = "") -> str:
    return f"/projects/{project.pk}/dataset/export/{tail}"


def body(response: Any) -> bytes:
    assert response.status_code == 200, response.content

    async def gather() -> list[bytes]:
        return [piece async for piece in response.streaming_content]

    return b"".join(asyncio.run(gather()))


@pytest.fixture
def export(client_of: Any, viewer: Any, project: Any, tmp_path: Path) -> Any:
    def download(key: str, **fields: str) -> tuple[dict[str, Any], zipfile.ZipFile]:
        """The boxes by image name as a reader finds them in the zip, and the zip."""
        form = {"format": key, "pictures": "1", **fields}
        path = tmp_path / f"{uuid.uuid4().hex}.zip"
        path.write_bytes(body(client_of(viewer).post(page(project, "download/"), form)))
        files, problems = ArchiveFiles(path), []
        reading = open_reading(files, problems.append)
        assert reading is not None
        assert reading.format == key
        found = {
            item.image.name.rpartition("/")[2]: (
                item.split, [(box.label, *box.xyxy) for box in item.image.boxes])
            for item in dataset_of(reading, files, None, problems.append).read(problems.append)
        }  # fmt: skip
        reading.close()
        return found, zipfile.ZipFile(path)

    return download


@pytest.mark.parametrize("key", FORMATS)
def test_every_format(export: Any, images: list[Any], key: str) -> None:
    found, archive = export(key)
    splits = sorted(split for split, _ in found.values())
    boxes = sorted(box for _, drawn in found.values() for box in drawn)
    assert splits == (["data"] if key == "boxloop" else []) + ["train", "train", "val"]
    assert boxes == [("cat", 1, 2.5, 30, 40), ("dog", 0, 0, 64, 48), ("dog", 5, 5, 9, 9)]
    assert archive.testzip() is None


def test_without_images_and_with_what_is_lost_said(
    export: Any, images: list[Any], client_of: Any, owner: Any, project: Any
) -> None:
    Annotation.objects.filter(label__name="cat").update(difficult=True)
    form = {"format": "yolo", "pictures": ""}
    data = body(client_of(owner).post(page(project, "download/"), form))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        report = archive.read("boxloop-report.txt").decode()
    assert not [name for name in names if name.endswith(".jpg")]
    assert "labels/a/one.txt" in names
    assert report == "The mark “difficult” of 1 box cannot be kept in this format.\n"


def test_a_revision_stays_as_it_was_frozen(
    export: Any, images: list[Any], project: Any, owner: Any
) -> None:
    revision = freeze(project, owner)
    Annotation.objects.all().delete()
    found, _ = export("coco", revision=str(revision.number))
    assert sum(len(drawn) for _, drawn in found.values()) == 3
    assert sum(len(drawn) for _, drawn in export("coco")[0].values()) == 0, "now is another thing"


def test_a_selection(
    export: Any, images: list[Any], client_of: Any, viewer: Any, project: Any
) -> None:
    found, _ = export("coco", ids=str(images[1].pk))
    assert found == {"two.jpg": ("val", [("dog", 0, 0, 64, 48)])}
    found, _ = export("csv", all="1", split="train", but=str(images[2].pk))
    assert [split for split, _ in found.values()] == ["train"]
    text = client_of(viewer).post(page(project), {"ids": f"{images[0].pk},{images[3].pk}"})
    assert "2 selected" in text.content.decode()
    assert f'name="ids" value="{images[0].pk},{images[3].pk}"' in text.content.decode()
    bad = client_of(viewer).post(page(project, "download/"), {"format": "coco", "ids": "1,x"})
    assert bad.status_code == 400


def test_an_original_that_is_gone_is_said(export: Any, images: list[Any]) -> None:
    default_storage.delete(images[0].original_path)
    found, archive = export("coco")
    assert len(found) == 2
    assert "a/one.jpg: Its file is gone" in archive.read("boxloop-report.txt").decode()


def test_the_bundle_brings_a_project_back_whole(
    client_of: Any, owner: Any, project: Any, images: list[Any], make_image: Any
) -> None:
    first = images[0]
    first.group = "kitchen"
    first.save()
    cat = project.labels.get(name="cat")
    cat.color, cat.hotkey, cat.display_name = "#123456", "q", "Katze"
    cat.save()
    first.refresh_from_db()
    suggestion = uuid.uuid4()
    apply_edit(first.pk, Edit(first.revision, uuid.uuid4(), [{
        "id": suggestion, "label_id": cat.pk, "xmin": 3.0, "ymin": 3.0, "xmax": 20.0,
        "ymax": 20.0, "status": "suggested", "source": "model", "score": 0.75,
        "difficult": False, "truncated": True,
    }]), owner)  # fmt: skip
    data = body(client_of(owner).post(page(project, "download/"),
                                      {"format": "boxloop", "pictures": "1"}))  # fmt: skip
    before = contents(project)
    project.images.all().delete()
    again = Project.objects.create(name="Again", created_by=owner)
    Membership.objects.create(project=again, user=owner, role="owner")
    row = take_in(again, owner, data)
    assert row.status == Status.FINISHED, row.reason
    assert [str(problem) for problem in row.problems.all()] == []
    assert contents(again) == before
    assert again.labels.get(name="cat").color == "#123456"


@pytest.mark.parametrize("key", ["tfrecord", "yolo", "csv", "labelstudio"])
def test_what_is_exported_can_be_uploaded(
    client_of: Any, owner: Any, project: Any, images: list[Any], key: str
) -> None:
    """Formats that hold their pictures, or leave ids and negatives to convention, above all."""
    form = {"format": key, "pictures": "1"}
    data = body(client_of(owner).post(page(project, "download/"), form))
    again = Project.objects.create(name="Again", created_by=owner)
    row = take_in(again, owner, data)
    assert (row.status, row.num_taken, row.num_boxes) == (Status.FINISHED, 3, 3), row.preview
    found = {
        (image.sha256, image.split, image.state,
         tuple(image.annotations.values_list("label__name", "xmin", "ymin", "xmax", "ymax")))
        for image in again.images.all()
    }  # fmt: skip
    expected = {
        (image.sha256, image.split, "done",
         tuple(image.annotations.values_list("label__name", "xmin", "ymin", "xmax", "ymax")))
        for image in images[:3]
    }  # fmt: skip
    assert found == expected
    refused = row.problems.exclude(severity="note")
    assert not refused.exists(), [str(problem) for problem in refused]


@pytest.mark.parametrize("key", ["coco", "tfrecord", "boxloop"])
def test_a_crowd_stays_one(
    export: Any, images: list[Any], owner: Any, project: Any, tmp_path: Path, key: str
) -> None:
    crowd = images[1].annotations.get()
    Annotation.objects.filter(pk=crowd.pk).update(crowd=True)
    _, archive = export(key)
    copy = Project.objects.create(name="A copy", created_by=owner)
    row = take_in(copy, owner, Path(archive.filename).read_bytes())
    assert row.status == Status.FINISHED, row.reason
    found = Annotation.objects.filter(image__project=copy).values_list("label__name", "crowd")
    assert sorted(found) == [("cat", False), ("dog", False), ("dog", True)]
    revision = freeze(copy, owner)
    Annotation.objects.filter(image__project=copy).update(crowd=False)
    restore_revision(copy, revision, owner)
    assert sorted(found.all()) == [("cat", False), ("dog", False), ("dog", True)]
    write_records(revision, tmp_path / "records")
    crowds = [
        list(example.ints("image/object/is_crowd"))
        for path in (tmp_path / "records").glob("*-of-*")
        for example in read_records(path)
    ]
    assert [1] in crowds


def take_in(project: Any, user: Any, data: bytes) -> ImageImport:
    row = ImageImport.objects.create(
        project=project, created_by=user, name="b.zip", status=Status.DRAFT
    )
    file = ImportFile.objects.create(image_import=row, name="b.zip", bytes=len(data))
    default_storage.save(file.path, ContentFile(data))
    row.submit()
    run_import(row.pk, "test")
    row.refresh_from_db()
    return row


def contents(project: Any) -> dict[str, Any]:
    """Everything of a project that a bundle promises to keep."""
    labels = project.labels.values_list("class_id", "name", "display_name", "color", "hotkey")
    class_ids = dict(project.labels.values_list("pk", "class_id"))
    images = {}
    for image in project.images.all():
        boxes = image.annotations.values_list(
            "id", "label__class_id", "xmin", "ymin", "xmax", "ymax", "status", "source", "score",
            "difficult", "truncated", "created_at",
        )  # fmt: skip
        history = [
            (operation.op_id, operation.revision, operation.kind, operation.summary,
             operation.created_at, with_class_ids(operation.changes, class_ids))
            for operation in image.operations.all()
        ]  # fmt: skip
        images[image.sha256] = (
            image.name, image.split, image.group, image.state, image.box_count,
            image.suggestion_count, max(image.revision, 1), sorted(boxes), history,
        )  # fmt: skip
    return {"labels": sorted(labels), "images": images}


def with_class_ids(changes: Any, class_ids: dict[int, int]) -> str:
    text = json.dumps(changes, sort_keys=True)
    for pk, class_id in class_ids.items():
        text = text.replace(f'"label_id": {pk},', f'"label_id": "class {class_id}",')
    return text


def test_the_page(client_of: Any, viewer: Any, stranger: Any, project: Any, images: Any) -> None:
    client = client_of(viewer)
    text = client.get(page(project)).content.decode()
    assert "Pascal VOC" in text
    assert "3 labelled images; 1 that nobody labelled" in text
    assert client.get(page(project, "download/")).status_code == 405
    assert client.get(page(project) + "?revision=9").status_code == 404
    bad = client.post(page(project, "download/"), {"format": "xyz"})
    assert bad.status_code == 400
    assert "not a format" in bad.content.decode()
    assert client_of(stranger).get(page(project)).status_code == 404
    assert (
        client_of(stranger).post(page(project, "download/"), {"format": "voc"}).status_code == 404
    )


def test_an_empty_project(client_of: Any, viewer: Any, project: Any) -> None:
    text = client_of(viewer).get(page(project)).content.decode()
    assert "There is nothing to export yet" in text
