"""Logging in and out."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from webapp.accounts.models import FailedLogin

pytestmark = pytest.mark.django_db
RIGHT = {"username": "olga", "password": "a long pass phrase"}
WRONG = RIGHT | {"password": "something else"}


def test_login_and_logout(owner):
    client = Client()
    assert client.get("/").url == "/login/?next=/"
    assert client.post("/login/", RIGHT).url == "/"
    assert client.get("/login/").url == "/"
    assert client.post("/logout/").url == "/login/"
    assert client.get("/").status_code == 302


def test_next_is_followed_on_this_site_only(owner):
    assert Client().post("/login/", RIGHT | {"next": "/projects/new/"}).url == "/projects/new/"
    assert Client().post("/login/", RIGHT | {"next": "https://example.org/"}).url == "/"
    assert Client().post("/login/", RIGHT | {"next": "//example.org/"}).url == "/"


def test_next_survives_a_mistake(owner):
    page = Client().post("/login/", WRONG | {"next": "/projects/new/"}).content.decode()
    assert '<input type="hidden" name="next" value="/projects/new/">' in page


@pytest.mark.parametrize("username", ["olga", "nobody"])
def test_wrong_password_in_words_that_tell_nothing_of_the_user(owner, username):
    response = Client().post("/login/", WRONG | {"username": username})
    assert response.status_code == 422
    assert "User name and password do not match." in response.content.decode()


def test_many_mistakes_wait_even_with_the_right_password(owner):
    for _ in range(FailedLogin.FREE):
        assert Client().post("/login/", WRONG).status_code == 422
    response = Client().post("/login/", RIGHT)
    assert response.status_code == 429
    assert (
        "Too many wrong passwords for olga. Try again in 30 seconds." in response.content.decode()
    )
    assert Client().post("/login/", RIGHT, REMOTE_ADDR="10.0.0.7").status_code == 302
    FailedLogin.objects.update(at=timezone.now() - timedelta(seconds=31))
    assert Client().post("/login/", RIGHT).status_code == 302
    assert FailedLogin.seconds_to_wait("olga", "127.0.0.1") == 0


def test_the_wait_grows_and_ends(owner):
    for _ in range(FailedLogin.FREE + 3):
        FailedLogin.record("Olga", "127.0.0.1")
    assert 230 < FailedLogin.seconds_to_wait("olga", "127.0.0.1") <= 240
    FailedLogin.objects.update(at=timezone.now() - FailedLogin.WINDOW)
    assert FailedLogin.seconds_to_wait("olga", "127.0.0.1") == 0


def test_an_inactive_user_stays_out(owner):
    owner.is_active = False
    owner.save()
    assert Client().post("/login/", RIGHT).status_code == 422


def test_empty_form(owner):
    assert Client().post("/login/", {}).status_code == 422


def test_logout_by_get_changes_nothing(client_of, owner):
    client = client_of(owner)
    assert client.get("/logout/").status_code == 405
    assert client.get("/").status_code == 200


def test_a_form_without_its_token_is_explained(owner):
    response = Client(enforce_csrf_checks=True).post("/login/", RIGHT)
    assert response.status_code == 403
    assert "This form is out of date" in response.content.decode()
