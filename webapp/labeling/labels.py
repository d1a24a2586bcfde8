"""A project's labels as the editor and the API show them."""

from typing import Any

from django.db.models import Count, Q, QuerySet

from webapp.datasets.models import Image
from webapp.labeling.models import Annotation
from webapp.projects.models import Project


def boxes_by_label(
    images: QuerySet[Image], status: str = Annotation.Status.ACTIVE
) -> dict[int, int]:
    """How many boxes those images have of each label, by its id; none where there are none.

    Asked from the images' side: from the labels' a database looks up the image of every box.
    """
    boxes = Annotation.objects.filter(image__in=images.order_by(), status=status)
    return dict(boxes.order_by().values_list("label").annotate(boxes=Count("*")))


def label_rows(project: Project) -> list[dict[str, Any]]:
    """Active labels in their order, and retired ones that boxes still carry."""
    boxes = boxes_by_label(Image.objects.kept().filter(project=project))
    labels = project.labels.filter(Q(retired_at=None) | Q(pk__in=boxes)).order_by(
        "position", "class_id"
    )
    return [
        {
            "id": label.pk,
            "class_id": label.class_id,
            "name": label.name,
            "display_name": label.display_name or label.name,
            "color": label.color,
            "hotkey": label.hotkey or None,
            "box_count": boxes.get(label.pk, 0),
            "retired": label.retired_at is not None,
        }
        for label in labels
    ]
