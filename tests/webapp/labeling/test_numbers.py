"""A person's own boxes and images an hour."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from webapp.labeling.models import Operation
from webapp.labeling.numbers import numbers_of

pytestmark = pytest.mark.django_db


def note(image: Any, user: Any, at: datetime, **summary: Any) -> None:
    row = Operation.objects.create(image=image, revision=1, user=user, summary=summary)
    Operation.objects.filter(pk=row.pk).update(created_at=at)


def test_counts_what_was_made_in_the_time_at_the_editor(
    owner: Any, annotator: Any, project: Any, make_image: Any
) -> None:
    image, other = make_image(project, "a.jpg"), make_image(project, "b.jpg")
    noon = timezone.localtime().replace(hour=12, minute=0, second=0, microsecond=0)
    noon -= timedelta(days=1)
    # One minute for the first, 9 more at the editor, then a break of an hour: one minute again.
    for minute in (0, 3, 6, 9):
        note(image, annotator, noon + timedelta(minutes=minute), drawn=5, moved=2)
    note(image, annotator, noon + timedelta(minutes=69), accepted=3, copied=1, state="done")
    note(image, annotator, noon + timedelta(minutes=69), state="done")
    note(other, owner, noon, drawn=100, deleted=7)
    note(other, annotator, noon - timedelta(days=8), drawn=1000)
    mine = numbers_of(project, annotator)
    assert (mine.boxes, mine.images, mine.seconds) == (24, 1, 11 * 60)
    assert mine.boxes_an_hour == pytest.approx(24 * 60 / 11)
    assert [day.boxes for day in mine.days] == [0, 0, 0, 0, 0, 24, 0]
    assert mine.seconds_for(60) == pytest.approx(11 * 3600)
    team = numbers_of(project)
    assert (team.boxes, team.people) == (124, 2)
    assert numbers_of(project, owner).boxes_an_hour is None, "a minute says nothing"


def test_too_little_for_a_rate(owner: Any, project: Any) -> None:
    empty = numbers_of(project, owner)
    assert (empty.boxes, empty.boxes_an_hour, empty.seconds_for(10)) == (0, None, None)


def test_each_sees_their_own_and_an_owner_the_sum(
    client_of: Any,
    owner: Any,
    annotator: Any,
    viewer: Any,
    stranger: Any,
    project: Any,
    make_image: Any,
) -> None:
    image = make_image(project, done=False)
    make_image(project, "other.jpg", done=False)
    now = timezone.now()
    for minutes in (10, 6, 2):
        note(image, annotator, now - timedelta(minutes=minutes), drawn=411)
    note(image, annotator, now, state="done")
    address = f"/projects/{project.pk}/numbers/"
    mine = client_of(annotator).get(address).content.decode()
    assert "1,233" in mine
    assert "2 of 2 images are not done" in mine
    assert "All together" not in mine
    assert (
        "1,233 boxes this week"
        in client_of(annotator).get(f"/projects/{project.pk}/week/").content.decode()
    )
    whole = client_of(owner).get(address).content.decode()
    assert "All together" in whole
    assert "1,233" in whole
    assert "anna" not in whole, "people are not told apart"
    assert "Nothing yet" in client_of(viewer).get(address).content.decode()
    assert not client_of(viewer).get(f"/projects/{project.pk}/week/").content.strip()
    assert client_of(stranger).get(address).status_code == 404
