"""Photos that were detected on are kept for a stated time, and then removed with their boxes."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from webapp.inference.models import DetectionRequest
from webapp.leases import Status
from webapp.storage import delete_folder

# One sweep removes so many at most: others wait for the sweeper, too.
AT_ONCE = 50


def outdated() -> QuerySet[DetectionRequest]:
    """Requests that are done, and ended (or never began) longer ago than they are kept."""
    days = settings.KEEP_DETECTIONS_DAYS
    if not days:
        return DetectionRequest.objects.none()
    limit = timezone.now() - timedelta(days=days)
    old = Q(finished_at__lt=limit) | Q(finished_at=None, created_at__lt=limit)
    return DetectionRequest.objects.filter(old).exclude(status__in=[Status.QUEUED, Status.RUNNING])


def remove_outdated() -> int:
    """Remove them with their photos; how many. What was taken into a project stays there."""
    requests = list(outdated().order_by("pk")[:AT_ONCE])
    for request in requests:
        # Files first: rows that are left would be found again, files would not.
        delete_folder(request.prefix)
        request.delete()
    return len(requests)
