"""Joining a project by a one-time link."""

import pytest
from django.test import Client

from webapp.accounts.models import Invitation, User

pytestmark = pytest.mark.django_db
NEW = {"username": "lena", "name": "Lena", "password": "a long pass phrase"}


@pytest.fixture
def path(project, owner) -> str:
    _, token = Invitation.make(project=project, role="annotator", created_by=owner)
    return f"/invitations/{token}/"


def test_a_new_account_joins(path, project):
    client = Client()
    page = client.get(path).content.decode()
    assert "Join Pets" in page
    assert "olga invites you as annotator" in page
    assert client.post(path, NEW).url == f"/projects/{project.pk}/"
    assert project.memberships.get(user__username="lena").role == "annotator"
    assert client.get(f"/projects/{project.pk}/labels/").status_code == 200


def test_an_existing_account_joins(path, project, client_of, stranger):
    client = client_of(stranger)
    assert "Join as stefan" in client.get(path).content.decode()
    assert client.post(path).status_code == 302
    assert project.memberships.get(user=stranger).role == "annotator"
    assert User.objects.filter(username="stefan").count() == 1


def test_the_link_works_once(path, client_of, stranger):
    client_of(stranger).post(path)
    assert Client().get(path).status_code == 410
    assert Client().post(path, NEW).status_code == 410
    assert not User.objects.filter(username="lena").exists()


@pytest.mark.parametrize(("before", "after"), [("viewer", "annotator"), ("owner", "owner")])
def test_a_member_keeps_the_higher_role(path, project, client_of, stranger, before, after):
    project.admit(stranger, before)
    client = client_of(stranger)
    assert "You are in this project already" in client.get(path).content.decode()
    client.post(path)
    assert project.memberships.get(user=stranger).role == after


@pytest.mark.parametrize(
    ("change", "words"),
    [({"username": "Olga"}, "There is a user Olga already"), ({"password": "x"}, "8 characters")],
)
def test_bad_input_leaves_the_link_open(path, change, words):
    response = Client().post(path, NEW | change)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert Client().post(path, NEW).status_code == 302


def test_unknown_link_and_setup_link_are_gone(db):
    _, token = Invitation.make(first_account=True)
    assert Client().get(f"/invitations/{token}/").status_code == 410
    assert Client().get("/invitations/nonsense/").status_code == 410


def test_the_link_dies_with_its_project(path, project):
    from webapp.projects.removal import delete_project

    delete_project(project)
    assert Client().get(path).status_code == 410


def test_wrong_method(path):
    assert Client().put(path).status_code == 405
