"""What the start page shows of each project: a cover of photos, counts, the last model."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q

from webapp.datasets.models import Image
from webapp.labeling.models import Annotation
from webapp.leases import Status
from webapp.projects.models import Label, Project
from webapp.training.models import TrainedModel, TrainingRun

COVER = 3
MAX_COVER_BOXES = 60


@dataclass(frozen=True)
class CoverImage:
    """A photo with its boxes: (xmin, ymin, width, height, palette index), upright pixels."""

    image: Image
    boxes: list[tuple[float, float, float, float, int]]


@dataclass
class ProjectCard:
    project: Project
    images: int = 0
    done: int = 0
    boxes: int = 0
    active_at: datetime | None = None
    labels: list[Label] = field(default_factory=list)
    cover: list[CoverImage] = field(default_factory=list)
    model: TrainedModel | None = None
    run: TrainingRun | None = None

    @property
    def done_fraction(self) -> float:
        return self.done / self.images if self.images else 0.0


def project_cards(user: Any, query: str = "", limit: int | None = None) -> list[ProjectCard]:
    """The user's projects, those worked on last first; only the first `limit` get covers."""
    projects = Project.objects.filter(memberships__user=user)
    if query:
        projects = projects.filter(name__icontains=query)
    cards = {project.pk: ProjectCard(project) for project in projects}
    _count_images(cards)
    ordered = sorted(
        cards.values(),
        key=lambda card: card.active_at or card.project.created_at,
        reverse=True,
    )[:limit]
    shown = {card.project.pk: card for card in ordered}
    _add_labels(shown)
    _add_training(shown)
    _add_covers(ordered)
    return ordered


def _count_images(cards: dict[int, ProjectCard]) -> None:
    rows = (
        Image.objects.kept()
        .filter(project__in=list(cards))
        .order_by()
        .values("project")
        .annotate(
            images=Count("pk"),
            done=Count("pk", filter=Q(state=Image.State.DONE)),
            boxed=Count("pk", filter=Q(box_count__gt=0)),
            last_added=Max("created_at"),
            last_done=Max("done_at"),
        )
    )
    for row in rows:
        card = cards[row["project"]]
        card.images, card.done, card.boxes = row["images"], row["done"], row["boxed"]
        card.active_at = max(
            moment
            for moment in (row["last_added"], row["last_done"], card.project.created_at)
            if moment is not None
        )


def _add_labels(cards: dict[int, ProjectCard]) -> None:
    for label in Label.objects.filter(project__in=list(cards), retired_at=None):
        cards[label.project_id].labels.append(label)


def _add_training(cards: dict[int, ProjectCard]) -> None:
    for model in TrainedModel.objects.filter(project__in=list(cards)).order_by("number"):
        cards[model.project_id].model = model
    active = TrainingRun.objects.filter(
        project__in=list(cards), status__in=[Status.QUEUED, Status.RUNNING]
    )
    for run in active.order_by("-number"):
        cards[run.project_id].run = run


def _add_covers(cards: Sequence[ProjectCard]) -> None:
    covers = {card.project.pk: _cover_images(card) for card in cards}
    boxes = _boxes([image.pk for images in covers.values() for image in images])
    for card in cards:
        card.cover = [CoverImage(image, boxes[image.pk]) for image in covers[card.project.pk]]


def _cover_images(card: ProjectCard) -> list[Image]:
    """The newest photos that have boxes; where those are too few, the newest of the rest."""
    if not card.images:
        return []
    newest = card.project.images.filter(trashed_at=None).order_by("-pk")
    images = list(newest.filter(box_count__gt=0)[:COVER]) if card.boxes else []
    if len(images) < COVER:
        images += newest.filter(box_count=0)[: COVER - len(images)]
    return images


def _boxes(image_ids: list[int]) -> dict[int, list[tuple[float, float, float, float, int]]]:
    boxes: dict[int, list[tuple[float, float, float, float, int]]] = defaultdict(list)
    annotations = Annotation.objects.filter(image__in=image_ids, status=Annotation.Status.ACTIVE)
    for annotation in annotations.select_related("label"):
        drawn = boxes[annotation.image_id]
        if len(drawn) < MAX_COVER_BOXES:
            drawn.append(
                (
                    annotation.xmin,
                    annotation.ymin,
                    annotation.xmax - annotation.xmin,
                    annotation.ymax - annotation.ymin,
                    annotation.label.palette_index,
                )
            )
    return boxes
