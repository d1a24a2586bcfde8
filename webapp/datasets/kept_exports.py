"""Exports that a worker wrote into the storage: how long they stay, and how they go."""

from datetime import timedelta

from django.core.files.storage import default_storage
from django.utils import timezone

from webapp.datasets.job_models import DatasetExport

KEEP_DAYS = 7


def drop(row: DatasetExport) -> None:
    """Stop it where it is under way; else delete it with its file."""
    if row.is_active:
        row.request_cancel()
        return
    default_storage.delete(row.path)
    row.delete()


def remove_old_exports() -> int:
    """Delete those that are over and old; how many. For the sweeper."""
    old = DatasetExport.objects.filter(finished_at__lt=timezone.now() - timedelta(days=KEEP_DAYS))
    rows = [row for row in old if not row.is_active]
    for row in rows:
        drop(row)
    return len(rows)
