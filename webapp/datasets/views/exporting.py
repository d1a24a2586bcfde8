"""Export: choose a format, then download a zip that is made on the way, or have it kept."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from detection.formats.registry import FORMATS
from webapp.datasets.export_choice import BadExport, choose, make_export
from webapp.datasets.exporting import Export, labelled, stream
from webapp.datasets.grid import newest_id
from webapp.datasets.kept_exports import KEEP_DAYS, drop
from webapp.datasets.views.dataset import in_one_thread
from webapp.leases import Status
from webapp.projects.access import project_view
from webapp.projects.models import Project
from webapp.streaming import stored_file
from workers import tasks
from workers.wake import wake

# In the order of the page, with what each is for.
ABOUT = {
    "voc": "One XML an image. Read by most tools.",
    "coco": "One JSON a split. Keeps ids and crowds.",
    "yolo": "A text file an image, and data.yaml.",
    "tfrecord": "For TensorFlow’s Object Detection API, in shards.",
    "csv": "One box a line, for spreadsheets and scripts.",
    "cvat": "CVAT for images 1.1.",
    "labelme": "One JSON beside each image.",
    "labelstudio": "Tasks for Label Studio’s local storage.",
    "boxloop": "Everything: ids, suggestions, states, history. To move a project.",
}


@require_http_methods(["GET", "POST"])
@project_view()
def export(request: HttpRequest, project: Project) -> HttpResponse:
    """The page. GET is about all images or `?revision=N`; POST about a selection."""
    try:
        chosen = choose(project, request.POST if request.method == "POST" else request.GET)
    except BadExport as error:
        return HttpResponseBadRequest(str(error))
    revision, images = chosen.revision, chosen.images
    count = revision.num_images if revision else (labelled(images).count() if images else 0)
    every = count if revision else images.count() if images is not None else 0
    context = {
        "room": "dataset",
        "formats": [(FORMATS[key], about) for key, about in ABOUT.items()
                    if not (revision and key == "boxloop")],
        "revision": revision,
        "revisions": project.revisions.all()[:50],
        "selection": chosen.fields,
        "selected": chosen.is_selection,
        "count": count,
        "every": every,
        "unlabelled": every - count,
        **_kept(project),
    }  # fmt: skip
    return render(request, "datasets/export.html", context)


@require_http_methods(["POST"])
@project_view()
def export_download(request: HttpRequest, project: Project) -> HttpResponseBase:
    """The zip. `format`, `pictures` (1 or nothing), `revision` or a selection, else all."""
    try:
        made = _asked(request, project)
    except BadExport as error:
        return HttpResponseBadRequest(str(error))
    response = StreamingHttpResponse(in_one_thread(stream(made)), content_type="application/zip")
    response["Content-Disposition"] = (
        content_disposition_header(True, made.file_name) or "attachment"
    )
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _asked(request: HttpRequest, project: Project) -> Export:
    chosen = choose(project, request.POST)
    pictures = request.POST.get("pictures") == "1"
    return make_export(project, chosen, request.POST.get("format", ""), pictures)


@require_POST
@project_view("annotator")
def export_keep(request: HttpRequest, project: Project) -> HttpResponse:
    """Have a worker write the export into the storage."""
    try:
        _asked(request, project)
        chosen = choose(project, request.POST)
    except BadExport as error:
        return HttpResponseBadRequest(str(error))
    row = project.dataset_exports.create(
        created_by=request.user,
        format=request.POST["format"],
        pictures=request.POST.get("pictures") == "1",
        # Images that come later are not in it.
        choice={"upto": str(newest_id(project)), **chosen.fields, "all": "1"}
        if not chosen.fields
        else chosen.fields,
        about=chosen.words[:200],
    )
    wake(tasks.export_dataset, row)
    return redirect("datasets:exports", project.pk)


@require_GET
@project_view()
def exports(request: HttpRequest, project: Project) -> HttpResponse:
    """Exports that are kept or under way; htmx asks for the list alone."""
    context = {"room": "dataset", **_kept(project)}
    partial = request.htmx and not request.htmx.boosted
    return render(request, f"datasets/{'_exports' if partial else 'exports'}.html", context)


@require_GET
@project_view()
def export_file(request: HttpRequest, project: Project, export_id: int) -> HttpResponseBase:
    row = get_object_or_404(project.dataset_exports, pk=export_id, status=Status.FINISHED)
    return stored_file(request, row.path, "application/zip", download_as=row.file_name)


@require_POST
@project_view("annotator")
def export_drop(request: HttpRequest, project: Project, export_id: int) -> HttpResponse:
    """Stop an export that is under way; delete one that is done."""
    drop(get_object_or_404(project.dataset_exports, pk=export_id))
    return redirect("datasets:exports", project.pk)


def _kept(project: Project) -> dict[str, Any]:
    rows = list(project.dataset_exports.select_related("created_by")[:50])
    return {
        "exports": [(row, FORMATS[row.format].title) for row in rows if row.format in FORMATS],
        "working": any(row.is_active for row in rows),
        "days": KEEP_DAYS,
    }
