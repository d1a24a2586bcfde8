"""The row is the job.

A worker claims a row by one conditional UPDATE that takes a lease, renews the lease while it
works, and writes every result with the lease's token as a condition. A worker that dies leaves
a lease that runs out; the sweeper puts the row back (or ends it). A message that is delivered
twice, or never, does no harm.
"""

import uuid
from datetime import timedelta
from typing import Any, Self

from django.db import models
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

LEASE = timedelta(seconds=8)
RENEW_EVERY = timedelta(seconds=0.5)


class Status(models.TextChoices):
    DRAFT = "draft", "Uploading"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class LeaseLost(Exception):
    """The row was cancelled, or another worker holds it: stop, and write nothing more."""


class LeasedRow(models.Model):
    """A piece of work with a state that survives every process."""

    MAX_ATTEMPTS = 3

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    worker = models.CharField(max_length=200, blank=True)
    cancel_requested = models.BooleanField(default=False)
    reason = models.TextField(blank=True, help_text="Why it failed, in plain words.")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, editable=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def is_active(self) -> bool:
        return self.status in {Status.DRAFT, Status.QUEUED, Status.RUNNING}

    @classmethod
    def claim(cls, pk: int, worker: str) -> Self | None:
        """Take the queued row `pk`, or return None where there is nothing to take."""
        token, now = uuid.uuid4(), timezone.now()
        taken = cls._default_manager.filter(
            pk=pk, status=Status.QUEUED, cancel_requested=False
        ).update(
            status=Status.RUNNING,
            lease_token=token,
            lease_until=now + LEASE,
            attempt=F("attempt") + 1,
            worker=worker,
            started_at=Coalesce(F("started_at"), now),
        )
        return cls._default_manager.get(pk=pk) if taken else None

    def held(self) -> models.QuerySet[Self]:
        """This row, as long as this worker's lease holds."""
        return type(self)._default_manager.filter(
            pk=self.pk, status=Status.RUNNING, lease_token=self.lease_token
        )

    def renew(self) -> bool:
        """Extend the lease; False means stop (cancelled, or the lease is another's)."""
        return bool(
            self.held().filter(cancel_requested=False).update(lease_until=timezone.now() + LEASE)
        )

    def extend(self) -> bool:
        """Extend the lease although a cancel was asked for: for winding down."""
        return bool(self.held().update(lease_until=timezone.now() + LEASE))

    def write(self, **fields: Any) -> None:
        """Write progress with the lease as the condition; raise LeaseLost where it is gone.

        Without fields it is the fence alone, for rows of other tables written beside it.
        """
        # An UPDATE of nothing touches no row: then the token is set to what it is.
        if not self.held().update(**(fields or {"lease_token": self.lease_token})):
            raise LeaseLost
        for name, value in fields.items():
            setattr(self, name, value)

    def end(self, status: Status, reason: str = "", **fields: Any) -> bool:
        """Finish the row, once. False where the lease was lost and nothing was written."""
        return bool(
            self.held().update(
                status=status,
                reason=reason,
                finished_at=timezone.now(),
                lease_token=None,
                lease_until=None,
                **fields,
            )
        )

    def give_back(self) -> bool:
        """Put the row back into the queue without counting the attempt (a worker that stops)."""
        return bool(
            self.held().update(
                status=Status.QUEUED,
                attempt=F("attempt") - 1,
                lease_token=None,
                lease_until=None,
                sent_at=None,
            )
        )

    def request_cancel(self) -> None:
        """Cancel at once what waits; ask the worker of what runs."""
        rows = type(self)._default_manager.filter(pk=self.pk)
        waiting = rows.filter(status__in=[Status.DRAFT, Status.QUEUED])
        if not waiting.update(
            status=Status.CANCELLED, cancel_requested=True, finished_at=timezone.now()
        ):
            rows.filter(status=Status.RUNNING).update(cancel_requested=True)
        self.refresh_from_db()
