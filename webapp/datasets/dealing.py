"""Dealing images to train, val and test, and counting what lies where."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from detection.checks.survey import Edit
from detection.splits import assign_splits
from webapp.datasets.freezing import kept_together
from webapp.datasets.health_fixes import Outcome, make_changes
from webapp.datasets.health_models import DatasetChange
from webapp.datasets.health_survey import survey_project
from webapp.datasets.models import Image, Split
from webapp.datasets.recording import Record, Tell, silent
from webapp.labeling.models import Annotation
from webapp.projects.models import Project

COLUMNS = (*Split.values, "")


@dataclass(frozen=True)
class SplitRow:
    """Counts by split, in the order train, val, test, none."""

    name: str
    color: str
    counts: list[int]

    @property
    def total(self) -> int:
        return sum(self.counts)


def split_table(project: Project) -> list[SplitRow]:
    """Images, images without boxes, and boxes of each label, in each split."""
    kept = Image.objects.kept().filter(project=project)
    images = dict(kept.order_by().values_list("split").annotate(Count("pk")))
    empty = dict(
        kept.filter(state=Image.State.DONE, box_count=0)
        .order_by()
        .values_list("split")
        .annotate(Count("pk"))
    )
    rows = [
        SplitRow("Images", "", [images.get(split, 0) for split in COLUMNS]),
        SplitRow("Done, without boxes", "", [empty.get(split, 0) for split in COLUMNS]),
    ]
    boxes: dict[int, dict[str, int]] = defaultdict(dict)
    counts = (
        Annotation.objects.filter(
            image__project=project, image__trashed_at=None, status=Annotation.Status.ACTIVE
        )
        .order_by()
        .values_list("label_id", "image__split")
        .annotate(Count("pk"))
    )
    for label_id, split, number in counts:
        boxes[label_id][split] = number
    labels = project.labels.filter(Q(retired_at=None) | Q(pk__in=list(boxes)))
    for label in labels.order_by("class_id"):
        mine = boxes.get(label.pk, {})
        rows.append(SplitRow(str(label), label.color, [mine.get(split, 0) for split in COLUMNS]))
    return rows


def deal(
    project: Project,
    user: Any,
    fractions: tuple[float, float, float],
    seed: int,
    *,
    keep: bool = True,
    change: DatasetChange | None = None,
    tell: Tell = silent,
) -> Outcome:
    """Give images a split, by label and with groups and near-duplicates in one piece.

    With `keep` those that have one keep it; else all are dealt anew. One change, to be taken back.
    """
    surveyed = survey_project(project)
    entries = [
        {"sha256": image.picture.sha256, "group": image.group, "image": image}
        for image in surveyed.survey.images
        if image.picture is not None
    ]
    splits = assign_splits(
        [entry["sha256"] for entry in entries],
        fractions,
        seed,
        groups=kept_together(project, entries),
        labels={
            entry["sha256"]: sorted({box.label for box in entry["image"].boxes})
            for entry in entries
        },
        kept={e["sha256"]: e["image"].split for e in entries if keep and e["image"].split},
    )
    edits = [
        Edit("set_split", entry["image"].name, None, splits[entry["sha256"]], entry["image"].split)
        for entry in entries
        if splits[entry["sha256"]] != entry["image"].split
    ]
    return make_changes(Record(project, user, _words(keep), change, tell), edits, surveyed)


def _words(keep: bool) -> str:
    return "Dealt images that had no split" if keep else "Dealt all images anew"
