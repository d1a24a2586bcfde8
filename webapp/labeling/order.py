"""The order in which the editor goes through a project's images: as they came in."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from webapp.datasets.models import Image
from webapp.labeling.review import waiting_in
from webapp.projects.models import Project


@dataclass(frozen=True)
class Place:
    """Where an image stands: neighbours' ids, its position from 1, and the project's counts."""

    previous_id: int | None
    next_id: int | None
    position: int
    count: int
    done: int


def kept_images(project: Project) -> QuerySet[Image]:
    return Image.objects.kept().filter(project=project).order_by("pk")


def place_of(image: Image) -> Place:
    images = kept_images(image.project)
    before = images.filter(pk__lt=image.pk)
    return Place(
        previous_id=before.order_by("-pk").values_list("pk", flat=True).first(),
        next_id=images.filter(pk__gt=image.pk).values_list("pk", flat=True).first(),
        position=before.count() + 1,
        count=images.count(),
        done=images.filter(state=Image.State.DONE).count(),
    )


def next_to_label(project: Project, after: int = 0) -> int | None:
    """The next image that is not done, from `after` on and then from the start; else the first."""
    images = kept_images(project)
    open_images = images.filter(~Q(state=Image.State.DONE))
    return _first_of(open_images.filter(pk__gt=after), open_images, images)


def next_to_review(project: Project, after: int = 0) -> int | None:
    """The next image that waits for a reviewer, from `after` on and then from the start."""
    waiting = waiting_in(project)
    return _first_of(waiting.filter(pk__gt=after), waiting.exclude(pk=after))


def _first_of(*choices: QuerySet[Image]) -> int | None:
    for images in choices:
        image_id = images.values_list("pk", flat=True).first()
        if image_id is not None:
            return image_id
    return None
