"""The row is the job: claimed once, fenced by its token, put back when its worker dies."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from webapp.inference.models import DetectionRequest
from webapp.leases import LeaseLost, Status
from workers.sweeper import sweep

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent_again(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    messages: list[int] = []
    monkeypatch.setattr("workers.sweeper.send", lambda task, row: messages.append(row.pk))
    return messages


@pytest.fixture
def row(owner: Any) -> DetectionRequest:
    return DetectionRequest.objects.create(created_by=owner, base="ssdlite_mobilenet_v2_coco")


def let_expire(row: DetectionRequest) -> None:
    DetectionRequest.objects.filter(pk=row.pk).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


def test_is_claimed_once(row: DetectionRequest) -> None:
    first = DetectionRequest.claim(row.pk, "one")
    assert first is not None
    assert first.attempt == 1
    assert DetectionRequest.claim(row.pk, "two") is None


def test_a_worker_that_lost_its_lease_writes_nothing(row: DetectionRequest) -> None:
    first = DetectionRequest.claim(row.pk, "one")
    assert first is not None
    let_expire(row)
    assert sweep() == 1
    second = DetectionRequest.claim(row.pk, "two")
    assert second is not None
    assert second.attempt == 2
    assert not first.renew()
    with pytest.raises(LeaseLost):
        first.write(seconds=1.0)
    assert not first.end(Status.FINISHED)
    assert second.renew()


def test_an_expired_lease_is_queued_again(row: DetectionRequest, sent_again: list[int]) -> None:
    DetectionRequest.claim(row.pk, "one")
    let_expire(row)
    sweep()
    row.refresh_from_db()
    assert row.status == Status.QUEUED
    assert sent_again == [row.pk]


def test_dies_three_times_and_fails_with_a_reason(row: DetectionRequest) -> None:
    for _ in range(DetectionRequest.MAX_ATTEMPTS):
        assert DetectionRequest.claim(row.pk, "one") is not None
        let_expire(row)
        sweep()
    row.refresh_from_db()
    assert row.status == Status.FAILED
    assert "stopped without a word 3 times" in row.reason


def test_cancels_what_waits_at_once_and_what_runs_by_its_lease(row: DetectionRequest) -> None:
    running = DetectionRequest.claim(row.pk, "one")
    assert running is not None
    row.request_cancel()
    assert row.status == Status.RUNNING
    assert not running.renew()
    assert running.extend(), "the worker may still wind down"
    let_expire(row)
    sweep()
    row.refresh_from_db()
    assert row.status == Status.CANCELLED
    waiting = DetectionRequest.objects.create(created_by=row.created_by)
    waiting.request_cancel()
    assert waiting.status == Status.CANCELLED
    assert DetectionRequest.claim(waiting.pk, "one") is None


def test_a_lost_message_is_sent_again(row: DetectionRequest, sent_again: list[int]) -> None:
    sweep()
    assert sent_again == [], "a row of this second is being sent by its request"
    DetectionRequest.objects.filter(pk=row.pk).update(
        created_at=timezone.now() - timedelta(minutes=1)
    )
    sweep()
    assert sent_again == [row.pk]


def test_giving_back_does_not_count_the_attempt(row: DetectionRequest) -> None:
    claimed = DetectionRequest.claim(row.pk, "one")
    assert claimed is not None
    assert claimed.give_back()
    row.refresh_from_db()
    assert (row.status, row.attempt) == (Status.QUEUED, 0)
