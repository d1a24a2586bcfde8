"""The splits: what lies in each, and dealing images to them."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from webapp.datasets.dealing import deal, split_table
from webapp.datasets.forms import FreezeForm
from webapp.datasets.health_fixes import in_words
from webapp.datasets.health_models import PhotoFacts
from webapp.datasets.views.works import latest_work, start_work
from webapp.datasets.works import is_large
from webapp.projects.access import get_project, project_view
from webapp.projects.models import Project


class DealForm(FreezeForm):
    """Per cents for val and test, a seed, and whether splits that are there stay."""

    anew = forms.BooleanField(required=False)


@require_http_methods(["GET", "POST"])
@project_view()
def splits(request: HttpRequest, project: Project) -> HttpResponse:
    form = DealForm(request.POST or None)
    if request.method == "POST":
        get_project(request, project.pk, "annotator")
        if form.is_valid():
            return _deal(request, project, form)
    kept = project.images.kept()
    table = split_table(project)
    context = {
        "room": "dataset",
        "form": form if form.is_bound else DealForm(),
        "table": table,
        "images": table[0],
        "undecided": kept.filter(split="").count(),
        "num_groups": kept.exclude(group="").values("group").distinct().count(),
        "num_unknown": kept.count()
        - PhotoFacts.objects.filter(image__project=project, image__trashed_at=None).count(),
        "work": latest_work(project),
        "changes": project.dataset_changes.filter(words__startswith="Dealt")[:3],
    }
    return render(request, "datasets/splits.html", context, status=400 if form.errors else 200)


def _deal(request: HttpRequest, project: Project, form: DealForm) -> HttpResponse:
    if is_large(project):
        arguments = {
            "fractions": form.fractions(),
            "seed": form.cleaned_data["seed"] or 0,
            "keep": not form.cleaned_data["anew"],
        }
        return start_work(request, project, "deal", arguments, "Dealing images to splits")
    outcome = deal(
        project,
        request.user,
        form.fractions(),
        form.cleaned_data["seed"] or 0,
        keep=not form.cleaned_data["anew"],
    )
    if outcome.images:
        messages.success(request, f"{in_words(outcome)} got a split. Undo below, if need be.")
    else:
        messages.info(request, "Every image has the split that this would give it.")
    return redirect("datasets:splits", project.pk)
