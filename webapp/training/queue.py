"""Who trains before whom: runs of all projects share the machines of the `gpu` queue."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from webapp.leases import Status
from webapp.training.models import TrainingRun

# A worker answers within a second or two; the sweeper sends a lost message again well before.
SILENCE = timedelta(seconds=20)


@dataclass(frozen=True)
class Wait:
    """What stands before a queued run. `seconds` is None where nobody can say."""

    ahead: int
    words: str
    seconds: float | None
    unanswered: bool


def runs_before(run: TrainingRun | None, project_id: int) -> list[TrainingRun]:
    """Running and queued runs that come before `run` (or before a new one), in their order."""
    runs = TrainingRun.objects.filter(status__in=[Status.RUNNING, Status.QUEUED])
    if run is not None:
        runs = runs.filter(Q(status=Status.RUNNING) | Q(pk__lt=run.pk)).exclude(pk=run.pk)
    return sorted(runs, key=lambda one: (one.status != Status.RUNNING, one.pk))


def wait_of(run: TrainingRun | None, project_id: int) -> Wait:
    """What a queued run, or a new one, waits for. Runs of other projects stay unnamed."""
    before = runs_before(run, project_id)
    last = before[-1] if before else None
    if last is None:
        words = "at once"
    elif last.project_id == project_id:
        words = f"after {last}"
    elif len(before) == 1:
        words = "after a run of another project"
    else:
        words = f"after {len(before)} other runs"
    spans = [
        one.seconds_left if one.status == Status.RUNNING else one.forecast_seconds for one in before
    ]
    known = [span for span in spans if span is not None]
    since = None if run is None else run.sent_at or run.created_at
    return Wait(
        ahead=len(before),
        words=words,
        seconds=sum(known) if len(known) == len(spans) else None,
        unanswered=not before and since is not None and timezone.now() - since > SILENCE,
    )
