"""Correct: the photo goes into the project, its detections as suggestions."""

import pytest
from django.urls import reverse

from tests.webapp.inference.rows import add_photo, at, make_request
from tests.webapp.training.rows import make_model, make_run
from webapp.datasets.models import Image
from webapp.labeling.models import Annotation
from webapp.leases import Status


@pytest.fixture
def photo(project, owner):
    """Of a request with the project's own model: cat 98 %, dog 50 %, dog 20 %."""
    return add_photo(
        make_request(owner, project, make_model(make_run(project, 1, Status.FINISHED)))
    )


@pytest.fixture
def from_base(project, owner):
    """Of a request with the COCO base: a cat, which the project knows, and a zebra."""
    found = [(17, "cat", 0.9, 5, 5, 30, 30), (24, "zebra", 0.8, 30, 10, 60, 40)]
    return add_photo(make_request(owner, project), found=found)


def url_of(photo):
    return at("correct", photo.request, photo.pk)


def boxes():
    rows = Annotation.objects.order_by("-score")
    return [(row.label.name, row.status, row.source, row.score) for row in rows]


def test_detections_above_the_threshold_become_suggestions(client_of, annotator, project, photo):
    response = client_of(annotator).post(url_of(photo), {"threshold": "0.46"})
    image = Image.objects.get()
    # The editor offers to train again as the model was trained.
    editor = reverse("labeling:editor", args=[project.pk, image.pk])
    assert response.url == f"{editor}?again={photo.request.model.run_id}"
    assert boxes() == [("cat", "suggested", "model", 0.98), ("dog", "suggested", "model", 0.5)]
    assert (image.name, image.suggestion_count, image.box_count) == ("tom.jpg", 2, 0)
    photo.refresh_from_db()
    assert photo.image == image


def test_a_higher_threshold_and_labels_that_are_off(client_of, annotator, photo):
    client_of(annotator).post(url_of(photo), {"threshold": "0.05", "hidden": "1"})
    assert [row[3] for row in boxes()] == [0.5, 0.2]


def test_twice_is_once(client_of, annotator, photo):
    for _ in range(2):
        assert client_of(annotator).post(url_of(photo), {"threshold": "0.46"}).status_code == 302
    assert Image.objects.count() == 1
    assert len(boxes()) == 2


def test_all_are_right(client_of, annotator, photo):
    client_of(annotator).post(url_of(photo), {"threshold": "0.46"})
    response = client_of(annotator).post(url_of(photo), {"threshold": "0.46", "all_right": "1"})
    assert response.url == f"{at('request', photo.request)}?photo={photo.pk}"
    image = Image.objects.get()
    assert [row[1] for row in boxes()] == ["active", "active"]
    assert (image.state, image.box_count, image.suggestion_count) == ("done", 2, 0)


def test_all_are_right_with_nothing_found_makes_a_negative(client_of, annotator, photo):
    client_of(annotator).post(url_of(photo), {"threshold": "1", "all_right": "1"})
    assert Image.objects.get().is_negative


def test_boxes_that_a_person_drew_stay(client_of, annotator, project, photo):
    client_of(annotator).post(url_of(photo), {"threshold": "0.9", "all_right": "1"})
    drawn = Annotation.objects.get()
    Annotation.objects.update(source="human", xmin=6)
    client_of(annotator).post(url_of(photo), {"threshold": "0.46"})
    drawn.refresh_from_db()
    assert (drawn.status, drawn.source, drawn.xmin) == ("active", "human", 6)
    assert len(boxes()) == 2  # the dog came as a suggestion


def test_a_label_that_was_renamed_is_found_by_its_class_id(client_of, annotator, project, photo):
    project.labels.filter(name="cat").update(name="tiger")
    client_of(annotator).post(url_of(photo), {"threshold": "0.9"})
    assert boxes()[0][0] == "tiger"


def test_a_base_is_matched_by_name_and_an_unknown_label_is_asked_for(
    client_of, annotator, project, from_base
):
    response = client_of(annotator).post(url_of(from_base), {"threshold": "0.46"})
    text = response.content.decode()
    assert response.status_code == 200
    assert "Which labels are these?" in text
    assert 'name="label-24"' in text
    assert 'name="label-17"' not in text
    assert not Image.objects.exists()
    assert not project.labels.filter(name="zebra").exists()


@pytest.mark.parametrize(
    ("answer", "labels"),
    [("leave_out", ["cat"]), ("make", ["cat", "zebra"]), ("dog", ["cat", "dog"])],
)
def test_answers(client_of, annotator, project, from_base, answer, labels):
    chosen = project.labels.filter(name=answer).first()
    data = {"threshold": "0.46", "label-24": chosen.pk if chosen else answer}
    assert client_of(annotator).post(url_of(from_base), data).status_code == 302
    assert [row[0] for row in boxes()] == labels


def test_the_label_of_another_project_is_no_answer(client_of, annotator, from_base, make_user):
    from webapp.projects.models import Project

    label = Project.objects.create(name="Other", created_by=make_user("otto")).add_label("zebra")
    data = {"threshold": "0.46", "label-24": label.pk}
    assert "Which labels" in client_of(annotator).post(url_of(from_base), data).content.decode()
    assert not Annotation.objects.exists()


def test_a_retired_label_is_asked_for(client_of, annotator, project, photo):
    from django.utils import timezone

    project.labels.filter(name="cat").update(retired_at=timezone.now())
    response = client_of(annotator).post(url_of(photo), {"threshold": "0.9"})
    assert "Which labels are these?" in response.content.decode()


def test_an_unreadable_photo_cannot_be_corrected(client_of, annotator, photo):
    bad = add_photo(photo.request, "bad.svg", error="It is an SVG drawing.")
    assert client_of(annotator).post(url_of(bad)).status_code == 404


def test_from_try_into_a_project_of_ones_own(client_of, annotator, project):
    photo = add_photo(make_request(annotator))
    response = client_of(annotator).post(url_of(photo), {"threshold": "0.9", "project": project.pk})
    assert response.url == reverse("labeling:editor", args=[project.pk, Image.objects.get().pk])
    assert boxes() == [("cat", "suggested", "model", 0.98)]


def test_from_try_only_where_one_may(client_of, viewer, stranger, project):
    for user, status in ((viewer, 403), (stranger, 404)):
        photo = add_photo(make_request(user))
        data = {"threshold": "0.9", "project": project.pk}
        assert client_of(user).post(url_of(photo), data).status_code == status
        assert client_of(user).post(url_of(photo), {"threshold": "0.9"}).status_code == 404
    assert not Image.objects.exists()


def test_people(client_of, owner, viewer, stranger, photo):
    assert client_of(viewer).post(url_of(photo)).status_code == 403
    assert client_of(stranger).post(url_of(photo)).status_code == 404
    assert client_of(owner).get(url_of(photo)).status_code == 405
    assert not Image.objects.exists()
