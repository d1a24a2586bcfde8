"""PATCH /api/images/ID/annotations: the edit that can lose nothing."""

import json
import uuid
from typing import Any

import pytest

from tests.webapp.labeling.edits_by_hand import box, patch, send
from webapp.labeling.models import Annotation, Operation
from webapp.labeling.thumbnails import shown_boxes

pytestmark = pytest.mark.django_db
EMPTY = {"base_revision": 0, "op_id": str(uuid.uuid4()), "upserts": [], "deletes": []}


@pytest.fixture
def image(project: Any, make_image: Any) -> Any:
    return make_image(project, size=(64, 48), done=False)


def test_stores_a_box(client_of: Any, annotator: Any, project: Any, image: Any) -> None:
    row = box(project)
    answer = patch(client_of(annotator), image, upserts=[row])
    assert answer.status_code == 200
    assert answer.json() == {"revision": 1, "state": "in_progress"}
    stored = Annotation.objects.get()
    assert str(stored.pk) == row["id"]
    assert (stored.xmin, stored.ymin, stored.xmax, stored.ymax) == (4, 5, 20, 30.5)
    assert stored.created_by == annotator
    image.refresh_from_db()
    assert image.box_count == 1


def test_boxes_of_one_edit_keep_their_order(
    client_of: Any, annotator: Any, project: Any, image: Any
) -> None:
    client, rows = client_of(annotator), [box(project) for _ in range(8)]
    patch(client, image, upserts=rows)
    read = client.get(f"/api/images/{image.pk}").json()
    assert [row["id"] for row in read["annotations"]] == [row["id"] for row in rows]
    assert (read["verdict"], read["open_comments"]) == ("", 0)


def test_the_same_operation_twice_is_applied_once(
    client_of: Any, annotator: Any, project: Any, image: Any
) -> None:
    client, edit = client_of(annotator), {"op_id": str(uuid.uuid4()), "upserts": [box(project)]}
    assert patch(client, image, **edit).json()["revision"] == 1
    patch(client, image, base_revision=1, state="done")
    again = patch(client, image, **edit).json()
    assert again["revision"] == 1, "what came since was not seen: the next edit must be stale"
    image.refresh_from_db()
    assert image.revision == 2
    Operation.objects.exclude(op_id=edit["op_id"]).delete()
    assert Operation.objects.count() == 1
    assert Annotation.objects.count() == 1


def test_a_stale_base_gets_the_servers_boxes(
    client_of: Any, owner: Any, annotator: Any, project: Any, image: Any
) -> None:
    theirs = box(project)
    patch(client_of(owner), image, upserts=[theirs])
    answer = patch(client_of(annotator), image, upserts=[box(project)])
    assert answer.status_code == 409
    body = answer.json()
    assert body["revision"] == 1
    assert [row["id"] for row in body["annotations"]] == [theirs["id"]]
    assert Annotation.objects.count() == 1


def test_marks_done_without_boxes(client_of: Any, annotator: Any, image: Any) -> None:
    assert patch(client_of(annotator), image, state="done").json()["state"] == "done"
    image.refresh_from_db()
    assert image.is_negative


def test_deletes_and_keeps_the_box_in_the_history(
    client_of: Any, annotator: Any, project: Any, image: Any
) -> None:
    client, row = client_of(annotator), box(project)
    patch(client, image, upserts=[row])
    assert patch(client, image, base_revision=1, deletes=[row["id"]]).json()["revision"] == 2
    assert not Annotation.objects.exists()
    assert Operation.objects.last().changes["before"][0]["xmax"] == 20


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"xmax": 65}, "leaves the image of 64 × 48"),
        ({"xmin": -1}, "leaves the image"),
        ({"xmax": 4.5}, "at least 1 × 1"),
        ({"xmin": 30}, "at least 1 × 1"),
        ({"score": 1.5}, "between 0 and 1"),
        ({"label_id": 999_999}, "not in the project"),
        ({"label_id": 10**30}, "not in the project"),
    ],
)
def test_refuses_a_bad_box_in_words(
    client_of: Any, annotator: Any, project: Any, image: Any, changes: dict[str, Any], words: str
) -> None:
    bad = box(project, **changes)
    answer = patch(client_of(annotator), image, upserts=[box(project), bad])
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"annotation": bad["id"], "message": answer.json()["errors"][0]["message"]}
    ]
    assert words in answer.json()["errors"][0]["message"]
    assert not Annotation.objects.exists(), "nothing of a refused edit is applied"


def test_refuses_nan(client_of: Any, annotator: Any, project: Any, image: Any) -> None:
    upserts = [box(project, xmin=float("nan"))]
    body = json.dumps({"base_revision": 0, "op_id": str(uuid.uuid4()), "upserts": upserts})
    answer = client_of(annotator).patch(
        f"/api/images/{image.pk}/annotations", body, content_type="application/json"
    )
    assert answer.status_code == 422


def test_another_images_box_is_not_touched(
    client_of: Any, annotator: Any, project: Any, image: Any, make_image: Any
) -> None:
    other = make_image(project, "other.jpg", boxes=[("dog", 1, 1, 9, 9)])
    theirs = other.annotations.get()
    client = client_of(annotator)
    assert patch(client, image, upserts=[box(project, id=str(theirs.pk))]).status_code == 422
    assert patch(client, image, deletes=[str(theirs.pk)]).status_code == 422
    theirs.refresh_from_db()
    assert theirs.label.name == "dog"


def test_who_may(client_of: Any, viewer: Any, stranger: Any, image: Any, client: Any) -> None:
    assert patch(client_of(viewer), image).status_code == 403
    assert patch(client_of(stranger), image).status_code == 404
    for pk in (image.pk + 1, 10**30):
        address = f"/api/images/{pk}/annotations"
        assert send(client_of(viewer), "patch", address, EMPTY).status_code == 404
    answer = patch(client, image)
    assert answer.status_code == 401
    assert answer.json()["login"] == "/login/"


def test_reads_the_image_and_its_neighbours(
    client_of: Any, viewer: Any, stranger: Any, project: Any, image: Any, make_image: Any
) -> None:
    after = make_image(project, "after.jpg", boxes=[("dog", 1, 1, 9, 9)])
    body = client_of(viewer).get(f"/api/images/{image.pk}").json()
    assert (body["width"], body["height"]) == (64, 48)
    assert (body["previous_id"], body["next_id"]) == (None, after.pk)
    assert (body["position"], body["count"], body["done"]) == (1, 2, 1)
    assert client_of(stranger).get(f"/api/images/{image.pk}").status_code == 404
    strip = client_of(viewer).get(f"/api/projects/{project.pk}/filmstrip?around={after.pk}").json()
    assert [item["name"] for item in strip["items"]] == ["photo.jpg", "after.jpg"]
    assert strip["items"][1]["boxes"] == [[1, 1, 9, 9, project.labels.get(name="dog").pk, False]]


def test_reads_no_more_boxes_than_a_thumbnail_shows(project: Any, make_image: Any) -> None:
    crowded = make_image(project, boxes=[("dog", n, 1, n + 9, 9) for n in range(5)])
    other = make_image(project, "other.jpg", boxes=[("cat", 1, 1, 9, 9)])
    Annotation.objects.filter(image=crowded, xmin=0).update(status="rejected")
    boxes = shown_boxes([crowded.pk, other.pk], 3)
    assert [len(boxes[pk]) for pk in (crowded.pk, other.pk)] == [3, 1]
    assert all(xmin > 0 for _, _, xmin, *_ in boxes[crowded.pk])


def test_makes_a_label_once(client_of: Any, annotator: Any, viewer: Any, project: Any) -> None:
    def post(user: Any, name: str) -> Any:
        return client_of(user).post(
            f"/api/projects/{project.pk}/labels",
            json.dumps({"name": name}),
            content_type="application/json",
        )

    made = post(annotator, "  tabby   cat ")
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["class_id"]) == ("tabby cat", 3)
    assert post(annotator, "tabby cat").json()["id"] == made.json()["id"]
    assert post(annotator, " ").status_code == 422
    assert post(viewer, "fish").status_code == 403
