"""Revisions beside each other: compare, rename, restore."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from webapp.datasets.comparing import Comparison, ImageChange, compare
from webapp.datasets.freezing import read_manifest, working_manifest
from webapp.datasets.grid import whole_number
from webapp.datasets.models import DatasetRevision
from webapp.datasets.pictures import DrawnImage, drawn_images, outlines
from webapp.datasets.restoring import restore_revision
from webapp.datasets.views.dataset import get_revision
from webapp.datasets.views.works import start_work
from webapp.datasets.works import freeze_first, is_large, restored_words
from webapp.projects.access import project_view
from webapp.projects.models import Project

A_PAGE = 24
KINDS = ("added", "removed", "changed")


@require_GET
@project_view()
def compare_revisions(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """What changed from revision `number` to `?with=` another (or "now", the working set)."""
    old = get_revision(project, number)
    asked = request.GET.get("with", "now")
    new = None if asked == "now" else get_revision(project, _number(asked))
    found = compare(read_manifest(old), read_manifest(new) if new else working_manifest(project))
    kind = request.GET.get("show", "")
    shown = [c for c in found.images if not kind or c.kind == kind]
    page = Paginator(shown, A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "room": "dataset",
        "old": old,
        "new": new,
        "asked": asked,
        "revisions": project.revisions.all(),
        "comparison": found,
        "kind": kind,
        "tabs": [{"kind": k, "count": found.count(k)} for k in KINDS],
        "boxes": _box_counts(found),
        "page": page,
        "rows": _rows(project, list(page)),
    }
    return render(request, "datasets/compare.html", context)


def _number(asked: str) -> int:
    number = whole_number(asked)
    if number is None:
        raise Http404("There is no such revision.")
    return number


def _box_counts(found: Comparison) -> list[dict[str, Any]]:
    words = ("added", "removed", "moved", "relabelled", "flagged")
    return [{"kind": w, "count": found.count_boxes(w)} for w in words if found.count_boxes(w)]


def _rows(project: Project, changes: list[ImageChange]) -> list[dict[str, Any]]:
    hashes = [change.entry["sha256"] for change in changes]
    ids = dict(project.images.filter(sha256__in=hashes).values_list("sha256", "pk"))
    images = drawn_images(project, ids.values())
    rows = []
    for change in changes:
        image = images.get(ids.get(change.entry["sha256"], 0))
        rows.append({"change": change, "image": _drawn(change, image) if image else None})
    return rows


def _drawn(change: ImageChange, image: DrawnImage) -> DrawnImage:
    """Boxes that are gone or stood elsewhere, those that are new, and the others, as outlines."""
    boxes = [box["box"] for box in change.entry["boxes"]]
    if change.kind == "added":
        return replace(image, made=outlines(boxes))
    if change.kind == "removed":
        return replace(image, gone=outlines(boxes))
    gone = [box.box for box in change.boxes if box.kind == "removed"]
    gone += [box.box_before for box in change.boxes if box.kind == "moved" and box.box_before]
    made = [box.box for box in change.boxes if box.kind != "removed"]
    kept = [box for box in boxes if box not in made]
    return replace(image, kept=outlines(kept), gone=outlines(gone), made=outlines(made))


@require_POST
@project_view("annotator")
def rename_revision(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """Give the revision another name; what it holds cannot change."""
    name = " ".join(request.POST.get("name", "").split())[:100]
    DatasetRevision.objects.filter(pk=get_revision(project, number).pk).update(name=name)
    messages.success(request, f"r{number} is called {name}." if name else f"r{number} has no name.")
    return redirect("datasets:revision", project.pk, number)


@require_POST
@project_view("annotator")
def restore(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """Bring the revision back into the working set, which is frozen first."""
    revision = get_revision(project, number)
    others = request.POST.get("others") == "trash"
    if is_large(project):
        arguments = {"number": number, "others": others}
        return start_work(request, project, "restore", arguments, f"Restoring {revision}")
    kept = freeze_first(project, request.user, revision)
    outcome = restore_revision(project, revision, request.user, trash_others=others)
    said = restored_words(revision, outcome, str(kept) if kept else "")
    (messages.success if outcome.images else messages.info)(request, said["done"])
    if said["left"]:
        messages.warning(request, " ".join(said["left"]))
    return redirect("datasets:dataset", project.pk)
