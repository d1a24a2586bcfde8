"""Put back what dead workers left behind, and send again what the broker lost."""

import logging
import time
from datetime import timedelta
from typing import Any

from django.db import close_old_connections
from django.db.models import Q
from django.utils import timezone

from webapp.bases.models import BaseArrival
from webapp.datasets.health_models import HealthCheck
from webapp.datasets.job_models import DatasetExport, DatasetWork
from webapp.datasets.kept_exports import remove_old_exports
from webapp.datasets.models import ImageImport
from webapp.datasets.uploads import cancel_abandoned_drafts
from webapp.inference.models import DetectionRequest
from webapp.inference.retention import remove_outdated
from webapp.leases import LeasedRow, Status
from webapp.training.export_models import ModelExport
from webapp.training.models import TrainingRun
from workers import tasks
from workers.wake import send

logger = logging.getLogger(__name__)
SWEEP_EVERY = 1.0
TIDY_EVERY = 600.0
SEND_AGAIN_AFTER = timedelta(seconds=30)
WORK: list[tuple[type[LeasedRow], Any]] = [
    (ImageImport, tasks.import_images),
    (TrainingRun, tasks.train),
    (BaseArrival, tasks.take_in_base),
    (ModelExport, tasks.export_model),
    (DetectionRequest, tasks.detect),
    (HealthCheck, tasks.check_health),
    (DatasetExport, tasks.export_dataset),
    (DatasetWork, tasks.change_dataset),
]


def sweep() -> int:
    """One pass over all rows; how many expired leases were dealt with."""
    swept = 0
    for model, task in WORK:
        swept += _sweep_leases(model)
        _resend(model, task)
    return swept


def _sweep_leases(model: type[LeasedRow]) -> int:
    now = timezone.now()
    expired = model._default_manager.filter(status=Status.RUNNING, lease_until__lt=now)
    let_go = {"lease_token": None, "lease_until": None}
    cancelled = expired.filter(cancel_requested=True).update(
        status=Status.CANCELLED, finished_at=now, **let_go
    )
    failed = expired.filter(attempt__gte=model.MAX_ATTEMPTS).update(
        status=Status.FAILED,
        finished_at=now,
        reason=(
            f"The worker stopped without a word {model.MAX_ATTEMPTS} times, "
            "most likely for want of memory. "
            "Look at the worker's log, then try again with a smaller batch or input size."
        ),
        **let_go,
    )
    queued = expired.update(status=Status.QUEUED, sent_at=None, **let_go)
    if cancelled + failed + queued:
        logger.warning(
            "%s: %d leases ran out (%d queued again, %d failed, %d cancelled).",
            model.__name__, cancelled + failed + queued, queued, failed, cancelled,
        )  # fmt: skip
    return cancelled + failed + queued


def _resend(model: type[LeasedRow], task: Any) -> int:
    """Messages can be lost; rows cannot. A message too many finds nothing to claim."""
    overdue = model._default_manager.filter(status=Status.QUEUED).filter(
        Q(sent_at=None) | Q(sent_at__lt=timezone.now() - SEND_AGAIN_AFTER)
    )
    # A row that was queued this second is being sent by the request that queued it.
    overdue = overdue.filter(
        Q(sent_at__isnull=False)
        | Q(created_at__lt=timezone.now() - timedelta(seconds=2))
        | Q(attempt__gt=0)
    )
    rows = list(overdue.order_by("pk")[:100])
    for row in rows:
        send(task, row)
    return len(rows)


def sweep_for_ever() -> None:
    tidied_at = float("-inf")
    while True:
        close_old_connections()
        try:
            sweep()
            if time.monotonic() - tidied_at > TIDY_EVERY:
                cancel_abandoned_drafts()
                remove_outdated()
                remove_old_exports()
                tidied_at = time.monotonic()
        except Exception:
            # The sweeper must outlive a database that is away for a while.
            logger.exception("The sweep failed; trying again.")
            time.sleep(5)
        time.sleep(SWEEP_EVERY)
