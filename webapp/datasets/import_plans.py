"""What the user chose on an import's preview: which label each class becomes."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from webapp.datasets.models import ImageImport
from webapp.projects.models import Label


@dataclass(frozen=True)
class ImportPlan:
    """Choices by class name, as the preview's form sends them.

    `labels` maps a class's name in the files to a label's primary key, to another name, or to
    LEAVE_OUT; classes that are not in it keep their names. `negatives`: an image whose annotations
    hold no box is done, and shows none. `splits`: those that the data bring are kept.
    """

    LEAVE_OUT = ""

    labels: Mapping[str, int | str] = field(default_factory=dict)
    negatives: bool = True
    splits: bool = True

    def target_of(self, name: str) -> int | str | None:
        """A label's primary key, another name, LEAVE_OUT, or None: the label of that very name."""
        return self.labels.get(name)

    def as_json(self) -> dict[str, Any]:
        return {"labels": dict(self.labels), "negatives": self.negatives, "splits": self.splits}

    @classmethod
    def from_json(cls, value: dict[str, Any] | None) -> "ImportPlan":
        value = value or {}
        return cls(value.get("labels", {}), value.get("negatives", True), value.get("splits", True))

    @classmethod
    def from_form(cls, row: ImageImport, form: QueryDict) -> "ImportPlan":
        """The choices of the preview's form; what makes no sense there is as if not chosen."""
        assert row.preview is not None
        pks = set(row.project.labels.values_list("pk", flat=True))
        names = {found["name"] for found in row.preview["labels"]}
        labels: dict[str, int | str] = {}
        for index, found in enumerate(row.preview["labels"]):
            kind, _, value = form.get(f"class-{index}", "").partition(":")
            if kind == "leave":
                labels[found["name"]] = cls.LEAVE_OUT
            elif kind == "label" and value.isascii() and value.isdecimal() and int(value) in pks:
                labels[found["name"]] = int(value)
            elif kind == "name" and value in names and value != found["name"]:
                labels[found["name"]] = value
        return cls(labels, form.get("negatives") == "1", form.get("splits") == "1")


@dataclass(frozen=True)
class ClassChoice:
    """One class of the files with what it may become; `chosen` is the value offered first."""

    name: str
    boxes: int
    chosen: str
    known: Label | None
    like: Label | None
    options: list[tuple[str, str]]


def class_choices(row: ImageImport) -> list[ClassChoice]:
    """What each class found may become: the label of its name, one that is spelt alike, another
    class of the files, any other label, a new one, or nothing."""
    assert row.preview is not None
    labels = list(row.project.active_labels())
    by_name = {label.name: label for label in labels}
    by_spelling: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_spelling[_spelling(label.name)].append(label)
    first_of: dict[str, str] = {}
    choices = []
    for found in row.preview["labels"]:
        name = found["name"]
        alike = by_spelling.get(_spelling(name), [])
        known, like = by_name.get(name), alike[0] if len(alike) == 1 else None
        options = [] if known else [(f"name:{name}", f"New label “{name}”")]
        sibling = first_of.setdefault(_spelling(name), name)
        if sibling != name and not known:
            options.append((f"name:{sibling}", f"With “{sibling}” of this import"))
        options += [(f"label:{label.pk}", str(label)) for label in labels]
        chosen = options[0][0]
        if known or like:
            chosen = f"label:{(known or like).pk}"  # type: ignore[union-attr]
        elif sibling != name:
            chosen = f"name:{sibling}"
        options.append(("leave:", "Leave its boxes out"))
        choices.append(ClassChoice(name, found["boxes"], chosen, known, like, options))
    return choices


def _spelling(name: str) -> str:
    """What variants of one name share: case, spaces and dashes do not matter."""
    return "".join(c for c in name.casefold() if c.isalnum()) or name
