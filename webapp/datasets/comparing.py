"""What changed between two states of a dataset: two revisions, or one and the working set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detection.boxes import iou_matrix
from detection.checks.finding import counted

# A box that overlaps one of before by as much is the same box, moved.
SAME_BOX_IOU = 0.3


@dataclass(frozen=True)
class BoxChange:
    """One box that is not as it was. `kind` is added, removed, moved, relabelled or flagged."""

    kind: str
    label: str
    box: list[float]
    label_before: str = ""
    box_before: list[float] | None = None


@dataclass
class ImageChange:
    """An image that is not as it was. `kind` is added, removed or changed."""

    kind: str
    entry: dict[str, Any]
    boxes: list[BoxChange] = field(default_factory=list)
    split_before: str | None = None
    group_before: str | None = None

    @property
    def words(self) -> str:
        """ "2 boxes added, 1 moved; from train to val": what happened to it."""
        parts = []
        for kind in ("added", "removed", "moved", "relabelled", "flagged"):
            number = sum(change.kind == kind for change in self.boxes)
            if number:
                parts.append(
                    f"{number} {kind}" if parts else f"{counted(number, 'box', 'boxes')} {kind}"
                )
        words = ", ".join(parts)
        if self.kind != "changed":
            words = counted(len(self.entry["boxes"]), "box", "boxes")
        if self.split_before is not None:
            moved = f"from {self.split_before or 'no split'} to {self.entry['split'] or 'no split'}"
            words = f"{words}; {moved}" if words else moved
        if self.group_before is not None:
            words = f"{words}; group changed" if words else "group changed"
        return words


@dataclass
class LabelChange:
    """A label that was added, removed or renamed."""

    kind: str
    name: str
    id: int
    name_before: str = ""


@dataclass
class Comparison:
    """Everything that differs, images in the order of their names."""

    images: list[ImageChange] = field(default_factory=list)
    labels: list[LabelChange] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """Images of this kind of change."""
        return sum(change.kind == kind for change in self.images)

    def count_boxes(self, kind: str) -> int:
        """Boxes of this kind of change; those of added and removed images count as well."""
        own = sum(box.kind == kind for change in self.images for box in change.boxes)
        if kind in ("added", "removed"):
            own += sum(len(c.entry["boxes"]) for c in self.images if c.kind == kind)
        return own

    @property
    def num_moved_between_splits(self) -> int:
        return sum(change.split_before is not None for change in self.images)


def compare(before: dict[str, Any], after: dict[str, Any]) -> Comparison:
    """Compare two manifests. Images are known by the hash of their bytes, labels by their id."""
    names_before = {item["id"]: item["name"] for item in before["label_map"]}
    names_after = {item["id"]: item["name"] for item in after["label_map"]}
    old = {entry["sha256"]: entry for entry in before["images"]}
    new = {entry["sha256"]: entry for entry in after["images"]}
    found = Comparison(labels=list(_labels(names_before, names_after)))
    for sha256, entry in new.items():
        was = old.get(sha256)
        if was is None:
            found.images.append(ImageChange("added", entry))
            continue
        boxes = compare_boxes(was["boxes"], entry["boxes"], names_before, names_after)
        split = was["split"] if was["split"] != entry["split"] else None
        group = was["group"] if was["group"] != entry["group"] else None
        if boxes or split is not None or group is not None:
            found.images.append(ImageChange("changed", entry, boxes, split, group))
    found.images += [
        ImageChange("removed", entry) for sha256, entry in old.items() if sha256 not in new
    ]
    found.images.sort(key=lambda change: (change.entry["name"], change.entry["sha256"]))
    return found


def compare_boxes(
    before: Sequence[dict[str, Any]],
    after: Sequence[dict[str, Any]],
    names_before: dict[int, str],
    names_after: dict[int, str],
) -> list[BoxChange]:
    """The boxes of one image: equal ones are passed over, overlapping ones are one box changed."""
    changes: list[BoxChange] = []
    pairs, gone, made = matched_boxes(before, after)
    for first, second in pairs:
        old, new = before[first], after[second]
        if old == new:
            continue
        name, was = names_after.get(new["class_id"], ""), names_before.get(old["class_id"], "")
        if new["class_id"] != old["class_id"]:
            kind = "relabelled"
        else:
            kind = "moved" if new["box"] != old["box"] else "flagged"
        changes.append(BoxChange(kind, name, new["box"], was, old["box"]))
    changes += [
        BoxChange("removed", names_before.get(before[i]["class_id"], ""), before[i]["box"])
        for i in gone
    ]
    changes += [
        BoxChange("added", names_after.get(after[i]["class_id"], ""), after[i]["box"]) for i in made
    ]
    return changes


def matched_boxes(
    before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Which box of `before` is which of `after`: (pairs, gone, new), as positions.

    Equal boxes are pairs; of the others those that overlap enough, the best fitting first.
    """
    rest = dict(enumerate(before))
    pairs, unpaired = [], []
    for index, box in enumerate(after):
        equal = next((key for key, old in rest.items() if old == box), None)
        if equal is None:
            unpaired.append(index)
        else:
            pairs.append((equal, index))
            del rest[equal]
    keys = list(rest)
    overlapping = _overlapping([rest[key] for key in keys], [after[i] for i in unpaired])
    moved = [(keys[row], unpaired[column]) for row, column in overlapping]
    pairs += moved
    gone = sorted(set(keys) - {old for old, _ in moved})
    new = sorted(set(unpaired) - {index for _, index in moved})
    return sorted(pairs, key=lambda pair: pair[1]), gone, new


def _overlapping(
    before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]
) -> Iterator[tuple[int, int]]:
    if not before or not after:
        return
    overlap = iou_matrix([box["box"] for box in before], [box["box"] for box in after])
    # Of two that overlap alike, the one that kept its label is the same box.
    same = np.array([[a["class_id"] == b["class_id"] for b in after] for a in before])
    score = np.where(overlap >= SAME_BOX_IOU, overlap + 0.25 * same, 0.0)
    while score.max() > 0:
        row, column = divmod(int(score.argmax()), score.shape[1])
        yield row, column
        score[row, :] = 0
        score[:, column] = 0


def _labels(before: dict[int, str], after: dict[int, str]) -> Iterator[LabelChange]:
    for class_id in sorted(before.keys() | after.keys()):
        old, new = before.get(class_id), after.get(class_id)
        if old is None and new is not None:
            yield LabelChange("added", new, class_id)
        elif new is None and old is not None:
            yield LabelChange("removed", old, class_id)
        elif old is not None and new is not None and old != new:
            yield LabelChange("renamed", new, class_id, old)
