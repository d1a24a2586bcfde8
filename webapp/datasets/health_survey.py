"""A project's working set as a survey for the checks of `detection.checks`."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from detection.checks.survey import ListedLabel, PictureFacts, Survey, SurveyedBox, SurveyedImage
from webapp.datasets.health_models import PhotoFacts
from webapp.datasets.models import Image
from webapp.labeling.models import Annotation
from webapp.projects.models import Project

CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass
class ProjectSurvey:
    """A survey, and which image stands behind each of its names."""

    survey: Survey
    id_of: dict[str, int] = field(default_factory=dict)


def state_key(project: Project) -> str:
    """Changes with every edit, image, split, group, state and label of the working set."""
    images = Image.objects.kept().filter(project=project).order_by("pk")
    digest = hashlib.sha256()
    rows = images.values_list("pk", "revision", "split", "group", "state", "box_count")
    digest.update("".join(map(repr, rows)).encode())
    labels = project.labels.order_by("pk").values_list("pk", "name", "retired_at", "class_id")
    digest.update(repr(list(labels)).encode())
    return digest.hexdigest()


def survey_project(project: Project) -> ProjectSurvey:
    """All kept images with their active boxes. Names that stand twice get a number."""
    boxes = _boxes(project)
    imported_alone = _imported_alone(project)
    facts = {
        row["image_id"]: row
        for row in PhotoFacts.objects.filter(
            image__project=project, image__trashed_at=None
        ).values()
    }
    rows = Image.objects.kept().filter(project=project).order_by("name", "pk")
    images: list[SurveyedImage] = []
    found = ProjectSurvey(Survey(()))
    seen: Counter[str] = Counter()
    fields = ("pk", "name", "sha256", "format", "width", "height", "split", "group", "state")
    for row in rows.values(*fields):
        seen[row["name"]] += 1
        count = seen[row["name"]]
        name = row["name"] if count == 1 else f"{row['name']} ({count})"
        while name in found.id_of:
            name += "'"
        found.id_of[name] = row["pk"]
        # Whose boxes a person drew here saw the picture upright: nothing is left to ask.
        size = None if row["pk"] in imported_alone else (float(row["width"]), float(row["height"]))
        images.append(
            SurveyedImage(
                name=name,
                picture=_picture(row, facts.get(row["pk"])),
                refused=(facts.get(row["pk"]) or {}).get("refused", ""),
                declared=size,
                boxes=tuple(boxes.get(row["pk"], ())),
                split=row["split"],
                group=row["group"],
                state=row["state"],
            )
        )
    found.survey = Survey(tuple(images), labels=_labels(project), format="project")
    return found


def _picture(row: dict[str, Any], facts: dict[str, Any] | None) -> PictureFacts:
    facts = facts or {}
    return PictureFacts(
        row["width"],
        row["height"],
        facts.get("orientation", 1),
        facts.get("mode", "RGB"),
        row["format"],
        facts.get("num_frames", 1),
        row["sha256"],
        facts.get("perceptual_hash", ""),
    )


def _boxes(project: Project) -> dict[int, list[SurveyedBox]]:
    """By image, numbered in the order in which the editor lists them."""
    rows = (
        Annotation.objects.filter(
            image__project=project, image__trashed_at=None, status=Annotation.Status.ACTIVE
        )
        .order_by("image_id", "created_at", "id")
        .values_list("image_id", "id", "label__name", *CORNERS, "crowd")
    )
    boxes: dict[int, list[SurveyedBox]] = {}
    numbers: Counter[int] = Counter()
    for image_id, key, label, xmin, ymin, xmax, ymax, crowd in rows.iterator(chunk_size=5000):
        numbers[image_id] += 1
        mine = boxes.setdefault(image_id, [])
        # A crowd's box is around many things at once: it may be large, and is not trained.
        if not crowd:
            corners = (xmin, ymin, xmax, ymax)
            mine.append(SurveyedBox(numbers[image_id], label, corners, key=str(key)))
    return boxes


def _imported_alone(project: Project) -> set[int]:
    """Images all of whose boxes came from files and were never looked at since."""
    active = Annotation.objects.filter(
        image__project=project, image__trashed_at=None, status=Annotation.Status.ACTIVE
    )
    imported = active.filter(source=Annotation.Source.IMPORT).values_list("image_id", flat=True)
    drawn = active.exclude(source=Annotation.Source.IMPORT).values_list("image_id", flat=True)
    return set(imported.distinct()) - set(drawn.distinct())


def _labels(project: Project) -> tuple[ListedLabel, ...]:
    rows = project.labels.filter(retired_at=None).order_by("class_id")
    return tuple(
        ListedLabel("the label map", class_id, name)
        for class_id, name in rows.values_list("class_id", "name")
    )
