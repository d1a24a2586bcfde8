"""Export: choose a format, then download the images and boxes as a zip that is made on the way."""

from typing import Any

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods

from detection.formats.registry import FORMATS
from webapp.datasets.exporting import export_images, export_revision, labelled, stream
from webapp.datasets.grid import ImageFilter, newest_id, whole_number
from webapp.datasets.models import DatasetRevision, ImageQuerySet
from webapp.datasets.selection import MAX_IDS
from webapp.datasets.views.dataset import in_one_thread
from webapp.projects.access import project_view
from webapp.projects.models import Project

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
# How a selection of the images page travels.
_SELECTION = ("ids", "all", "but", "upto")


class BadExport(Exception):
    """The request does not say what to export; the sentence says what is missing."""


@require_http_methods(["GET", "POST"])
@project_view()
def export(request: HttpRequest, project: Project) -> HttpResponse:
    """The page. GET is about all images or `?revision=N`; POST about a selection."""
    try:
        revision, images, selection = _chosen(request, project)
    except BadExport as error:
        return HttpResponseBadRequest(str(error))
    count = revision.num_images if revision else (labelled(images).count() if images else 0)
    every = count if revision else images.count() if images is not None else 0
    context = {
        "room": "dataset",
        "formats": [(FORMATS[key], about) for key, about in ABOUT.items()
                    if not (revision and key == "boxloop")],
        "revision": revision,
        "revisions": project.revisions.all()[:50],
        "selection": selection,
        "selected": any(name in selection for name in ("ids", "all")),
        "count": count,
        "every": every,
        "unlabelled": every - count,
    }  # fmt: skip
    return render(request, "datasets/export.html", context)


@require_http_methods(["POST"])
@project_view()
def export_download(request: HttpRequest, project: Project) -> HttpResponseBase:
    """The zip. `format`, `pictures` (1 or nothing), `revision` or a selection, else all."""
    key = request.POST.get("format", "")
    if key not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        return HttpResponseBadRequest(f"{key[:40]!r} is not a format; there is {known}.")
    pictures = "copy" if request.POST.get("pictures") == "1" else "none"
    if FORMATS[key].with_pictures_only:
        pictures = "copy"
    try:
        revision, images, _ = _chosen(request, project)
    except BadExport as error:
        return HttpResponseBadRequest(str(error))
    if revision is not None and key == "boxloop":
        return HttpResponseBadRequest("A bundle holds a project as it stands, not a revision.")
    if revision is not None:
        made = export_revision(revision, key, pictures)  # type: ignore[arg-type]
    else:
        assert images is not None
        made = export_images(project, images, key, pictures)  # type: ignore[arg-type]
    response = StreamingHttpResponse(in_one_thread(stream(made)), content_type="application/zip")
    response["Content-Disposition"] = (
        content_disposition_header(True, made.file_name) or "attachment"
    )
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _chosen(
    request: HttpRequest, project: Project
) -> tuple[DatasetRevision | None, ImageQuerySet | None, dict[str, Any]]:
    """A revision or images, and the fields that say so again. Raises BadExport and Http404."""
    form = request.POST if request.method == "POST" else request.GET
    number = form.get("revision", "")
    if number:
        found = whole_number(number)
        if found is None:
            raise Http404("There is no such revision.")
        revision = get_object_or_404(project.revisions.select_related("project"), number=found)
        return revision, None, {"revision": number}
    kept: ImageQuerySet = project.images.kept()
    if form.get("all") == "1":
        chosen = ImageFilter.parse(form)
        upto = whole_number(form.get("upto")) or newest_id(project)
        images = chosen.choose(kept).filter(pk__lte=upto)
        if form.get("but"):
            images = images.exclude(pk__in=_ids(form["but"]))
        fields = {name: form[name] for name in _SELECTION if form.get(name)}
        return None, images, {**chosen.parameters(), **fields}
    if form.get("ids"):
        return None, kept.filter(pk__in=_ids(form["ids"])), {"ids": form["ids"]}
    return None, kept, {}


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
