"""Pages on one image see each other."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.webapp.labeling.edits_by_hand import send
from webapp.labeling.models import Presence

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(project: Any, make_image: Any) -> Any:
    return make_image(project)


def here(client: Any, image: Any, page: uuid.UUID) -> Any:
    return send(client, "post", f"/api/images/{image.pk}/presence", {"page": str(page)})


def test_two_people_and_two_tabs_see_each_other(
    client_of: Any, owner: Any, annotator: Any, stranger: Any, image: Any
) -> None:
    mine, second_tab, theirs = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    client = client_of(owner)
    assert here(client, image, mine).json() == {"others": [], "revision": image.revision}
    others = here(client_of(annotator), image, theirs).json()["others"]
    assert [(one["name"], one["initials"], one["you"]) for one in others] == [("olga", "O", False)]
    here(client, image, second_tab)
    others = here(client, image, mine).json()["others"]
    assert sorted((one["name"], one["you"]) for one in others) == [("anna", False), ("olga", True)]
    assert here(client_of(stranger), image, uuid.uuid4()).status_code == 404


def test_a_page_that_left_or_fell_silent_is_gone(
    client_of: Any, owner: Any, annotator: Any, project: Any, image: Any, make_image: Any
) -> None:
    mine, theirs = uuid.uuid4(), uuid.uuid4()
    client, other = client_of(owner), client_of(annotator)

    def seen() -> int:
        here(other, image, theirs)
        return len(here(client, image, mine).json()["others"])

    assert seen() == 1
    here(other, make_image(project, "other.jpg"), theirs)
    assert not here(client, image, mine).json()["others"], "they went to another image"
    assert seen() == 1
    send(client, "post", "/api/presence/leave", {"page": str(theirs)})
    assert here(client, image, mine).json()["others"], "nobody makes another's page leave"
    send(other, "post", "/api/presence/leave", {"page": str(theirs)})
    assert not here(client, image, mine).json()["others"]
    assert seen() == 1
    Presence.objects.filter(page=theirs).update(seen_at=timezone.now() - timedelta(minutes=1))
    assert not here(client, image, mine).json()["others"]
