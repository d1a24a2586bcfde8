"""The label map: add, rename, order, merge, retire; label_map.pbtxt in and out."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_POST

from detection.label_map import LabelMapError, parse_label_map, write_label_map
from webapp.labeling.bulk import merge_labels
from webapp.labeling.labels import boxes_by_label
from webapp.projects.access import project_view
from webapp.projects.forms import LabelForm, LabelMapFileForm, LabelNamesForm
from webapp.projects.label_import import LabelMapConflict, import_label_map
from webapp.projects.models import MAX_LABELS, PALETTE, Label, Project

HOTKEYS = "123456789"


def in_words(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {many}"


@require_GET
@project_view()
def label_map(request: HttpRequest, project: Project) -> HttpResponse:
    return label_map_page(request, project)


def label_map_page(
    request: HttpRequest, project: Project, *, status: int = 200, **context: Any
) -> HttpResponse:
    rows = list(project.labels.order_by("position", "class_id"))
    kept = boxes_by_label(project.images.kept())
    in_trash = boxes_by_label(project.images.exclude(trashed_at=None))
    suggestions = boxes_by_label(project.images.all(), "suggested")
    for label in rows:
        vars(label).update(
            boxes=kept.get(label.pk, 0) + in_trash.get(label.pk, 0),
            boxes_in_trash=in_trash.get(label.pk, 0),
            suggestions=suggestions.get(label.pk, 0),
        )
    defaults = {
        "room": "label_map",
        "labels": [label for label in rows if label.retired_at is None],
        "retired": [label for label in rows if label.retired_at is not None],
        "palette": list(enumerate(PALETTE, 1)),
        "hotkeys": HOTKEYS,
        "names_form": LabelNamesForm(),
        "file_form": LabelMapFileForm(),
        "conflicts": [],
    }
    return render(request, "projects/label_map.html", defaults | context, status=status)


@require_POST
@project_view("annotator")
def label_add(request: HttpRequest, project: Project) -> HttpResponse:
    form = LabelNamesForm(request.POST)
    if form.is_valid():
        before = project.labels.filter(retired_at=None).count()
        try:
            with transaction.atomic():
                for name in form.cleaned_data["names"]:
                    project.add_label(name)
        except ValidationError as error:
            form.add_error("names", error)
        else:
            added = project.labels.filter(retired_at=None).count() - before
            if added:
                messages.success(request, f"{in_words(added, 'label', 'labels')} added.")
            else:
                messages.info(request, "The label map had them all already.")
            return redirect("projects:label_map", project.pk)
    return label_map_page(request, project, status=422, names_form=form)


@require_POST
@project_view("annotator")
def label_edit(request: HttpRequest, project: Project, label_id: int) -> HttpResponse:
    """Change the fields that are sent; answers JSON. A hotkey that is taken changes hands."""
    label = get_object_or_404(project.labels, pk=label_id, retired_at=None)
    old_hotkey = label.hotkey
    form = LabelForm(request.POST, label)
    if not form.is_valid():
        errors = {name: " ".join(words) for name, words in form.errors.items()}
        return JsonResponse({"errors": errors}, status=422)
    with transaction.atomic():
        changed = form.save()
        swapped = None
        if changed.hotkey and changed.hotkey != old_hotkey:
            others = project.labels.filter(hotkey=changed.hotkey).exclude(pk=changed.pk)
            swapped = others.first()
            others.update(hotkey=old_hotkey)
    return JsonResponse(
        {
            "name": changed.name,
            "display_name": changed.display_name,
            "color": changed.color,
            "palette_index": changed.palette_index,
            "hotkey": changed.hotkey,
            "swapped": swapped and {"id": swapped.pk, "name": str(swapped), "hotkey": old_hotkey},
        }
    )


@require_POST
@project_view("annotator")
def label_merge(request: HttpRequest, project: Project, label_id: int) -> HttpResponse:
    label = get_object_or_404(project.labels, pk=label_id, retired_at=None)
    into = request.POST.get("into", "")
    target = None
    if into.isdecimal():
        others = project.active_labels().exclude(pk=label.pk)
        target = others.filter(pk=int(into)).first()
    if target is None:
        messages.error(request, f"Choose the label that {label} is to be merged into.")
    else:
        moved = merge_labels(label, target, request.user)
        messages.success(
            request,
            f"{label.name} is merged into {target.name}: {in_words(moved, 'box', 'boxes')} moved.",
        )
    return redirect("projects:label_map", project.pk)


@require_POST
@project_view("annotator")
def label_retire(request: HttpRequest, project: Project, label_id: int) -> HttpResponse:
    """Retire a label without boxes, or (with `back`) bring a retired one back."""
    label = get_object_or_404(project.labels, pk=label_id)
    if "back" in request.POST:
        if label.retired_at is not None:
            label.bring_back()
            messages.success(request, f"{label.name} is back, with its id {label.class_id}.")
    elif label.retired_at is None:
        try:
            label.retire()
        except ValidationError as error:
            messages.error(request, error.messages[0])
        else:
            messages.success(
                request, f"{label.name} is retired. Its id {label.class_id} stays taken."
            )
    return redirect("projects:label_map", project.pk)


@require_POST
@project_view("annotator")
def label_order(request: HttpRequest, project: Project) -> HttpResponse:
    """The order of all active labels: `ids`, comma-separated. 409 where the set has changed."""
    ids = [int(part) for part in request.POST.get("ids", "").split(",") if part.isdecimal()]
    with transaction.atomic():
        labels = {label.pk: label for label in project.active_labels().select_for_update()}
        if sorted(ids) != sorted(labels):
            words = "The labels have changed in the meantime. Load the page again."
            return JsonResponse({"message": words}, status=409)
        for position, pk in enumerate(ids, 1):
            labels[pk].position = position
        Label.objects.bulk_update(labels.values(), ["position"], batch_size=MAX_LABELS)
    return HttpResponse(status=204)


@require_POST
@project_view("annotator")
def label_import(request: HttpRequest, project: Project) -> HttpResponse:
    form = LabelMapFileForm(request.POST, request.FILES)
    if not form.is_valid():
        return label_map_page(request, project, status=422, file_form=form)
    file = form.cleaned_data["file"]
    try:
        result = import_label_map(project, parse_label_map(file.read(), file.name))
    except LabelMapError as error:
        conflicts = [str(error)]
    except LabelMapConflict as error:
        conflicts = error.conflicts
    except ValidationError as error:
        conflicts = error.messages
    else:
        messages.success(request, f"{file.name}: {result}")
        return redirect("projects:label_map", project.pk)
    return label_map_page(
        request, project, status=422, conflicts=conflicts, conflict_file=file.name
    )


@require_GET
@project_view()
def label_export(request: HttpRequest, project: Project) -> HttpResponse:
    text = write_label_map(project.label_map())
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, "label_map.pbtxt") or ""
    return response
