"""A change of many images in the making: recorded in the transactions that make it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import transaction

from webapp.datasets.health_models import DatasetChange
from webapp.projects.models import Project

# Images that change together: nobody else can write meanwhile, where the database is SQLite.
BATCH = 50
T = TypeVar("T")
# Told (images done, of how many) inside each batch's transaction: what it raises takes it back.
Tell = Callable[[int, int, "DatasetChange | None"], None]


def silent(done: int, total: int, change: DatasetChange | None) -> None:
    """Nobody waits for it."""


@dataclass
class Record:
    """What one change did, for its undo. `change` is the row, once anything was done."""

    project: Project
    user: Any
    words: str
    change: DatasetChange | None = None
    tell: Tell = silent
    made: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = ("operations", "splits", "groups", "trashed", "untrashed")
        before = self.change.changes if self.change is not None else {}
        self.made = {kind: list(before.get(kind, [])) for kind in kinds}

    def batches(self, items: Sequence[T], size: int | None = None) -> Iterator[Sequence[T]]:
        """The items in batches; what is done with a batch, and its record, stay or go together."""
        size = size or BATCH
        for start in range(0, len(items), size):
            batch = items[start : start + size]
            with self._recorded(start + len(batch), len(items)):
                yield batch

    @contextmanager
    def _recorded(self, done: int, total: int) -> Iterator[None]:
        count = self._count()
        with transaction.atomic():
            yield
            if self._count() > count:
                self._save()
            self.tell(done, total, self.change)

    def _count(self) -> int:
        return sum(map(len, self.made.values()))

    def _save(self) -> None:
        if self.change is None:
            self.change = DatasetChange(
                project=self.project, words=self.words[:200], user=self.user
            )
        self.change.changes = self.made
        self.change.save()
