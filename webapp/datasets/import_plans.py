"""What the user chose on an import's preview: which label each class becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ImportPlan:
    """Choices by class name, as the preview's form sends them.

    `labels` maps a class's name in the files to a label's primary key, or to LEAVE_OUT; classes
    that are not in it keep their names. `negatives`: an image whose annotations hold no box is
    done, and shows none. `splits`: those that the data bring are kept.
    """

    LEAVE_OUT = "leave out"

    labels: Mapping[str, int | str] = field(default_factory=dict)
    negatives: bool = True
    splits: bool = True

    def target_of(self, name: str) -> int | str | None:
        """A label's primary key, LEAVE_OUT, or None: the label of that very name."""
        return self.labels.get(name)

    def as_json(self) -> dict[str, Any]:
        return {"labels": dict(self.labels), "negatives": self.negatives, "splits": self.splits}

    @classmethod
    def from_json(cls, value: dict[str, Any] | None) -> "ImportPlan":
        value = value or {}
        return cls(value.get("labels", {}), value.get("negatives", True), value.get("splits", True))
