"""How much a person labels, for planning: boxes and images an hour of the last seven days."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from webapp.labeling.changes import MADE
from webapp.labeling.models import Operation
from webapp.projects.models import Project

DAYS = 7
# A longer pause is not work on this project; what came before it counts for one minute.
LONGEST_PAUSE = timedelta(minutes=5)
LAST_EDIT = timedelta(minutes=1)
# A rate of less time than this says nothing.
SHORTEST_FOR_A_RATE = timedelta(minutes=10)


@dataclass
class Day:
    """One day of one person, or of the team."""

    day: date
    boxes: int = 0
    images: int = 0
    seconds: float = 0.0


@dataclass
class Numbers:
    """What was made in the last seven days, and in how much time at the editor."""

    days: list[Day] = field(default_factory=list)
    people: int = 1

    @property
    def boxes(self) -> int:
        return sum(day.boxes for day in self.days)

    @property
    def images(self) -> int:
        return sum(day.images for day in self.days)

    @property
    def seconds(self) -> float:
        return sum(day.seconds for day in self.days)

    @property
    def boxes_an_hour(self) -> float | None:
        """None where there was too little time for a rate to mean anything."""
        return self._rate(self.boxes)

    @property
    def images_an_hour(self) -> float | None:
        return self._rate(self.images)

    @property
    def most(self) -> int:
        return max((day.boxes for day in self.days), default=0)

    def _rate(self, count: int) -> float | None:
        enough = self.seconds >= SHORTEST_FOR_A_RATE.total_seconds()
        return 3600 * count / self.seconds if enough else None

    def seconds_for(self, images: int) -> float | None:
        """How long so many images take at this pace."""
        rate = self.images_an_hour
        return 3600 * images / rate if rate else None


def numbers_of(project: Project, user: Any = None) -> Numbers:
    """A person's numbers in the project; without `user` those of all together."""
    today = timezone.localdate()
    first = today - timedelta(days=DAYS - 1)
    start = timezone.make_aware(datetime.combine(first, datetime.min.time()))
    operations = Operation.objects.filter(
        image__project=project, created_at__gte=start, kind=Operation.Kind.EDIT
    ).exclude(user=None)
    if user is not None:
        operations = operations.filter(user=user)
    rows = operations.order_by("user_id", "created_at").values_list(
        "user_id", "created_at", "image_id", "summary"
    )
    days = [Day(first + timedelta(days=number)) for number in range(DAYS)]
    people = _add_up(rows.iterator(chunk_size=2000), days)
    return Numbers(days, people)


def _add_up(rows: Iterable[tuple[int, datetime, int, dict[str, Any]]], days: list[Day]) -> int:
    by_date = {day.day: day for day in days}
    last: tuple[int, datetime] | None = None
    done: set[tuple[date, int, int]] = set()
    people = set()
    for user_id, at, image_id, summary in rows:
        local = timezone.localtime(at).date()
        day = by_date.get(local)
        if day is None:
            continue
        people.add(user_id)
        pause = at - last[1] if last and last[0] == user_id else None
        worked = pause if pause is not None and pause <= LONGEST_PAUSE else LAST_EDIT
        day.seconds += worked.total_seconds()
        day.boxes += sum(int(summary.get(name, 0)) for name in MADE)
        if summary.get("state") == "done" and (local, user_id, image_id) not in done:
            done.add((local, user_id, image_id))
            day.images += 1
        last = (user_id, at)
    return len(people)
