"""Two models of a project beside each other."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from webapp.datasets.grid import whole_number
from webapp.projects.access import project_view
from webapp.projects.models import Project
from webapp.training.model_comparison import compare_models
from webapp.training.views.model import model_of


@require_GET
@project_view()
def compare(request: HttpRequest, project: Project, model_id: int) -> HttpResponse:
    """The model beside ?with= another one; without it, beside the one that was made before it."""
    one = model_of(project, model_id)
    others = list(project.models.exclude(pk=one.pk))
    asked = whole_number(request.GET.get("with"))
    if asked is None:
        earlier = next((model for model in others if model.number < one.number), None)
        chosen = earlier or (others[0] if others else None)
        if chosen is None:
            return redirect("training:model", project.pk, one.pk)
        return redirect(
            f"{reverse('training:compare', args=[project.pk, one.pk])}?with={chosen.pk}"
        )
    other = model_of(project, asked)
    context = {"room": "models", "comparison": compare_models(one, other), "others": others}
    return render(request, "training/compare.html", context)
