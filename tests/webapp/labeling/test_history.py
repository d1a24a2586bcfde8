"""The history of an image, its earlier states, and the trash of its boxes."""

import uuid
from typing import Any

import pytest

from tests.webapp.labeling.edits_by_hand import box, patch
from webapp.labeling.bulk import merge_labels, note_import, set_state_of
from webapp.labeling.edits import FIELDS
from webapp.labeling.models import Annotation, DeletedBox, Operation

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(project: Any, make_image: Any) -> Any:
    return make_image(project, size=(64, 48), done=False)


def words_of(client: Any, image: Any) -> list[str]:
    entries = client.get(f"/api/images/{image.pk}/history").json()["entries"]
    return [entry["words"] for entry in entries]


def test_tells_what_everybody_did(
    client_of: Any, owner: Any, annotator: Any, viewer: Any, stranger: Any, project: Any, image: Any
) -> None:
    one, two = box(project), box(project)
    patch(client_of(owner), image, upserts=[one, two])
    moved = [{**row, "xmin": row["xmin"] + 2, "xmax": row["xmax"] + 2} for row in (one, two)]
    patch(client_of(annotator), image, base_revision=1, upserts=moved)
    dog = project.labels.get(name="dog").pk
    last = {**moved[0], "label_id": dog, "xmax": 40, "difficult": True}
    patch(
        client_of(annotator), image, base_revision=2, upserts=[last], deletes=[two["id"]],
        state="done",
    )  # fmt: skip
    client = client_of(viewer)
    assert words_of(client, image) == [
        "resized 1 box, relabelled 1 box, marked 1 box, deleted 1 box and marked the image done",
        "moved 2 boxes",
        "drew 2 boxes",
    ]
    entries = client.get(f"/api/images/{image.pk}/history").json()["entries"]
    assert [entry["who"]["name"] for entry in entries] == ["anna", "anna", "olga"]
    assert [entry["revision"] for entry in entries] == [3, 2, 1]
    older = client.get(f"/api/images/{image.pk}/history?before=3").json()["entries"]
    assert [entry["revision"] for entry in older] == [2, 1]
    for path in ("history", "history/1", "deleted", "authors"):
        assert client_of(stranger).get(f"/api/images/{image.pk}/{path}").status_code == 404


def test_every_earlier_state_can_be_had_again(
    client_of: Any, annotator: Any, project: Any, image: Any
) -> None:
    """States as they were shown then, against states computed backwards from today's."""
    client, rows, states = client_of(annotator), [box(project) for _ in range(3)], []

    def shown() -> list[dict[str, Any]]:
        return sorted(Annotation.objects.values(*FIELDS), key=lambda row: row["id"])

    edits: list[dict[str, Any]] = [
        {"upserts": rows},
        {"upserts": [{**rows[0], "xmin": 9}], "deletes": [rows[1]["id"]]},
        {"upserts": [rows[1]]},
        {"deletes": [row["id"] for row in rows]},
        {"upserts": [box(project)], "state": "done"},
    ]
    states.append(shown())
    for revision, edit in enumerate(edits):
        assert patch(client, image, base_revision=revision, **edit).status_code == 200
        states.append(shown())
    for revision, state in enumerate(states):
        body = client.get(f"/api/images/{image.pk}/history/{revision}").json()
        assert (
            sorted(
                ({**row, "id": uuid.UUID(row["id"])} for row in body["annotations"]),
                key=lambda row: row["id"],
            )
            == state
        ), f"revision {revision}"
    answer = client.get(f"/api/images/{image.pk}/history/6")
    assert answer.status_code == 404
    assert "it is at 5" in answer.json()["message"]


def test_going_back_is_an_operation_that_says_so(
    client_of: Any, annotator: Any, project: Any, image: Any
) -> None:
    client, row = client_of(annotator), box(project)
    patch(client, image, upserts=[row])
    patch(client, image, base_revision=1, deletes=[row["id"]])
    assert patch(client, image, base_revision=2, upserts=[row], restores=1).status_code == 200
    assert words_of(client, image)[0] == "went back to revision 1"


def test_a_deleted_box_lies_in_the_trash_and_comes_back_as_whose_it_was(
    client_of: Any, owner: Any, annotator: Any, project: Any, image: Any
) -> None:
    row = box(project)
    patch(client_of(owner), image, upserts=[row])
    drawn_at = Annotation.objects.get().created_at
    patch(client_of(annotator), image, base_revision=1, deletes=[row["id"]])
    [lost] = client_of(owner).get(f"/api/images/{image.pk}/deleted").json()
    assert lost["annotation"]["id"] == row["id"]
    assert (lost["drawn_by"]["name"], lost["deleted_by"]["name"]) == ("olga", "anna")
    assert (lost["drawn_by"]["you"], lost["deleted_by"]["you"]) == (True, False)
    patch(client_of(annotator), image, base_revision=2, upserts=[lost["annotation"]])
    stored = Annotation.objects.get()
    assert (stored.created_by, stored.changed_by) == (owner, annotator)
    assert stored.created_at == drawn_at
    assert not DeletedBox.objects.exists()
    assert words_of(client_of(owner), image)[0] == "brought back 1 box"


def test_counts_follow_every_edit(client_of: Any, annotator: Any, project: Any, image: Any) -> None:
    client, rows = client_of(annotator), [box(project) for _ in range(3)]
    rows[1]["status"] = rows[2]["status"] = "suggested"
    edits: list[dict[str, Any]] = [
        {"upserts": rows},
        {"upserts": [{**rows[1], "status": "active"}, {**rows[2], "status": "rejected"}]},
        {"deletes": [rows[0]["id"], str(uuid.uuid4())]},
        {"upserts": [rows[0], {**rows[2], "status": "suggested"}]},
    ]
    for revision, edit in enumerate(edits):
        patch(client, image, base_revision=revision, **edit)
        image.refresh_from_db()
        counted = (image.box_count, image.suggestion_count)
        image.count_boxes()
        assert counted == (image.box_count, image.suggestion_count), edit


def test_a_merge_is_in_the_history_of_each_image(
    client_of: Any, owner: Any, project: Any, make_image: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("webapp.labeling.bulk.BATCH", 2)
    cat, dog = (project.labels.get(name=name) for name in ("cat", "dog"))
    images = [
        make_image(project, f"{n}.jpg", boxes=[("cat", 1, 1, 9, 9), ("dog", 2, 2, 9, 9)])
        for n in range(5)
    ]
    trashed = images[0].annotations.get(label=cat)
    patch(client_of(owner), images[0], deletes=[str(trashed.pk)])
    assert merge_labels(cat, dog, owner) == 4
    assert not cat.annotations.exists()
    assert DeletedBox.objects.get().label == dog
    assert words_of(client_of(owner), images[1]) == ["merged cat into dog: 1 box"]
    assert Operation.objects.filter(kind="merge").count() == 4
    images[4].refresh_from_db()
    assert images[4].revision == 1
    before = client_of(owner).get(f"/api/images/{images[4].pk}/history/0").json()["annotations"]
    assert sorted(row["label_id"] for row in before) == sorted([cat.pk, dog.pk])


def test_a_state_given_to_many_is_in_the_history_of_each(
    client_of: Any, owner: Any, annotator: Any, project: Any, make_image: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("webapp.labeling.bulk.BATCH", 2)
    images = [make_image(project, f"{n}.jpg", done=n == 0) for n in range(4)]
    assert set_state_of(project.images.all(), "done", owner) == 4
    assert Operation.objects.count() == 3, "an image that was done already has nothing to tell"
    assert words_of(client_of(owner), images[3]) == ["marked the image done"]
    stale = patch(client_of(annotator), images[3], state="in_progress")
    assert stale.status_code == 409
    assert stale.json()["state"] == "done"


def test_an_import_is_in_the_history(
    client_of: Any, owner: Any, project: Any, make_image: Any
) -> None:
    image = make_image(project, boxes=[("cat", 1, 1, 9, 9), ("dog", 2, 2, 9, 9)])
    type(image).objects.filter(pk=image.pk).update(revision=1)
    note_import([image.pk], Annotation.objects.values(), owner)
    client = client_of(owner)
    assert words_of(client, image) == ["imported 2 boxes and marked the image done"]
    assert client.get(f"/api/images/{image.pk}/history/0").json()["annotations"] == []


def test_says_who_drew_and_who_changed(
    client_of: Any, owner: Any, annotator: Any, project: Any, image: Any
) -> None:
    row = box(project)
    patch(client_of(owner), image, upserts=[row])
    patch(client_of(annotator), image, base_revision=1, upserts=[{**row, "xmax": 30}])
    body = client_of(annotator).get(f"/api/images/{image.pk}/authors").json()
    people = {int(key): person["name"] for key, person in body["people"].items()}
    told = body["boxes"][row["id"]]
    assert (people[told["drawn_by"]], people[told["changed_by"]]) == ("olga", "anna")


def test_a_page_of_somebody_else_saves_nothing_under_this_name(
    client_of: Any, owner: Any, annotator: Any, project: Any, image: Any
) -> None:
    client, body = client_of(annotator), {"upserts": [box(project)]}
    client.defaults["HTTP_X_BOXLOOP_USER"] = str(owner.pk)
    answer = patch(client, image, **body)
    assert answer.status_code == 401
    assert "logged in as anna" in answer.json()["message"]
    assert not Annotation.objects.exists()
    client.defaults["HTTP_X_BOXLOOP_USER"] = str(annotator.pk)
    assert patch(client, image, **body).status_code == 200
