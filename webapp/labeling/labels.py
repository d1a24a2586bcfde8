"""A project's labels as the editor and the API show them."""

from typing import Any

from django.db.models import Count, Q

from webapp.projects.models import Project


def label_rows(project: Project) -> list[dict[str, Any]]:
    """Active labels in their order, and retired ones that boxes still carry."""
    labels = (
        project.labels.annotate(
            box_count=Count(
                "annotations",
                filter=Q(annotations__status="active", annotations__image__trashed_at=None),
            )
        )
        .filter(Q(retired_at=None) | Q(box_count__gt=0))
        .order_by("position", "class_id")
    )
    return [
        {
            "id": label.pk,
            "class_id": label.class_id,
            "name": label.name,
            "display_name": label.display_name or label.name,
            "color": label.color,
            "hotkey": label.hotkey or None,
            "box_count": label.box_count,
            "retired": label.retired_at is not None,
        }
        for label in labels
    ]
