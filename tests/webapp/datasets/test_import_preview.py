"""What an upload holds is shown before it is taken, where there is something to choose."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tests.web_fixtures import jpeg_bytes
from webapp.datasets.import_plans import ImportPlan
from webapp.datasets.models import ImageImport, ImportFile
from webapp.labeling.models import Annotation
from webapp.leases import Status
from webapp.projects.models import Project
from workers.importing import run_import

pytestmark = pytest.mark.django_db(transaction=True)

BOXES = [("Cat", 1, 2, 20, 20), ("cat", 5, 5, 30, 30), ("fox", 0, 0, 64, 48), ("dog", 3, 3, 90, 9)]


def coco(boxes: list[tuple[Any, ...]], image: str = "a.jpg") -> str:
    names = list(dict.fromkeys(name for name, *_ in boxes))
    return json.dumps({
        "images": [{"id": 7, "file_name": image, "width": 64, "height": 48},
                   {"id": 9, "file_name": "b.jpg", "width": 64, "height": 48}],
        "annotations": [
            {"id": number, "image_id": 7, "category_id": names.index(name) + 40, "iscrowd": 0,
             "bbox": [xmin, ymin, xmax - xmin, ymax - ymin]}
            for number, (name, xmin, ymin, xmax, ymax) in enumerate(boxes, 1)
        ],
        "categories": [{"id": number + 40, "name": name} for number, name in enumerate(names)],
    })  # fmt: skip


def zip_of(entries: dict[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def upload(project: Any, annotator: Any) -> Any:
    def send(name: str, data: bytes, to: Project | None = None) -> ImageImport:
        row = ImageImport.objects.create(
            project=to or project, created_by=annotator, name=name, status=Status.DRAFT
        )
        file = ImportFile.objects.create(image_import=row, name=name, bytes=len(data))
        default_storage.save(file.path, ContentFile(data))
        row.submit()
        run_import(row.pk, "test")
        row.refresh_from_db()
        return row

    return send


@pytest.fixture
def waiting(upload: Any) -> ImageImport:
    entries: dict[str, bytes | str] = {
        "set/a.jpg": jpeg_bytes(), "set/b.jpg": jpeg_bytes(color=(1, 2, 3)),
        "set/c.jpg": jpeg_bytes(color=(9, 200, 3)), "set/labels.json": coco(BOXES),
    }  # fmt: skip
    return upload("set.zip", zip_of(entries))


def page(project: Any, row: Any) -> str:
    return f"/projects/{project.pk}/imports/{row.pk}/preview/"


def test_it_waits_and_shows_what_was_found(
    client_of: Any, annotator: Any, project: Any, waiting: ImageImport
) -> None:
    assert waiting.needs_answer
    assert waiting.preview["format"] == "COCO JSON"
    assert (waiting.preview["images"], waiting.preview["boxes"]) == (3, 4)
    assert (waiting.preview["mended"], waiting.preview["negatives"]) == (1, 1)
    assert project.images.count() == 0
    client = client_of(annotator)
    text = client.get(page(project, waiting)).content.decode()
    assert "COCO JSON was found" in text
    assert "Take in 3 images" in text
    assert "New label “fox”" in text
    assert "spelt like “cat”" in text
    assert "1 image without a box is a negative" in text
    assert "1 image has no annotations" in text
    assert "Clipped to 64" in text
    progress = client.get(f"/projects/{project.pk}/imports/{waiting.pk}/progress/").json()
    assert progress["review_url"] == page(project, waiting)
    report = client.get(f"/projects/{project.pk}/imports/{waiting.pk}/").content.decode()
    assert "Look at what was found" in report
    assert "broke off" not in report


def test_the_choices_are_what_happens(
    client_of: Any, annotator: Any, project: Any, waiting: ImageImport, sent: Any
) -> None:
    cat = project.labels.get(name="cat")
    names = [found["name"] for found in waiting.preview["labels"]]
    form = {f"class-{names.index('Cat')}": f"label:{cat.pk}",
            f"class-{names.index('fox')}": "leave:", "negatives": "", "splits": "1"}  # fmt: skip
    client = client_of(annotator)
    answer = client.post(page(project, waiting), form)
    assert answer.status_code == 302
    assert sent[-1] == ("workers.tasks.import_images", waiting.pk)
    run_import(waiting.pk, "test")
    waiting.refresh_from_db()
    assert (waiting.status, waiting.num_taken, waiting.num_boxes) == (Status.FINISHED, 3, 3)
    assert sorted(Annotation.objects.values_list("label__name", flat=True)) == ["cat", "cat", "dog"]
    assert set(project.labels.values_list("name", flat=True)) == {"cat", "dog"}
    states = dict(project.images.values_list("name", "state"))
    assert states == {"set/a.jpg": "done", "set/b.jpg": "new", "set/c.jpg": "new"}
    # Answered once: a second answer changes nothing.
    assert client.post(page(project, waiting), form).status_code == 302
    assert not waiting.answer(ImportPlan().as_json())


def test_unchanged_choices_make_new_labels_with_the_files_ids(
    client_of: Any, annotator: Any, project: Any, waiting: ImageImport
) -> None:
    client_of(annotator).post(page(project, waiting), {"negatives": "1", "splits": "1"})
    run_import(waiting.pk, "test")
    assert project.labels.get(name="fox").class_id == 42
    assert project.images.get(name="set/b.jpg").is_negative


def test_what_needs_no_choice_goes_straight_in(upload: Any, project: Any, owner: Any) -> None:
    photo = {"a.jpg": jpeg_bytes()}
    assert upload("photos.zip", zip_of(photo)).status == Status.FINISHED
    known = coco([("dog", 1, 2, 20, 20)])
    assert upload("known.json", known.encode()).status == Status.FINISHED
    assert project.images.get().box_count == 1, "annotations alone find the photo that is here"
    empty = Project.objects.create(name="New", created_by=owner)
    first = upload("first.zip", zip_of({**photo, "x.json": coco([("fox", 1, 2, 20, 20)])}), empty)
    assert first.status == Status.FINISHED
    assert empty.labels.get().name == "fox"


def test_annotations_that_cannot_be_used_are_asked_about(upload: Any, project: Any) -> None:
    row = upload("cut.zip", zip_of({"a.jpg": jpeg_bytes(), "x.json": coco(BOXES)[:-40]}))
    assert row.needs_answer
    assert row.preview["refused"]
    assert "cut short" in row.preview["problems"][0]["message"]


def test_dropping_it_takes_nothing(
    client_of: Any, annotator: Any, project: Any, waiting: ImageImport
) -> None:
    client_of(annotator).post(f"/projects/{project.pk}/imports/{waiting.pk}/cancel/")
    waiting.refresh_from_db()
    assert waiting.status == Status.CANCELLED
    assert project.images.count() == 0
    assert client_of(annotator).get(page(project, waiting)).status_code == 302


def test_who_may(
    client_of: Any, viewer: Any, stranger: Any, annotator: Any, project: Any, waiting: ImageImport
) -> None:
    assert client_of(viewer).get(page(project, waiting)).status_code == 403
    assert client_of(stranger).get(page(project, waiting)).status_code == 404
    assert client_of(annotator).put(page(project, waiting)).status_code == 405
    waiting.pk += 1000
    assert client_of(annotator).get(page(project, waiting)).status_code == 404
