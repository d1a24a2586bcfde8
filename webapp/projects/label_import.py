"""Take a label map into a project: the ids in the file are kept, or nothing is taken."""

from dataclasses import dataclass, field

from django.db import transaction

from detection.label_map import LabelMap, LabelMapItem
from webapp.projects.models import MAX_LABELS, Label, Project

MAX_CLASS_ID = 1_000_000


class LabelMapConflict(Exception):
    """The file and the project disagree; `conflicts` says where, one sentence each."""

    def __init__(self, conflicts: list[str]) -> None:
        super().__init__(" ".join(conflicts))
        self.conflicts = conflicts


@dataclass
class ImportedLabels:
    added: list[Label] = field(default_factory=list)
    brought_back: list[Label] = field(default_factory=list)
    renamed: list[Label] = field(default_factory=list)
    known: int = 0

    def __str__(self) -> str:
        parts = [f"{len(self.added)} added"]
        if self.brought_back:
            parts.append(f"{len(self.brought_back)} brought back")
        if self.renamed:
            parts.append(f"{len(self.renamed)} given their display name")
        if self.known:
            parts.append(f"{self.known} known already")
        return ", ".join(parts) + "."


def import_label_map(project: Project, label_map: LabelMap) -> ImportedLabels:
    """Add the labels of `label_map` under their own ids, or raise LabelMapConflict."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        labels = list(project.labels.all())
        by_id = {label.class_id: label for label in labels}
        by_name = {label.name: label for label in labels}
        conflicts = [words for item in label_map for words in _conflicts(item, by_id, by_name)]
        new = [item for item in label_map if item.id not in by_id]
        if len(labels) + len(new) > MAX_LABELS:
            conflicts.append(
                f"The project has {len(labels)} labels and the file adds {len(new)}. "
                f"A project holds at most {MAX_LABELS}."
            )
        if conflicts:
            raise LabelMapConflict(conflicts)
        return _apply(project, label_map, by_id)


def _conflicts(item: LabelMapItem, by_id: dict[int, Label], by_name: dict[str, Label]) -> list[str]:
    if item.id > MAX_CLASS_ID:
        return [
            f"{item.name} has id {item.id}. The greatest that a project takes is {MAX_CLASS_ID}."
        ]
    here, namesake = by_id.get(item.id), by_name.get(item.name)
    if here is not None and here.name != item.name:
        retired = ", a retired label," if here.retired_at else ""
        return [
            f"Id {item.id} is {item.name} in the file; here it is {here.name}{retired} for good. "
            f"Rename {here.name} here, or give {item.name} another id in the file."
        ]
    if namesake is not None and namesake.class_id != item.id:
        return [
            f"{item.name} has id {item.id} in the file and id {namesake.class_id} here. "
            f"Ids never change: write id {namesake.class_id} in the file, or rename one of the two."
        ]
    return []


def _apply(project: Project, label_map: LabelMap, by_id: dict[int, Label]) -> ImportedLabels:
    result = ImportedLabels()
    for item in label_map:
        display_name = item.display_name or ""
        label = by_id.get(item.id)
        if label is None:
            result.added.append(
                project.add_label(item.name, class_id=item.id, display_name=display_name)
            )
            continue
        if label.retired_at is not None:
            label.bring_back()
            result.brought_back.append(label)
        elif display_name in ("", label.display_name):
            result.known += 1
        else:
            result.renamed.append(label)
        if display_name and display_name != label.display_name:
            label.display_name = display_name
            label.save(update_fields=["display_name"])
    return result
