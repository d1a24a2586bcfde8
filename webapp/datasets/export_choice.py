"""Which images an export takes: a revision, a selection of the images page, or all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import Http404

from detection.formats.registry import FORMATS
from webapp.datasets.exporting import BUNDLE, Export, export_images, export_revision
from webapp.datasets.grid import ImageFilter, newest_id, whole_number
from webapp.datasets.models import DatasetRevision, ImageQuerySet
from webapp.datasets.selection import MAX_IDS
from webapp.projects.models import Project

# How a selection of the images page travels.
_SELECTION = ("ids", "all", "but", "upto")


class BadExport(Exception):
    """The request does not say what to export; the sentence says what is missing."""


@dataclass(frozen=True)
class Choice:
    """A revision or images, and the `fields` that say so again."""

    revision: DatasetRevision | None
    images: ImageQuerySet | None
    fields: dict[str, Any]

    @property
    def is_selection(self) -> bool:
        return any(name in self.fields for name in ("ids", "all"))

    @property
    def words(self) -> str:
        if self.revision is not None:
            return f"{self.revision} {self.revision.name}".strip()
        return "Selected images" if self.is_selection else "As it stands"


def choose(project: Project, form: Mapping[str, Any]) -> Choice:
    """What the fields of a form choose. Raises BadExport and Http404."""
    number = form.get("revision", "")
    if number:
        found = whole_number(number)
        revision = project.revisions.filter(number=found).first() if found else None
        if revision is None:
            raise Http404("There is no such revision.")
        return Choice(revision, None, {"revision": number})
    kept: ImageQuerySet = project.images.kept()
    if form.get("all") == "1":
        chosen = ImageFilter.parse(form)
        upto = whole_number(form.get("upto")) or newest_id(project)
        images = chosen.choose(kept).filter(pk__lte=upto)
        if form.get("but"):
            images = images.exclude(pk__in=_ids(form["but"]))
        fields = {name: form[name] for name in _SELECTION if form.get(name)}
        return Choice(None, images, {**chosen.parameters(), **fields})
    if form.get("ids"):
        return Choice(None, kept.filter(pk__in=_ids(form["ids"])), {"ids": form["ids"]})
    return Choice(None, kept, {})


def make_export(project: Project, choice: Choice, format_key: str, pictures: bool) -> Export:
    """What to write. Raises BadExport."""
    if format_key not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise BadExport(f"{format_key[:40]!r} is not a format; there is {known}.")
    kind: Any = "copy" if pictures or FORMATS[format_key].with_pictures_only else "none"
    if choice.revision is not None:
        if format_key == BUNDLE:
            raise BadExport("A bundle holds a project as it stands, not a revision.")
        return export_revision(choice.revision, format_key, kind)
    assert choice.images is not None
    return export_images(project, choice.images, format_key, kind)


def _ids(text: str) -> list[int]:
    ids = [whole_number(part) for part in text.split(",")]
    good = [pk for pk in ids if pk is not None]
    if len(good) < len(ids):
        raise BadExport("The selection cannot be read. Tick the images again.")
    if len(good) > MAX_IDS:
        raise BadExport(
            f"{len(good):,} images are ticked one by one; at most {MAX_IDS:,} go at once. "
            "Use “Select all”."
        )
    return good
