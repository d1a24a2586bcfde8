"""Models: the list, each one's page, its name, and its downloads."""

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from webapp.projects.access import project_view
from webapp.projects.models import Project, Role
from webapp.streaming import stored_file
from webapp.training.bases import base_title
from webapp.training.bundle import (
    EVERYTHING,
    artefacts_of,
    file_stem,
    folder_entries,
    model_card,
)
from webapp.training.charts import on_scale, scale_ticks
from webapp.training.exporting import exports_context
from webapp.training.forms import RenameForm
from webapp.training.measures import measures_of
from webapp.training.models import TrainedModel
from webapp.zips import ZipEntry, zip_response


def model_of(project: Project, model_id: int) -> TrainedModel:
    models = TrainedModel.objects.select_related("project", "run", "run__revision")
    return get_object_or_404(models, project=project, pk=model_id)


@require_GET
@project_view()
def models(request: HttpRequest, project: Project) -> HttpResponse:
    rows = project.models.select_related("run", "run__revision")
    best = max((row.map_50_95 for row in rows if row.map_50_95 is not None), default=None)
    context = {
        "room": "models",
        "models": [
            (row, row.metrics.get("num_images"), row.metrics.get("num_boxes")) for row in rows
        ],
        "best": best,
        "runs_active": project.runs.filter(status__in=["queued", "running"]).exists(),
    }
    return render(request, "training/models.html", context)


@require_GET
@project_view()
def model(request: HttpRequest, project: Project, model_id: int) -> HttpResponse:
    row = model_of(project, model_id)
    measures = measures_of(row)
    context = {
        "room": "models",
        "model": row,
        "base_title": base_title(row.base),
        "run": row.run,
        "has_others": project.models.exclude(pk=row.pk).exists(),
        "revision": row.run.revision,
        "measures": measures,
        "scale": scale_ticks(),
        "score_x": on_scale(measures.map_50 or 0),
        "interval_line": [on_scale(end) for end in measures.interval or ()],
        **exports_context(row),
        "everything": EVERYTHING,
        "stem": file_stem(row),
    }
    return render(request, "training/model.html", context)


@require_POST
@project_view(Role.ANNOTATOR)
def rename(request: HttpRequest, project: Project, model_id: int) -> HttpResponse:
    row = model_of(project, model_id)
    form = RenameForm(request.POST)
    if form.is_valid():
        row.name = form.cleaned_data["name"]
        row.save(update_fields=["name"])
        return redirect("training:model", project.pk, row.pk)
    words = "A model's name has at most 100 characters. Choose a shorter one."
    return render(request, "error.html", {"title": "Not renamed", "words": words}, status=422)


@require_GET
@project_view()
def download(
    request: HttpRequest, project: Project, model_id: int, artefact: str
) -> HttpResponseBase:
    """One artefact: a file as it is, a folder as a zip; or everything in one zip."""
    row = model_of(project, model_id)
    stem = file_stem(row)
    if artefact == EVERYTHING:
        card = ZipEntry(f"{stem}/about.json", content=model_card(row))
        return zip_response([*folder_entries(row), card], f"{stem}.zip")
    wanted = next((one for one in artefacts_of(row) if one.name == artefact), None)
    if wanted is None:
        raise Http404("The model has no such artefact.")
    if wanted.is_folder:
        entries = list(folder_entries(row, wanted.path))
        if not entries:
            raise Http404("The folder is not in the storage.")
        return zip_response(entries, f"{stem}-{wanted.path.replace('/', '-')}.zip")
    name = wanted.path.rsplit("/", 1)[-1]
    # model_int8.tflite becomes boxloop-model-3-int8.tflite.
    short = name.removeprefix("model").lstrip("_.")
    joined = f"{stem}.{short}" if name.startswith("model.") else f"{stem}-{short}"
    return stored_file(
        request,
        f"{row.storage_prefix}/{wanted.path}",
        "application/octet-stream",
        download_as=joined,
    )
