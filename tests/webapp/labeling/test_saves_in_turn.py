"""Saves that wait for one another are stored by one commit, and fail each for itself."""

import json
import uuid
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from tests.webapp.labeling.edits_by_hand import box
from webapp.api import labeling
from webapp.labeling.models import Annotation, Operation
from webapp.saves_in_turn import Handler

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.features.has_select_for_update, reason="where rows are locked, each has its own"
    ),
]
TOKEN = "t" * 32


@pytest.fixture
def save(client_of: Any, annotator: Any) -> Any:
    """A save as it waits: ASGI's scope and the body."""
    session = client_of(annotator).cookies["boxloop_session"].value

    def make(image: Any, **edit: Any) -> Any:
        body = {"base_revision": 0, "op_id": str(uuid.uuid4()), "upserts": [], "deletes": []} | edit
        content = json.dumps(body).encode()
        headers = {
            "host": "localhost", "cookie": f"boxloop_session={session}; csrftoken={TOKEN}",
            "x-csrftoken": TOKEN, "content-type": "application/json",
            "content-length": str(len(content)),
        }  # fmt: skip
        scope = {
            "type": "http", "method": "PATCH", "path": f"/api/images/{image.pk}/annotations",
            "query_string": b"", "scheme": "http", "client": None, "server": None,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        return scope, content

    return make


@pytest.fixture
def images(project: Any, make_image: Any) -> list[Any]:
    return [make_image(project, size=(64, 48), done=False) for _ in range(3)]


def statuses(answers: Any) -> list[int]:
    return [answer[0] for answer in answers]


def test_one_commit_stores_them_and_a_refusal_is_ones_own(
    project: Any, images: list[Any], save: Any
) -> None:
    first, second, third = images
    drawn = [box(project) for _ in range(3)]
    saves = [
        save(first, upserts=drawn[:1]),
        save(second, upserts=[box(project, xmax=9999)]),
        save(first, upserts=[box(project)]),
        save(first, base_revision=1, upserts=drawn[1:2]),
        save(third, upserts=drawn[2:]),
    ]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answers = Handler().answer_all(saves)
    assert statuses(answers) == [200, 422, 409, 200, 200]
    assert [query["sql"] for query in queries].count("COMMIT") == 1
    assert {str(row.pk) for row in Annotation.objects.all()} == {row["id"] for row in drawn}
    assert json.loads(answers[2][2])["annotations"][0]["id"] == drawn[0]["id"]


def test_an_error_takes_nobody_else_along(
    project: Any, images: list[Any], save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = labeling.apply_edit

    def fail_on_the_second(image_id: int, edit: Any, user: Any) -> Any:
        made = whole(image_id, edit, user)
        if image_id == images[1].pk:
            raise OperationalError("database or disk is full")
        return made

    monkeypatch.setattr(labeling, "apply_edit", fail_on_the_second)
    saves = [save(image, upserts=[box(project)]) for image in images]
    assert statuses(Handler().answer_all(saves)) == [200, 500, 200]
    assert Operation.objects.filter(image=images[0]).count() == 1
    assert Operation.objects.filter(image=images[2]).count() == 1


def test_a_commit_that_fails_stores_nothing_and_each_is_tried_alone(
    project: Any, images: list[Any], save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, stored = connection._commit, []

    def fail_once() -> None:
        stored.append(Operation.objects.count())
        if len(stored) == 1:
            raise OperationalError("disk I/O error")
        commit()

    monkeypatch.setattr(connection, "_commit", fail_once)
    saves = [save(image, upserts=[box(project)]) for image in images]
    assert statuses(Handler().answer_all(saves)) == [200, 200, 200]
    assert stored == [3, 1, 2, 3]
