"""Start a training run: freeze where needed, make the row, wake a worker."""

from typing import Any

from django.db import transaction
from django.db.models import Max

from detection.bases import BASES
from detection.training.input_size import OFFERED_SIZES
from webapp.datasets.freezing import NotTrainable, freeze
from webapp.datasets.models import DatasetRevision
from webapp.projects.models import Project
from webapp.training.models import TrainingRun
from workers import tasks
from workers.wake import wake

DEFAULT_BASE = "ssdlite_mobilenet_v2_coco"


def start_run(
    project: Project,
    user: Any,
    *,
    revision: DatasetRevision | None = None,
    base: str = DEFAULT_BASE,
    epochs: int | None = None,
    minutes: int | None = None,
    input_size: int | None = None,
    batch_size: int = 8,
    seed: int = 0,
    **switches: bool,
) -> TrainingRun:
    """Queue a run on `revision`, or on the working set, frozen now. Raises NotTrainable.

    Without an `input_size` the trainer chooses it. `switches`: flip, vertical_flip, crop, colour,
    mosaic, prune and early_stop, as `TrainingRun` has them.
    """
    if base not in BASES:
        raise NotTrainable(f"There is no base {base!r}. Choose one of {', '.join(BASES)}.")
    if revision is not None:
        _refuse_untrainable(revision)
    with transaction.atomic():
        revision = revision or freeze(project, user, seed=seed)
        Project.objects.select_for_update().get(pk=project.pk)
        run = TrainingRun.objects.create(
            project=project,
            number=(project.runs.aggregate(last=Max("number"))["last"] or 0) + 1,
            revision=revision,
            base=base,
            created_by=user,
            epochs_asked=epochs,
            minutes_asked=minutes,
            epochs=epochs,
            input_size_asked=input_size,
            input_size=input_size or OFFERED_SIZES[0],
            batch_size=batch_size,
            seed=seed,
            **switches,
        )
        wake(tasks.train, run)
    return run


def _refuse_untrainable(revision: DatasetRevision) -> None:
    train = revision.counts["splits"]["train"]
    if not train["images"]:
        raise NotTrainable(f"{revision} has no image in its train split. Freeze again.")
    if not train["boxes"]:
        raise NotTrainable(
            f"{revision} has no box in its train split. Label more and freeze again."
        )
