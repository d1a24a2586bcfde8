"""The start page, new projects, the switcher, the way into a project."""

import pytest
from django.test import Client

from webapp.projects.models import Project

pytestmark = pytest.mark.django_db


def test_empty_start_page(client_of, stranger, project):
    page = client_of(stranger).get("/").content.decode()
    assert "Try detection now" in page
    assert "Teach it your own things" in page
    assert "Pets" not in page


def test_cards(client_of, owner, project, make_image, django_assert_max_num_queries):
    make_image(project, "one.jpg", boxes=[("cat", 10, 10, 30, 30), ("dog", 5, 5, 20, 20)])
    make_image(project, "two.jpg", (65, 48), done=False)
    client = client_of(owner)
    with django_assert_max_num_queries(14):
        page = client.get("/").content.decode()
    assert "2 labels · 2 images" in page
    assert "1 of 2 done" in page
    assert "No model yet." in page
    assert '<rect class="bc" x="10.0" y="10.0" width="20.0" height="20.0"/>' in page
    assert 'viewBox="0 0 64 48"' in page


def test_trashed_images_do_not_count(client_of, owner, project, make_image):
    from django.utils import timezone

    image = make_image(project)
    image.trashed_at = timezone.now()
    image.save()
    assert "2 labels · 0 images" in client_of(owner).get("/").content.decode()


def test_search(client_of, owner, project):
    for number in range(6):
        Project.objects.create(name=f"Birds {number}", created_by=owner).admit(owner, "owner")
    client = client_of(owner)
    assert "Find a project" in client.get("/").content.decode()
    page = client.get("/", {"q": "birds"}, headers={"HX-Request": "true"}).content.decode()
    assert "Birds 5" in page
    assert "Pets" not in page
    assert "<html" not in page
    assert "No project has “fish”" in client.get("/", {"q": "fish"}).content.decode()


def test_only_the_first_are_shown_until_asked(client_of, owner, project):
    for number in range(30):
        Project.objects.create(name=f"Birds {number}", created_by=owner).admit(owner, "owner")
    client = client_of(owner)
    assert "Show all 31 projects" in client.get("/").content.decode()
    assert "Pets" in client.get("/?all").content.decode()


def test_create(client_of, stranger):
    client = client_of(stranger)
    response = client.post("/projects/new/", {"name": "Birds", "labels": "tit\n\n robin \ntit\n"})
    project = Project.objects.get()
    assert response.url == f"/projects/{project.pk}/images/"
    assert [(label.class_id, label.name) for label in project.labels.all()] == [
        (1, "tit"),
        (2, "robin"),
    ]
    assert project.memberships.get().role == "owner"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "", "labels": ""}, "required"),
        ({"name": "x" * 101, "labels": ""}, "at most 100"),
        ({"name": "Birds", "labels": f"tit\n{'x' * 101}"}, "Line 2: "),
        ({"name": "Birds", "labels": "\n".join(map(str, range(1001)))}, "at most 1000"),
    ],
)
def test_create_with_bad_input(client_of, stranger, data, words):
    response = client_of(stranger).post("/projects/new/", data)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Project.objects.exists()


def test_names_are_text_never_markup(client_of, stranger):
    client = client_of(stranger)
    client.post("/projects/new/", {"name": "<script>alert(1)</script>", "labels": "<b>x</b>"})
    project = Project.objects.get()
    for path in ("/", "/projects/switcher/", f"/projects/{project.pk}/labels/"):
        page = client.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<b>x</b>" not in page


def test_switcher(client_of, viewer, stranger, project):
    page = client_of(viewer).get(f"/projects/switcher/?now={project.pk}").content.decode()
    assert "Pets" in page
    assert 'aria-current="true"' in page
    assert "New project" in page
    assert "Pets" not in client_of(stranger).get("/projects/switcher/").content.decode()


def test_overview_opens_the_images(client_of, viewer, project):
    response = client_of(viewer).get(f"/projects/{project.pk}/")
    assert response.url == f"/projects/{project.pk}/images/"


def test_more(client_of, viewer, project):
    page = client_of(viewer).get(f"/projects/{project.pk}/more/").content.decode()
    assert "Label map" in page
    assert "Log out" in page


@pytest.mark.parametrize("path", ["", "more/"])
def test_strangers_find_nothing(client_of, stranger, project, path):
    response = client_of(stranger).get(f"/projects/{project.pk}/{path}")
    assert response.status_code == 404
    assert "Nothing is here" in response.content.decode()
    assert "Pets" not in response.content.decode()


def test_no_such_project(client_of, owner):
    assert client_of(owner).get("/projects/999999/").status_code == 404


@pytest.mark.parametrize("path", ["/", "/projects/switcher/", "/projects/1/", "/projects/1/more/"])
def test_wrong_method(client_of, owner, path):
    assert client_of(owner).post(path).status_code == 405


@pytest.mark.parametrize(
    "path", ["/", "/projects/new/", "/projects/switcher/", "/projects/1/more/"]
)
def test_login_is_required(db, path):
    assert Client().get(path).url == f"/login/?next={path}"
