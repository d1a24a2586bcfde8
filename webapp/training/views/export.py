"""A model's exports: made when asked for, followed and cancelled from the model's page."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from detection.exports.formats import FORMATS, ExportFormat
from webapp.projects.access import project_view
from webapp.projects.models import Project, Role
from webapp.training.exporting import ACTIVE, ask_for, exports_context, offers_of
from webapp.training.models import TrainedModel
from webapp.training.views.model import model_of


@require_GET
@project_view()
def exports(request: HttpRequest, project: Project, model_id: int) -> HttpResponse:
    """The part of the page that changes while exports are made."""
    return _shown(request, project, model_of(project, model_id))


@require_POST
@project_view(Role.ANNOTATOR)
def ask(request: HttpRequest, project: Project, model_id: int, form: str) -> HttpResponse:
    row = model_of(project, model_id)
    wanted = _form_named(form)
    offers = {offer.form.name: offer for offer in offers_of(row)}
    # A page that was open for long may ask for what is there by now.
    if wanted.name in offers and offers[wanted.name].is_possible:
        ask_for(row, wanted, request.user)
    return _shown(request, project, row)


@require_POST
@project_view(Role.ANNOTATOR)
def cancel(request: HttpRequest, project: Project, model_id: int, form: str) -> HttpResponse:
    row = model_of(project, model_id)
    for export in row.exports.filter(form=_form_named(form).name, status__in=ACTIVE):
        export.request_cancel()
    return _shown(request, project, row)


def _form_named(name: str) -> ExportFormat:
    if name not in FORMATS:
        raise Http404("There is no such form of export.")
    return FORMATS[name]


def _shown(request: HttpRequest, project: Project, model: TrainedModel) -> HttpResponse:
    if not request.htmx:
        return redirect("training:model", project.pk, model.pk)
    return render(request, "training/_exports.html", exports_context(model))
