"""The dataset page: what there is, whether it will train, and frozen revisions of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_POST, require_safe

from detection.checks.finding import SEVERITIES
from detection.label_map import write_label_map
from webapp.datasets import records as tfrecords
from webapp.datasets.forms import FreezeForm
from webapp.datasets.freezing import NotTrainable, freeze, read_manifest, training_findings
from webapp.datasets.health import latest_answer
from webapp.datasets.health_survey import state_key
from webapp.datasets.models import DatasetRevision, Split
from webapp.datasets.statistics import INPUT_SIZE, dataset_statistics, revision_rows
from webapp.datasets.views.works import latest_work
from webapp.projects.access import project_view
from webapp.projects.models import Project
from webapp.streaming import stored_file

MOST_CHECKED = 5
# Of the checks that found nothing, those that are worth a line.
IN_ORDER = ("unreadable", "tiny", "duplicate-boxes", "label-variants", "near-duplicates", "splits")


@require_GET
@project_view()
def dataset(request: HttpRequest, project: Project) -> HttpResponse:
    return dataset_page(request, project, FreezeForm())


def dataset_page(
    request: HttpRequest, project: Project, form: FreezeForm, status: int = 200
) -> HttpResponse:
    findings = training_findings(project)
    statistics = dataset_statistics(project)
    undecided = project.images.filter(trashed_at=None, state="done", split="").count()
    context = {
        "room": "dataset",
        "statistics": statistics,
        "input_size": INPUT_SIZE,
        "findings": findings,
        "stops": sum(finding.severity == "stop" for finding in findings),
        "warnings": sum(finding.severity == "warn" for finding in findings),
        "revisions": revision_rows(project),
        "form": form,
        "undecided": undecided,
        **_health(project),
        "work": latest_work(project),
    }
    return render(request, "datasets/dataset.html", context, status=status)


def _health(project: Project) -> dict[str, Any]:
    """The last health check in short: its gravest findings, and some of what is in order."""
    found = latest_answer(project)
    if found is None:
        return {"health": None}
    # Labels with few boxes are among `training_findings`, which are always of this moment.
    results = [result for result in found.results if result["key"] != "few-boxes"]
    found_some = sorted(
        (r for r in results if r["count"]), key=lambda r: SEVERITIES.index(r["severity"])
    )
    near = next((r for r in results if r["key"] == "near-duplicates"), None)
    in_order = [r["title"] for r in results if not r["count"] and r["key"] in IN_ORDER]
    return {
        "health": found,
        "outdated": found.state_key != state_key(project),
        "num_checks": len(found.results),
        "checked": found_some[:MOST_CHECKED],
        "to_fix": sum(r["count"] > 0 and r["severity"] != "info" for r in found.results),
        "passed": in_order[: max(0, MOST_CHECKED + 1 - len(found_some))],
        "near_duplicates": near["count"] if near else 0,
    }


@require_POST
@project_view("annotator")
def freeze_revision(request: HttpRequest, project: Project) -> HttpResponse:
    form = FreezeForm(request.POST)
    if not form.is_valid():
        return dataset_page(request, project, form, status=400)
    asked = form.cleaned_data
    try:
        revision = freeze(
            project,
            request.user,
            fractions=form.fractions(),
            seed=asked["seed"] or 0,
            name=asked["name"],
        )
    except NotTrainable as error:
        form.add_error(None, str(error))
        return dataset_page(request, project, form, status=400)
    messages.success(
        request, f"{revision} is frozen: {revision.num_images} images, {revision.num_boxes} boxes."
    )
    return redirect("datasets:revision", project.pk, revision.number)


def get_revision(project: Project, number: int) -> DatasetRevision:
    return get_object_or_404(project.revisions.select_related("created_by"), number=number)


@require_GET
@project_view()
def revision(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    row = get_revision(project, number)
    colors = dict(project.labels.values_list("class_id", "color"))
    splits = row.counts.get("splits", {})
    labels: list[dict[str, Any]] = [
        {
            **label,
            "color": colors.get(label["id"], ""),
            "counts": [label.get(split, 0) for split in Split.values],
            "total": sum(label.get(split, 0) for split in Split.values),
        }
        for label in row.counts.get("labels", [])
    ]
    context = {
        "room": "dataset",
        "revision": row,
        "splits": [
            {"name": split, **splits.get(split, {"images": 0, "boxes": 0})}
            for split in Split.values
        ],
        "labels": sorted(labels, key=lambda label: -label["total"]),
        "most": max((label["total"] for label in labels), default=0) or 1,
        "runs": row.runs.select_related("model").order_by("-number"),
    }
    return render(request, "datasets/revision.html", context)


@require_safe
@project_view()
def manifest(request: HttpRequest, project: Project, number: int) -> HttpResponseBase:
    row = get_revision(project, number)
    return stored_file(
        request,
        row.manifest_path,
        "application/json",
        etag=row.sha256,
        download_as=f"{file_stem(row)}.json",
    )


@require_GET
@project_view()
def label_map(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """The label map as it was frozen, as label_map.pbtxt."""
    frozen = tfrecords.manifest_label_map(read_manifest(get_revision(project, number)))
    response = HttpResponse(write_label_map(frozen), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="label_map.pbtxt"'
    return response


@require_GET
@project_view()
def records(request: HttpRequest, project: Project, number: int) -> HttpResponseBase:
    """The revision's TFRecords and label map as one zip, written while it is sent."""
    row = get_revision(project, number)
    pieces = tfrecords.stream_records(row)
    response = StreamingHttpResponse(in_one_thread(pieces), content_type="application/zip")
    header = content_disposition_header(True, f"{file_stem(row)}-tfrecords.zip")
    if header:
        response["Content-Disposition"] = header
    response["Cache-Control"] = "private, no-store"
    return response


def file_stem(row: DatasetRevision) -> str:
    """ "Blood cells r3": the user's words, for a name to save under."""
    name = "".join(c for c in row.project.name if c.isprintable() and c not in '/\\:*?"<>|')
    return f"{name.strip()[:80] or 'dataset'} {row}"


async def in_one_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """`pieces`, each made in a thread of their own.

    Django would otherwise collect a plain iterator whole before it sends the first byte; and
    what the iterator opens (database connections) must stay in the thread that opened it.
    """
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="records") as pool:
        try:
            while (piece := await loop.run_in_executor(pool, next, pieces, None)) is not None:
                yield piece
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                await loop.run_in_executor(pool, close)
