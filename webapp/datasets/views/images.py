"""The images page: a grid of all photos with their boxes, filters, and work on many at once."""

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.dateparse import parse_datetime
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from webapp.datasets import selection
from webapp.datasets.grid import (
    CHUNK,
    COLUMNS,
    DEFAULT_COLUMNS,
    SORTS,
    UNASSIGNED,
    ImageFilter,
    cells_of,
    chunks_of,
    newest_id,
    project_counts,
    whole_number,
)
from webapp.datasets.models import Image, ImageQuerySet, Split
from webapp.datasets.uploads import plural
from webapp.datasets.views.imports import upload_config
from webapp.labeling.review import CHOICES as REVIEWS
from webapp.labeling.review import may_review, waiting_in, works_alone
from webapp.projects.access import project_view
from webapp.projects.models import Project


@require_GET
@ensure_csrf_cookie
@vary_on_headers("HX-Request")
@project_view()
def images(request: HttpRequest, project: Project) -> HttpResponse:
    """The page; `?chunk=N` answers with one part of the grid, htmx with grid and filters."""
    chosen = ImageFilter.parse(request.GET)
    kept = project.images.kept()
    if "chunk" in request.GET:
        return _chunk(request, project, chosen.choose(kept))
    counts = project_counts(project)
    found = chosen.choose(kept)
    count = found.count()
    newest = newest_id(project)
    labels = list(project.active_labels())
    columns = _columns(request)
    context: dict[str, Any] = {
        "room": "images",
        "filter": chosen,
        "counts": counts,
        "count": count,
        "newest": newest,
        "chunks": chunks_of(chosen, count, newest),
        "cells": cells_of(project, found[:CHUNK]),
        "menus": _menus(chosen, labels),
        "splits": Split.values,
        "columns": columns,
        "size_index": COLUMNS.index(columns),
        "column_choices": COLUMNS,
        "toggle_suggestions": chosen.query(suggestions=not chosen.suggestions),
        "toggle_no_boxes": chosen.query(no_boxes=not chosen.no_boxes),
        "clear_import": chosen.query(image_import=None),
        "upload_config": upload_config(request, project),
    }
    if may_review(request.membership) and not works_alone(project):  # type: ignore[attr-defined]
        context["waiting"] = waiting_in(project).count()
    if chosen.image_import:
        context["from_import"] = project.imports.filter(pk=chosen.image_import).first()
    partial = request.htmx and not request.htmx.boosted
    return render(request, "datasets/_browse.html" if partial else "datasets/images.html", context)


def _chunk(request: HttpRequest, project: Project, found: ImageQuerySet) -> HttpResponse:
    upto = whole_number(request.GET.get("upto"))
    number = request.GET.get("chunk", "")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise Http404("There is no such part of the grid.")
    if upto:
        found = found.filter(pk__lte=upto)
    start = int(number) * CHUNK
    cells = cells_of(project, found[start : start + CHUNK])
    return render(request, "datasets/_cells.html", {"cells": cells})


def _columns(request: HttpRequest) -> int:
    """How many thumbnails stand in a row: the reader's last choice."""
    asked = whole_number(request.COOKIES.get("thumbnail_columns"))
    return asked if asked in COLUMNS else DEFAULT_COLUMNS


def _menus(chosen: ImageFilter, labels: list[Any]) -> list[dict[str, Any]]:
    """The filters that choose one of several, each item as the address that it leads to."""
    splits = [(value, value) for value in Split.values] + [(UNASSIGNED, "in no split")]
    menus = [
        ("Split", "split", splits),
        ("State", "state", [(value, name) for value, name in Image.State.choices]),
        ("Review", "review", [(value, name) for value, (name, _) in REVIEWS.items()]),
        ("Label", "label", [(label.pk, str(label)) for label in labels]),
    ]
    colors = {label.pk: label.color for label in labels}
    return [
        {
            "name": name,
            "field": field,
            "value": next((word for value, word in items if value == getattr(chosen, field)), ""),
            "clear": chosen.query(**{field: None if field == "label" else ""}),
            "items": [
                {
                    "word": word,
                    "query": chosen.query(**{field: value}),
                    "on": value == getattr(chosen, field),
                    "color": colors.get(value, "") if field == "label" else "",
                }
                for value, word in items
            ],
        }
        for name, field, items in menus
        if items
    ] + [
        {
            "name": SORTS[chosen.sort][0],
            "field": "sort",
            "items": [
                {"word": word, "query": chosen.query(sort=key), "on": key == chosen.sort}
                for key, (word, _) in SORTS.items()
            ],
        }
    ]


class BadSelection(Exception):
    """The request does not say which images or what to do with them."""


@require_POST
@project_view("annotator")
def bulk(request: HttpRequest, project: Project) -> JsonResponse:
    """Do one thing to many images: `ids` (1,2,3), or `all=1` with the page's filter and `upto`."""
    try:
        if request.POST.get("action") == "restore":
            return JsonResponse(_restore(request, project))
        return JsonResponse(_act(request, project, _selected(request, project)))
    except BadSelection as error:
        return JsonResponse({"error": str(error)}, status=400)


def _selected(request: HttpRequest, project: Project) -> ImageQuerySet:
    kept: ImageQuerySet = project.images.kept()
    if request.POST.get("all") == "1":
        upto = whole_number(request.POST.get("upto")) or newest_id(project)
        found = ImageFilter.parse(request.POST).choose(kept).filter(pk__lte=upto)
        but = request.POST.get("but", "")
        return found.exclude(pk__in=_ids(but)) if but else found
    return kept.filter(pk__in=_ids(request.POST.get("ids", "")))


def _ids(text: str) -> list[int | None]:
    ids = [whole_number(part) for part in text.split(",")]
    if None in ids:
        raise BadSelection("No image is selected. Tick the images first.")
    if len(ids) > selection.MAX_IDS:
        raise BadSelection(
            f"{len(ids):,} images are ticked one by one; at most {selection.MAX_IDS:,} go at once. "
            "Use “Select all”."
        )
    return ids


def _act(request: HttpRequest, project: Project, images: ImageQuerySet) -> dict[str, Any]:
    action, value = request.POST.get("action", ""), request.POST.get("value", "").strip()
    if action == "state" and value in Image.State.values:
        count = selection.set_state(images, value, request.user)
        words = f"{plural(count, 'image')} marked {Image.State(value).label.lower()}."
    elif action == "split" and value in {*Split.values, ""}:
        count = selection.set_split(images, value)
        where = f"moved to {value}" if value else "taken out of their split"
        words = f"{plural(count, 'image')} {where}."
    elif action == "group" and len(value) <= 200:
        count = selection.set_group(images, value)
        where = f"put into the group “{value}”" if value else "taken out of their group"
        words = f"{plural(count, 'image')} {where}."
    elif action == "accept":
        boxes, count = selection.accept(images, request.user)
        words = f"{plural(boxes, 'suggestion')} accepted in {plural(count, 'image')}."
    elif action == "trash":
        count, moment = selection.move_to_trash(images)
        words = f"{plural(count, 'image')} moved to the trash."
        return {"count": count, "words": words, "undo": moment.isoformat()}
    else:
        raise BadSelection(f"“{action}” with “{value[:40]}” cannot be done to images.")
    return {"count": count, "words": words}


def _restore(request: HttpRequest, project: Project) -> dict[str, Any]:
    try:
        moment: datetime | None = parse_datetime(request.POST.get("value", ""))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadSelection("Restoring needs the time at which the images were trashed.")
    count = selection.restore(project, moment)
    return {"count": count, "words": f"{plural(count, 'image')} restored."}
