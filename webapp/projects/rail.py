"""What the left rail and the top bar show on every page of a project."""

from typing import Any

from django.db.models import Count, Q, Sum
from django.http import HttpRequest

from webapp.leases import Status


def project_rail(request: HttpRequest) -> dict[str, Any]:
    """`project`, `membership`, `rail` (counts) and `active_run`, where the page has a project."""
    project = getattr(request, "project", None)
    if project is None:
        return {}
    kept = Q(trashed_at=None)
    images = project.images.aggregate(
        total=Count("pk", filter=kept),
        done=Count("pk", filter=kept & Q(state="done")),
        bytes=Sum("bytes"),
    )
    newest = project.revisions.values_list("number", flat=True).first()
    active = (
        project.runs.filter(status__in=[Status.QUEUED, Status.RUNNING]).order_by("number").first()
    )
    membership = request.membership  # type: ignore[attr-defined]
    return {
        "project": project,
        "membership": membership,
        "can_edit": membership.allows("annotator"),
        "is_owner": membership.allows("owner"),
        "active_run": active,
        "rail": {
            "images": images["total"],
            "done": images["done"],
            "bytes": images["bytes"] or 0,
            "labels": project.labels.filter(retired_at=None).count(),
            "revision": f"r{newest}" if newest else "",
            "runs": project.runs.filter(status__in=[Status.QUEUED, Status.RUNNING]).count(),
            "models": project.models.count(),
        },
    }
