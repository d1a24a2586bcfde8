"""Send the message that wakes a worker for a row."""

import logging
from typing import Any

from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from webapp.leases import LeasedRow

logger = logging.getLogger(__name__)


def wake(task: Any, row: LeasedRow) -> None:
    """Send `task` the row's id after commit. The sweeper does it later if the broker is away."""
    transaction.on_commit(lambda: send(task, row))


def send(task: Any, row: LeasedRow) -> None:
    try:
        task.delay(row.pk)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("The broker is away (%s); %s %s waits in its row.", error, task.name, row.pk)
        return
    type(row)._default_manager.filter(pk=row.pk).update(sent_at=timezone.now())
