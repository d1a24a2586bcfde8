"""One's own account, and the invitations of an administrator."""

import re

import pytest
from django.test import Client

from webapp.accounts.models import Invitation, User

pytestmark = pytest.mark.django_db


def test_name(client_of, annotator):
    client = client_of(annotator)
    client.post("/account/name/", {"first_name": "Anna Berg"})
    assert "Anna Berg" in client.get("/account/").content.decode()
    assert client.post("/account/name/", {"first_name": "x" * 200}).status_code == 422


def test_password(client_of, annotator):
    client, elsewhere = client_of(annotator), client_of(annotator)
    data = {"current": "a long pass phrase", "password": "quite another phrase"}
    assert client.post("/account/password/", data).status_code == 302
    assert client.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302
    assert Client().login(username="anna", password="quite another phrase")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"current": "wrong"}, "This is not your current password."),
        ({"password": "anna"}, "at least 8 characters"),
    ],
)
def test_bad_password_change(client_of, annotator, change, words):
    data = {"current": "a long pass phrase", "password": "quite another phrase"}
    response = client_of(annotator).post("/account/password/", data | change)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert Client().login(username="anna", password="a long pass phrase")


def test_administrator_invites_without_a_project(client_of, owner):
    page = client_of(owner).post("/account/invite/", {"note": "Lena"}).content.decode()
    path = re.search(r"http://testserver(/invitations/[\w-]+/)", page).group(1)
    new = Client()
    data = {"username": "lena", "name": "", "password": "a long pass phrase"}
    assert new.post(path, data).url == "/"
    assert not User.objects.get(username="lena").is_staff
    assert new.get("/").status_code == 200


def test_administrator_revokes(client_of, owner):
    invitation, token = Invitation.make(created_by=owner)
    client = client_of(owner)
    assert client.post(f"/account/invitations/{invitation.pk}/revoke/").status_code == 302
    assert Client().get(f"/invitations/{token}/").status_code == 410
    assert client.post(f"/account/invitations/{invitation.pk}/revoke/").status_code == 404


def test_others_do_not_invite(client_of, annotator):
    invitation, _ = Invitation.make()
    client = client_of(annotator)
    assert client.post("/account/invite/").status_code == 403
    assert client.post(f"/account/invitations/{invitation.pk}/revoke/").status_code == 403
    assert "People of this Boxloop" not in client.get("/account/").content.decode()


def test_wrong_methods(client_of, owner):
    client = client_of(owner)
    assert client.post("/account/").status_code == 405
    for path in ("name", "password", "invite", "invitations/1/revoke"):
        assert client.get(f"/account/{path}/").status_code == 405


def test_login_is_required():
    assert Client().get("/account/").url == "/login/?next=/account/"
