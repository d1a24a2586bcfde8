"""label_map.pbtxt in and out."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from detection.label_map import parse_label_map
from webapp.projects.models import Project

pytestmark = pytest.mark.django_db


@pytest.fixture
def base(project) -> str:
    return f"/projects/{project.pk}/labels/"


def item(class_id: int, name: str, display_name: str = "") -> str:
    shown = f" display_name: '{display_name}'" if display_name else ""
    return f"item {{ id: {class_id} name: '{name}'{shown} }}\n"


def upload(text: str | bytes, name: str = "map.pbtxt") -> dict:
    data = text if isinstance(text, bytes) else text.encode()
    return {"file": SimpleUploadedFile(name, data)}


def state(project: Project) -> list[tuple[int, str, str, bool]]:
    labels = project.labels.order_by("class_id")
    return [
        (label.class_id, label.name, label.display_name, label.retired_at is None)
        for label in labels
    ]


def test_export_reads_back(client_of, viewer, project, base):
    response = client_of(viewer).get(f"{base}label_map.pbtxt")
    assert "attachment" in response["Content-Disposition"]
    label_map = parse_label_map(response.content)
    assert [(one.id, one.name) for one in label_map] == [(1, "cat"), (2, "dog")]


def test_export_wrong_method(client_of, owner, base):
    assert client_of(owner).post(f"{base}label_map.pbtxt").status_code == 405


def test_import_keeps_ids_with_gaps(client_of, annotator, project, base):
    text = item(1, "cat", "House cat") + item(7, "bird") + item(90, "fish", "Fish")
    page = client_of(annotator).post(f"{base}import/", upload(text), follow=True).content.decode()
    assert "map.pbtxt: 2 added, 1 given their display name." in page
    assert state(project) == [
        (1, "cat", "House cat", True),
        (2, "dog", "", True),
        (7, "bird", "", True),
        (90, "fish", "Fish", True),
    ]
    assert project.add_label("cow").class_id == 91


def test_import_twice_changes_nothing_more(client_of, annotator, project, base):
    client = client_of(annotator)
    client.post(f"{base}import/", upload(item(7, "bird")))
    before = state(project)
    page = client.post(f"{base}import/", upload(item(7, "bird")), follow=True).content.decode()
    assert "0 added, 1 known already." in page
    assert state(project) == before


def test_import_brings_a_retired_label_back(client_of, annotator, project, base):
    project.labels.get(name="cat").retire()
    client_of(annotator).post(f"{base}import/", upload(item(1, "cat")))
    assert state(project)[0] == (1, "cat", "", True)


def test_import_into_an_empty_project(client_of, owner, base, project):
    empty = Project.objects.create(name="Empty", created_by=owner)
    empty.admit(owner, "owner")
    client_of(owner).post(
        f"/projects/{empty.pk}/labels/import/", upload(item(3, "c") + item(1, "a"))
    )
    assert [row[:2] for row in state(empty)] == [(1, "a"), (3, "c")]


def test_conflicts_are_all_named_and_nothing_is_taken(client_of, annotator, project, base):
    text = item(1, "tiger") + item(5, "dog") + item(9, "bird")
    response = client_of(annotator).post(f"{base}import/", upload(text))
    page = response.content.decode()
    assert response.status_code == 422
    assert "map.pbtxt: nothing was taken." in page
    assert "Id 1 is tiger in the file; here it is cat for good." in page
    assert "dog has id 5 in the file and id 2 here." in page
    assert [row[:2] for row in state(project)] == [(1, "cat"), (2, "dog")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("item { id: 1 name: 'cat'", "map.pbtxt"),
        ("", "no labels"),
        (item(1, "cat") + item(1, "dog"), "The id 1 is used twice"),
        (item(2_000_000, "bird"), "bird has id 2000000"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_bad_files(client_of, annotator, project, base, text, words):
    response = client_of(annotator).post(f"{base}import/", upload(text or b" "))
    assert response.status_code == 422
    assert words in response.content.decode()
    assert project.labels.count() == 2


def test_too_many_labels(client_of, annotator, project, base):
    text = "".join(item(number, f"label {number}") for number in range(10, 1010))
    response = client_of(annotator).post(f"{base}import/", upload(text))
    assert response.status_code == 422
    assert "A project holds at most 1000." in response.content.decode()
    assert project.labels.count() == 2


def test_no_file(client_of, annotator, base):
    response = client_of(annotator).post(f"{base}import/")
    assert response.status_code == 422
    assert "Choose a label_map.pbtxt first." in response.content.decode()


def test_too_large(client_of, annotator, base):
    response = client_of(annotator).post(f"{base}import/", upload(b" " * (4 * 1024**2 + 1)))
    assert response.status_code == 422
    assert "4,194,305 bytes" in response.content.decode()
