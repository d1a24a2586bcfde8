"""The label map: see, add, edit, order, merge, retire."""

import pytest

from webapp.projects.models import PALETTE

pytestmark = pytest.mark.django_db


@pytest.fixture
def base(project) -> str:
    return f"/projects/{project.pk}/labels/"


@pytest.fixture
def cat(project):
    return project.labels.get(name="cat")


@pytest.fixture
def dog(project):
    return project.labels.get(name="dog")


def test_page_with_counts(client_of, annotator, project, base, make_image):
    make_image(project, boxes=[("cat", 1, 1, 9, 9), ("cat", 9, 9, 20, 20)])
    response = client_of(annotator).get(base)
    assert [(label.name, label.boxes) for label in response.context["labels"]] == [
        ("cat", 2),
        ("dog", 0),
    ]
    assert 'value="cat"' in response.content.decode()


def test_viewer_reads_only(client_of, viewer, base):
    page = client_of(viewer).get(base).content.decode()
    assert "cat" in page
    assert "Export" in page
    assert 'value="cat"' not in page
    assert "Add labels" not in page


def test_empty_state(client_of, owner, project, base):
    project.labels.all().delete()
    assert "No labels yet" in client_of(owner).get(base).content.decode()


def test_add(client_of, annotator, project, base):
    client_of(annotator).post(f"{base}add/", {"names": "bird\n fish\ncat"})
    assert list(project.labels.values_list("class_id", "name", "hotkey")) == [
        (1, "cat", "1"),
        (2, "dog", "2"),
        (3, "bird", "3"),
        (4, "fish", "4"),
    ]


@pytest.mark.parametrize("names", ["", " \n ", "x" * 101, "a\x07b"])
def test_add_bad_names(client_of, annotator, project, base, names):
    response = client_of(annotator).post(f"{base}add/", {"names": names})
    assert response.status_code == 422
    assert "err" in response.content.decode()
    assert project.labels.count() == 2


def test_edit_changes_only_what_is_sent(client_of, annotator, base, cat):
    client = client_of(annotator)
    response = client.post(f"{base}{cat.pk}/", {"name": "  tabby   cat "})
    assert response.json()["name"] == "tabby cat"
    response = client.post(f"{base}{cat.pk}/", {"display_name": "Tabby", "color": PALETTE[6]})
    assert response.json()["palette_index"] == 7
    cat.refresh_from_db()
    assert (cat.class_id, cat.name, cat.display_name, cat.hotkey) == (1, "tabby cat", "Tabby", "1")


def test_edit_cannot_change_the_id(client_of, annotator, base, cat):
    client_of(annotator).post(f"{base}{cat.pk}/", {"name": "cat", "class_id": "9"})
    cat.refresh_from_db()
    assert cat.class_id == 1


def test_a_taken_hotkey_changes_hands(client_of, annotator, base, cat, dog):
    response = client_of(annotator).post(f"{base}{cat.pk}/", {"hotkey": "2"})
    assert response.json()["swapped"] == {"id": dog.pk, "name": "dog", "hotkey": "1"}
    dog.refresh_from_db()
    assert dog.hotkey == "1"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": ""}, "required"),
        ({"name": "dog"}, "dog is the name of id 2 already. Merge the two"),
        ({"color": "#123456"}, "#123456 is not one of the 12 colours."),
        ({"hotkey": "w"}, "w is no hotkey. Choose a digit from 1 to 9."),
        ({"display_name": "x" * 101}, "at most 100"),
    ],
)
def test_bad_edit_changes_nothing(client_of, annotator, base, cat, data, words):
    response = client_of(annotator).post(f"{base}{cat.pk}/", data)
    assert response.status_code == 422
    assert words in next(iter(response.json()["errors"].values()))
    cat.refresh_from_db()
    assert (cat.name, cat.color, cat.hotkey) == ("cat", PALETTE[0], "1")


def test_order(client_of, annotator, project, base, cat, dog):
    client = client_of(annotator)
    assert client.post(f"{base}order/", {"ids": f"{dog.pk},{cat.pk}"}).status_code == 204
    assert [label.name for label in project.active_labels()] == ["dog", "cat"]
    assert project.label_map().names == ("cat", "dog")


@pytest.mark.parametrize("ids", ["", "1", "x,y", "1,1", "999999"])
def test_order_of_another_set(client_of, annotator, base, ids):
    response = client_of(annotator).post(f"{base}order/", {"ids": ids})
    assert response.status_code == 409
    assert "changed" in response.json()["message"]


def test_merge(client_of, annotator, project, base, cat, dog, make_image):
    image = make_image(project, boxes=[("cat", 1, 1, 9, 9), ("dog", 9, 9, 20, 20)])
    page = client_of(annotator).post(f"{base}{cat.pk}/merge/", {"into": dog.pk}, follow=True)
    assert "cat is merged into dog: 1 box moved." in page.content.decode()
    assert set(image.annotations.values_list("label__name", flat=True)) == {"dog"}
    cat.refresh_from_db()
    image.refresh_from_db()
    assert cat.retired_at is not None
    assert cat.hotkey == ""
    assert image.revision == 1


@pytest.mark.parametrize("into", ["", "x", "999999", "self"])
def test_merge_into_nothing(client_of, annotator, base, cat, into):
    data = {"into": cat.pk if into == "self" else into}
    page = client_of(annotator).post(f"{base}{cat.pk}/merge/", data, follow=True).content.decode()
    assert "Choose the label that cat is to be merged into." in page
    cat.refresh_from_db()
    assert cat.retired_at is None


def test_merge_stays_in_the_project(client_of, owner, base, cat):
    from webapp.projects.models import Project

    other = Project.objects.create(name="Other", created_by=owner)
    foreign = other.add_label("cat")
    client_of(owner).post(f"{base}{cat.pk}/merge/", {"into": foreign.pk})
    cat.refresh_from_db()
    assert cat.retired_at is None


def test_retire_and_bring_back(client_of, annotator, project, base, cat):
    client = client_of(annotator)
    client.post(f"{base}{cat.pk}/retire/")
    assert project.label_map().names == ("dog",)
    assert "Bring back" in client.get(base).content.decode()
    client.post(f"{base}add/", {"names": "cow"})
    assert project.labels.get(name="cow").class_id == 3
    client.post(f"{base}{cat.pk}/retire/", {"back": "1"})
    assert project.label_map().names == ("cat", "dog", "cow")
    cat.refresh_from_db()
    assert cat.class_id == 1


def test_a_label_with_boxes_is_not_retired(client_of, annotator, project, base, cat, make_image):
    make_image(project, boxes=[("cat", 1, 1, 9, 9)])
    page = client_of(annotator).post(f"{base}{cat.pk}/retire/", follow=True).content.decode()
    assert "cat has 1 box. Merge it into another label, or delete its boxes first." in page
    cat.refresh_from_db()
    assert cat.retired_at is None


POSTS = ["add/", "order/", "import/", "{cat}/", "{cat}/merge/", "{cat}/retire/"]


@pytest.mark.parametrize("path", POSTS)
def test_who_may(client_of, viewer, stranger, base, cat, path):
    path = base + path.format(cat=cat.pk)
    assert client_of(stranger).post(path).status_code == 404
    assert client_of(viewer).post(path).status_code == 403


@pytest.mark.parametrize("path", POSTS)
def test_wrong_method(client_of, owner, base, cat, path):
    assert client_of(owner).get(base + path.format(cat=cat.pk)).status_code == 405


def test_strangers_see_nothing(client_of, stranger, base):
    assert client_of(stranger).get(base).status_code == 404
    assert client_of(stranger).get(f"{base}label_map.pbtxt").status_code == 404


@pytest.mark.parametrize("path", ["{id}/", "{id}/merge/", "{id}/retire/"])
def test_another_projects_label_is_not_found(client_of, owner, base, path):
    from webapp.projects.models import Project

    other = Project.objects.create(name="Other", created_by=owner)
    label = other.add_label("cat")
    assert client_of(owner).post(base + path.format(id=label.pk)).status_code == 404
