"""Freeze the working set into an immutable revision, after asking whether it can train."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Count, Max, Q
from django.urls import reverse

from detection.near_duplicates import near_groups
from detection.splits import assign_splits, joined_groups
from webapp.datasets.health_models import PhotoFacts
from webapp.datasets.models import DatasetRevision, Image, Split
from webapp.labeling.labels import boxes_by_label
from webapp.labeling.models import Annotation
from webapp.projects.models import Project
from webapp.storage import save_stream

FEW_BOXES = 10
FEW_VAL_BOXES = 50
CHUNK = 500
CORNERS = ("xmin", "ymin", "xmax", "ymax")
FLAGS = ("difficult", "truncated", "crowd")
# What the manifest says of an image.
IMAGE_FIELDS = ("sha256", "name", "format", "width", "height", "split", "group", "boxes")


@dataclass(frozen=True)
class Finding:
    """Something that stops a training, or that one should know before it."""

    severity: Literal["stop", "warn"]
    message: str
    way_out: str = ""
    url: str = ""


class NotTrainable(Exception):
    """The working set cannot be trained on; the text says why and the way out."""


def training_findings(project: Project) -> list[Finding]:
    """Answers "will this train?" from counts alone; "stop" findings come first."""
    images_url = reverse("datasets:images", args=[project.pk])
    labels_url = reverse("projects:label_map", args=[project.pk])
    images = Image.objects.kept().filter(project=project)
    counts = images.aggregate(
        all=Count("pk"),
        done=Count("pk", filter=Q(state=Image.State.DONE)),
        boxed=Count("pk", filter=Q(state=Image.State.DONE, box_count__gt=0)),
        started=Count("pk", filter=~Q(state=Image.State.DONE) & Q(box_count__gt=0)),
    )
    findings = _stops(project, counts, images_url, labels_url)
    if counts["started"]:
        findings.append(
            Finding(
                "warn",
                f"{_count(counts['started'], 'image')} with boxes {_is(counts['started'])} "
                "not marked done and will be left out.",
                "Look at them",
                f"{images_url}?state=in_progress",
            )
        )
    if not any(finding.severity == "stop" for finding in findings):
        findings += _label_findings(project, labels_url)
    return findings


def _stops(
    project: Project, counts: dict[str, int], images_url: str, labels_url: str
) -> list[Finding]:
    def stop(message: str, way_out: str, url: str) -> list[Finding]:
        return [Finding("stop", message, way_out, url)]

    if not counts["all"]:
        return stop("There are no images yet.", "Add images", images_url)
    if not project.labels.filter(retired_at=None).exists():
        return stop("The label map is empty.", "Make a label", labels_url)
    label_url = reverse("labeling:next", args=[project.pk])
    if not counts["done"]:
        return stop(
            "No image is marked done, so there is nothing to learn from.", "Label images", label_url
        )
    if not counts["boxed"]:
        return stop("No image that is done has a box.", "Draw boxes", label_url)
    if counts["done"] < 2:
        return stop(
            "Only one image is done. Training takes at least two: one to learn from and one to be "
            "judged by.",
            "Label another",
            label_url,
        )
    return []


def _label_findings(project: Project, labels_url: str) -> list[Finding]:
    done = Image.objects.kept().filter(project=project, state=Image.State.DONE)
    boxes = boxes_by_label(done)
    counts = [(label, boxes.get(label.pk, 0)) for label in project.active_labels()]
    empty = [str(label) for label, count in counts if not count]
    few = [f"{label} ({count})" for label, count in counts if 0 < count < FEW_BOXES]
    findings = []
    if empty:
        findings.append(
            Finding(
                "warn",
                f"Without a single box: {_some(empty)}. The model will never find "
                f"{'it' if len(empty) == 1 else 'them'}.",
                "Retire or label",
                labels_url,
            )
        )
    if few:
        findings.append(
            Finding(
                "warn",
                f"Fewer than {FEW_BOXES} boxes: {_some(few)}. Expect it to miss some.",
                "Label more",
                reverse("labeling:next", args=[project.pk]),
            )
        )
    return findings


def _some(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def freeze(
    project: Project,
    user: Any,
    *,
    fractions: tuple[float, float, float] = (0.8, 0.2, 0.0),
    seed: int = 0,
    name: str = "",
) -> DatasetRevision:
    """Freeze all images that are done, with their active boxes.

    Splits that images have (imported, set by hand, or given by an earlier freeze) are kept;
    the others are assigned by `fractions` (train, val, test), seeded and stable, and written
    back, so that a validation image stays one as the project grows. Raises NotTrainable.
    """
    stops = [f for f in training_findings(project) if f.severity == "stop"]
    if stops:
        raise NotTrainable(f"{stops[0].message} {stops[0].way_out}.")
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=project.pk)
        entries = list(_entries(project))
        _assign(project, entries, fractions, seed)
        for split in Split.values:
            in_split = [entry for entry in entries if entry["split"] == split]
            changed = [entry["pk"] for entry in in_split if entry["split_before"] != split]
            for start in range(0, len(changed), CHUNK):
                Image.objects.filter(pk__in=changed[start : start + CHUNK]).update(split=split)
        manifest = _manifest(project, entries)
        text = json.dumps(manifest, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        body = text.encode()
        revision = DatasetRevision(
            project=project,
            number=(project.revisions.aggregate(last=Max("number"))["last"] or 0) + 1,
            name=name.strip()[:100],
            sha256=hashlib.sha256(body).hexdigest(),
            seed=seed,
            num_images=len(entries),
            num_boxes=sum(len(entry["boxes"]) for entry in entries),
            counts=_counts(manifest),
            created_by=user,
        )
        if not default_storage.exists(revision.manifest_path):
            save_stream(revision.manifest_path, io.BytesIO(body))
        revision.save()
    return revision


def _entries(project: Project) -> Iterator[dict[str, Any]]:
    """Each image that is done, with its boxes, in the order of its hash."""
    images = (
        Image.objects.kept()
        .filter(project=project, state=Image.State.DONE)
        .order_by("sha256")
        .values("pk", "sha256", "name", "format", "width", "height", "split", "group")
    )
    rows = list(images)
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        boxes: dict[int, list[dict[str, Any]]] = {row["pk"]: [] for row in chunk}
        annotations = (
            Annotation.objects.filter(image_id__in=boxes, status=Annotation.Status.ACTIVE)
            # By what they are and not by their ids: what was restored freezes to the same bytes.
            .order_by("label__class_id", *CORNERS, *FLAGS)
            .values_list("image_id", "label__class_id", *CORNERS, *FLAGS)
        )
        for image_id, class_id, *corners, difficult, truncated, crowd in annotations:
            boxes[image_id].append(frozen_box(class_id, corners, difficult, truncated, crowd))
        for row in chunk:
            yield {**row, "split_before": row["split"], "boxes": boxes[row["pk"]]}


def frozen_box(
    class_id: int, corners: list[float], difficult: bool, truncated: bool, crowd: bool
) -> dict[str, Any]:
    """A box as a manifest has it. Only a crowd says that it is one: what has none freezes to the
    bytes of before crowds were kept."""
    box = {"class_id": class_id, "box": corners, "difficult": difficult, "truncated": truncated}
    return box | {"crowd": True} if crowd else box


def _assign(
    project: Project,
    entries: list[dict[str, Any]],
    fractions: tuple[float, float, float],
    seed: int,
) -> None:
    together = kept_together(project, entries)

    def draw(kept: dict[str, str]) -> dict[str, str]:
        return assign_splits(
            [entry["sha256"] for entry in entries],
            fractions,
            seed,
            groups=together,
            labels={
                entry["sha256"]: sorted({str(box["class_id"]) for box in entry["boxes"]})
                for entry in entries
            },
            kept=kept,
        )

    kept = {entry["sha256"]: entry["split"] for entry in entries if entry["split"]}
    splits = draw(kept)
    if fractions[1] > 0 and "val" not in splits.values():
        # Imported as train and test alone: val is drawn from train, for a model must be chosen by
        # something, and not by the test images.
        splits = draw({key: split for key, split in kept.items() if split == "test"})
    for entry in entries:
        entry["split"] = splits[entry["sha256"]]


def kept_together(project: Project, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Groups by image hash that no split may part: named ones, and near-duplicates.

    Near-duplicates are those that a health check has seen; photos that are newer stand alone.
    """
    keys = [entry["sha256"] for entry in entries]
    named = {entry["sha256"]: entry["group"] for entry in entries if entry["group"]}
    hashes = dict(
        PhotoFacts.objects.filter(image__project=project, image__trashed_at=None)
        .exclude(perceptual_hash="")
        .order_by("image__sha256")
        .values_list("image__sha256", "perceptual_hash")
    )
    return joined_groups(keys, named, near_groups(hashes))


def working_manifest(project: Project) -> dict[str, Any]:
    """What `freeze` would freeze now, with the splits as they are; nothing is written."""
    return _manifest(project, list(_entries(project)))


def _manifest(project: Project, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The manifest holds no time, number or name of a revision: the same set has the same hash."""
    used = {box["class_id"] for entry in entries for box in entry["boxes"]}
    labels = project.labels.filter(Q(retired_at=None) | Q(class_id__in=used)).order_by("class_id")
    return {
        "format": 1,
        "label_map": [
            {"id": label.class_id, "name": label.name, "display_name": label.display_name}
            for label in labels
        ],
        "images": [{name: entry[name] for name in IMAGE_FIELDS} for entry in entries],
    }


def _counts(manifest: dict[str, Any]) -> dict[str, Any]:
    splits = {split: {"images": 0, "boxes": 0} for split in Split.values}
    by_label: dict[int, Counter[str]] = {item["id"]: Counter() for item in manifest["label_map"]}
    for entry in manifest["images"]:
        splits[entry["split"]]["images"] += 1
        splits[entry["split"]]["boxes"] += len(entry["boxes"])
        for box in entry["boxes"]:
            by_label[box["class_id"]][entry["split"]] += 1
    labels = [
        {"id": item["id"], "name": item["name"]}
        | {split: by_label[item["id"]][split] for split in Split.values}
        for item in manifest["label_map"]
    ]
    return {"splits": splits, "labels": labels}


def read_manifest(revision: DatasetRevision) -> dict[str, Any]:
    """The revision's manifest, checked against its hash (ValueError where it was tampered with)."""
    with default_storage.open(revision.manifest_path, "rb") as file:
        body = file.read()
    if hashlib.sha256(body).hexdigest() != revision.sha256:
        raise ValueError(f"The manifest of {revision} is not the one that was frozen.")
    return json.loads(body)
