"""The first account, and the command that prints its link."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from webapp.accounts.models import Invitation, User

pytestmark = pytest.mark.django_db
GOOD = {"username": "olga", "name": "Olga Berg", "password": "a long pass phrase"}


def setup_path(*options: str) -> str:
    out = StringIO()
    call_command("setup_link", *options, stdout=out)
    return out.getvalue().strip()


def test_link_makes_the_first_account_and_logs_in():
    client, path = Client(), setup_path()
    assert "Make the first account" in client.get(path).content.decode()
    response = client.post(path, GOOD)
    assert response.status_code == 302
    user = User.objects.get()
    assert user.is_staff
    assert user.get_full_name() == "Olga Berg"
    assert client.get("/").context["user"] == user


def test_link_works_once():
    path = setup_path()
    Client().post(path, GOOD)
    second = Client().post(path, GOOD | {"username": "eve"})
    assert second.status_code == 410
    assert "does not work any more" in second.content.decode()
    assert User.objects.count() == 1


def test_newer_link_replaces_the_older():
    old, new = setup_path(), setup_path()
    assert Client().get(old).status_code == 410
    assert Client().get(new).status_code == 200


def test_expired_and_unknown_links_are_gone():
    path = setup_path()
    Invitation.objects.update(expires_at=timezone.now())
    assert Client().get(path).status_code == 410
    assert Client().get("/setup/nonsense/").status_code == 410


def test_project_invitation_is_no_setup_link(project):
    _, token = Invitation.make(project=project, role="viewer")
    assert Client().get(f"/setup/{token}/").status_code == 410


def test_no_link_once_there_is_an_account(owner):
    assert setup_path() == ""
    _, token = Invitation.make(first_account=True)
    assert Client().get(f"/setup/{token}/").status_code == 410


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "short"}, "at least 8 characters"),
        ({"password": "password1"}, "too common"),
        ({"username": "two words"}, "two words: use only letters"),
        ({"username": ""}, "required"),
    ],
)
def test_bad_input_is_said_in_words(change, words):
    response = Client().post(setup_path(), GOOD | change)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not User.objects.exists()


def test_wrong_method():
    assert Client().delete(setup_path()).status_code == 405


def test_new_password_link(owner):
    path = setup_path("--new-password", "olga")
    client = Client()
    assert "New password for olga" in client.get(path).content.decode()
    assert client.post(path, {"password": "short"}).status_code == 422
    assert client.post(path, {"password": "another long phrase"}).status_code == 302
    assert client.get("/").status_code == 200
    assert Client().login(username="olga", password="another long phrase")
    assert Client().get(path).status_code == 410


@pytest.mark.parametrize("uid", ["nonsense", "OTk5", "____"])
def test_bad_password_link(owner, uid):
    assert Client().get(f"/password/{uid}/x-y/").status_code == 410


def test_new_password_for_an_unknown_user_names_the_known(owner):
    with pytest.raises(CommandError, match=r"There is no user 'mika'\. There are: olga"):
        setup_path("--new-password", "mika")
