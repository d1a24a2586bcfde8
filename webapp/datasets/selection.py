"""What is done to many images at once. Each verb takes a queryset of kept images."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from webapp.datasets.models import Image, ImageQuerySet
from webapp.labeling.bulk import set_state_of
from webapp.labeling.edits import StaleEdit, accept_suggestions
from webapp.projects.models import Project

MAX_IDS = 20_000


def set_state(images: ImageQuerySet, state: str, user: Any) -> int:
    """Give the images a state; how many there were."""
    return set_state_of(images, state, user)


def set_split(images: ImageQuerySet, split: str) -> int:
    """Put the images into a split ("" takes them out of theirs); how many there were."""
    return images.order_by().update(split=split)


def set_group(images: ImageQuerySet, group: str) -> int:
    """Name the images' group, which a split never parts; how many there were."""
    return images.order_by().update(group=group)


def accept(images: ImageQuerySet, user: Any) -> tuple[int, int]:
    """Turn the images' suggestions into annotations; (suggestions, images) that it touched."""
    boxes = touched = 0
    for pk in list(images.filter(suggestion_count__gt=0).values_list("pk", flat=True)):
        count = _accept_one(pk, user)
        boxes += count
        touched += bool(count)
    return boxes, touched


def _accept_one(pk: int, user: Any) -> int:
    # Someone may be drawing on the image at this moment: take it again as it stands then.
    for _ in range(5):
        try:
            return accept_suggestions(Image.objects.get(pk=pk), user)
        except StaleEdit:
            continue
    return 0


def move_to_trash(images: ImageQuerySet) -> tuple[int, datetime]:
    """Trash the images; how many, and the moment by which they can be restored together."""
    moment = timezone.now()
    return images.order_by().update(trashed_at=moment), moment


def restore(project: Project, moment: datetime) -> int:
    """Take back what was trashed together at `moment`; how many images."""
    return project.images.filter(trashed_at=moment).update(trashed_at=None)
