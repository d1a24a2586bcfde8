"""What an upload holds, before anything of it is taken: classes, splits, what would be left out."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from webapp.datasets.import_plans import ImportPlan, class_choices
from webapp.datasets.models import Split
from webapp.projects.access import project_view
from webapp.projects.models import Project
from workers import tasks
from workers.wake import wake


@require_http_methods(["GET", "POST"])
@project_view("annotator")
def import_preview(request: HttpRequest, project: Project, import_id: int) -> HttpResponse:
    """GET shows what was found; POST takes it in, as chosen, and goes to the report."""
    row = get_object_or_404(project.imports.select_related("created_by"), pk=import_id)
    report = redirect("datasets:import_report", project.pk, row.pk)
    if not row.needs_answer:
        return report
    if request.method == "POST":
        plan = ImportPlan.from_form(row, request.POST)
        if row.answer(plan.as_json()):
            row.refresh_from_db()
            wake(tasks.import_images, row)
        return report
    found: dict[str, Any] = row.preview or {}
    choices = class_choices(row)
    context = {
        "room": "images",
        "row": row,
        "found": found,
        "choices": choices,
        "new": sum(choice.chosen.startswith("name:") and not choice.known for choice in choices),
        "more_labels": found.get("num_labels", 0) - len(choices),
        "splits": [(split, found["splits"][split]) for split in Split.values
                   if found["splits"].get(split)],
        "unlabelled": max(0, found["images"] - found["labelled"]),
        "more_problems": found["num_problems"] - len(found["problems"]),
    }  # fmt: skip
    return render(request, "datasets/import_preview.html", context)
