"""Flag, accept, send back, comment; who may; and what waits for a reviewer."""

from typing import Any

import pytest
from django.urls import reverse

from tests.webapp.labeling.edits_by_hand import box, patch, send
from webapp.datasets.models import Image
from webapp.labeling.models import Comment, ImageReview
from webapp.labeling.order import next_to_review
from webapp.labeling.review import by_annotators, set_rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(project: Any, make_image: Any) -> Any:
    return make_image(project, size=(64, 48))


def review(client: Any, image: Any, action: str, **more: Any) -> Any:
    image.refresh_from_db()
    body = {"base_revision": image.revision, "action": action} | more
    return send(client, "post", f"/api/images/{image.pk}/review", body)


def state_of(client: Any, image: Any) -> dict[str, Any]:
    return dict(client.get(f"/api/images/{image.pk}/review").json())


def test_done_accepted_changed_and_to_review_again(
    client_of: Any, owner: Any, annotator: Any, project: Any, image: Any
) -> None:
    client = client_of(owner)
    assert state_of(client, image)["waiting"]
    answer = review(client, image, "accept")
    assert answer.json()["verdict"] == "accepted"
    assert not state_of(client, image)["waiting"]
    patch(client_of(annotator), image, base_revision=1, upserts=[box(project)])
    told = state_of(client, image)
    assert (told["verdict"], told["waiting"]) == ("", True)


def test_sent_back_with_words_and_done_again(
    client_of: Any, owner: Any, annotator: Any, image: Any
) -> None:
    client = client_of(owner)
    refused = review(client, image, "send_back", words="  ")
    assert refused.status_code == 422
    assert "Say in a few words" in refused.json()["message"]
    answer = review(client, image, "send_back", words="The tail belongs to it.")
    assert (answer.json()["state"], answer.json()["verdict"]) == ("in_progress", "sent_back")
    told = state_of(client_of(annotator), image)
    assert [comment["text"] for comment in told["comments"]] == ["The tail belongs to it."]
    head = client_of(annotator).get(f"/api/images/{image.pk}").json()
    assert (head["verdict"], head["open_comments"]) == ("sent_back", 1)
    assert not told["waiting"]
    patch(client_of(annotator), image, base_revision=1, state="done")
    assert state_of(client, image)["waiting"]
    history = client.get(f"/api/images/{image.pk}/history").json()["entries"]
    assert [row["words"] for row in history] == ["marked the image done", "sent the image back"]


def test_a_flag_waits_for_a_reviewer_whatever_the_state(
    client_of: Any, owner: Any, annotator: Any, project: Any, make_image: Any
) -> None:
    image = make_image(project, done=False)
    assert next_to_review(project) is None
    review(client_of(annotator), image, "flag", words="Is this a cat?")
    assert next_to_review(project) == image.pk
    assert state_of(client_of(owner), image)["waiting"]
    review(client_of(annotator), image, "take_flag_away")
    assert next_to_review(project) is None
    assert not ImageReview.objects.exists()


def test_a_reviewer_judges_what_they_have_seen(
    client_of: Any, owner: Any, annotator: Any, project: Any, image: Any
) -> None:
    patch(client_of(annotator), image, upserts=[box(project)])
    body = {"base_revision": 0, "action": "accept"}
    answer = send(client_of(owner), "post", f"/api/images/{image.pk}/review", body)
    assert answer.status_code == 409
    assert len(answer.json()["annotations"]) == 1
    patch(client_of(annotator), image, base_revision=1, upserts=[box(project, status="suggested")])
    answer = review(client_of(owner), image, "accept")
    assert answer.status_code == 422
    assert "1 suggestion of a model is still open" in answer.json()["message"]


def test_who_may(
    client_of: Any, annotator: Any, viewer: Any, stranger: Any, project: Any, image: Any
) -> None:
    assert review(client_of(stranger), image, "accept").status_code == 404
    assert review(client_of(viewer), image, "flag").status_code == 403
    answer = review(client_of(annotator), image, "accept")
    assert answer.status_code == 403
    assert "its owners review" in answer.json()["message"]
    set_rule(project, annotators=True)
    assert state_of(client_of(annotator), image)["may_review"]
    assert review(client_of(annotator), image, "accept").status_code == 200
    set_rule(project, annotators=False)
    assert review(client_of(annotator), image, "accept").status_code == 403


def test_comments_on_a_box_are_resolved_and_deleted(
    client_of: Any, owner: Any, annotator: Any, viewer: Any, project: Any, image: Any
) -> None:
    row = box(project)
    patch(client_of(annotator), image, upserts=[row])
    address = f"/api/images/{image.pk}/comments"
    made = send(client_of(owner), "post", address, {"text": "Tighter.", "annotation": row["id"]})
    assert made.status_code == 201
    assert made.json()["annotation"] == row["id"]
    one = f"{address}/{made.json()['id']}"
    resolved = send(client_of(annotator), "patch", one, {"resolved": True}).json()
    assert resolved["resolved_by"]["name"] == "anna"
    assert (
        send(client_of(annotator), "patch", one, {"resolved": False}).json()["resolved_at"] is None
    )
    assert client_of(annotator).delete(one).status_code == 403, "it is another's"
    assert client_of(owner).delete(one).status_code == 204
    assert not Comment.objects.exists()
    assert client_of(owner).delete(one).status_code == 404
    assert send(client_of(viewer), "post", address, {"text": "Hm."}).status_code == 403
    for text, words in ((" ", "empty"), ("x" * 2001, "at most 2000")):
        refused = send(client_of(owner), "post", address, {"text": text})
        assert refused.status_code == 422
        assert words in refused.json()["message"]
    lost = {"text": "Where?", "annotation": "5c2f1f7e-0a4e-4d7e-9d6b-000000000000"}
    assert send(client_of(owner), "post", address, lost).status_code == 422


def test_next_to_review_goes_round(
    client_of: Any, owner: Any, stranger: Any, project: Any, make_image: Any
) -> None:
    first, second = make_image(project, "a.jpg"), make_image(project, "b.jpg")
    address = f"/api/projects/{project.pk}/next?to=review"
    client = client_of(owner)
    assert client.get(f"{address}&after={first.pk}").json() == {"id": second.pk}
    assert client.get(f"{address}&after={second.pk}").json() == {"id": first.pk}
    review(client, first, "accept")
    assert client.get(f"{address}&after={second.pk}").json() == {"id": None}
    assert client_of(stranger).get(address).status_code == 404


def test_the_grid_is_narrowed_to_what_a_review_says(
    client_of: Any, owner: Any, annotator: Any, project: Any, make_image: Any
) -> None:
    names = ("waits", "back", "flag", "good")
    images = {name: make_image(project, f"{name}.jpg") for name in names}
    make_image(project, "new.jpg", done=False)
    client = client_of(owner)
    review(client, images["back"], "send_back", words="No.")
    review(client, images["flag"], "flag")
    review(client, images["good"], "accept")
    wanted = {
        "waiting": {"waits", "flag"}, "sent_back": {"back"}, "flagged": {"flag"},
        "accepted": {"good"}, "comments": {"back"}, "nonsense": {*names, "new"},
    }  # fmt: skip
    for choice, expected in wanted.items():
        page = client.get(f"/projects/{project.pk}/images/?review={choice}").content.decode()
        found = {name for name in (*names, "new") if f'alt="{name}.jpg"' in page}
        assert found == expected, choice
    page = client.get(f"/projects/{project.pk}/images/").content.decode()
    assert all(word in page for word in ("Sent back", "Flagged", "Accepted", "?to=review"))
    assert (
        "?to=review"
        not in client_of(annotator).get(f"/projects/{project.pk}/images/").content.decode()
    )


def test_goes_to_the_next_to_review_and_says_when_there_is_none(
    client_of: Any, owner: Any, project: Any, image: Any
) -> None:
    client, address = client_of(owner), f"/projects/{project.pk}/label/?to=review"
    assert client.get(address).headers["Location"].endswith(f"/label/{image.pk}/?review=1")
    review(client, image, "accept")
    assert "Nothing waits for a review" in client.get(address, follow=True).content.decode()


def test_owners_choose_who_reviews(
    client_of: Any, owner: Any, annotator: Any, project: Any
) -> None:
    address = f"/projects/{project.pk}/review-rule/"
    assert client_of(annotator).post(address, {"reviewers": "annotators"}).status_code == 403
    assert client_of(owner).get(address).status_code == 405
    page = client_of(owner).post(address, {"reviewers": "annotators"}, follow=True)
    assert "Owners and annotators review." in page.content.decode()
    assert by_annotators(project)
    client_of(owner).post(address, {"reviewers": "owners"})
    assert not by_annotators(project)


def test_who_works_alone_is_not_urged_to_review(
    client_of: Any, owner: Any, project: Any, image: Any
):
    Image.objects.filter(pk=image.pk).update(state=Image.State.DONE)
    page = reverse("datasets:images", args=[project.pk])
    assert client_of(owner).get(page).context["waiting"] == 1
    project.memberships.exclude(user=owner).delete()
    assert "waiting" not in client_of(owner).get(page).context
