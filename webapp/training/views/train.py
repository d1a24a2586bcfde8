"""The page from which a run is started, the queue, and the earlier runs."""

import math
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from detection.training.input_size import choose_input_size
from webapp.bases.access import may_add
from webapp.datasets.freezing import NotTrainable, training_findings
from webapp.datasets.models import Image, Split
from webapp.labeling.labels import boxes_by_label
from webapp.labeling.models import Annotation
from webapp.leases import Status
from webapp.projects.access import project_view
from webapp.projects.models import Project, Role
from webapp.training.bases import offered_bases
from webapp.training.forecast import forecast_facts, forecast_seconds, with_revisions
from webapp.training.forms import INPUT_SIZES, NOW, TrainForm
from webapp.training.live import settings_of
from webapp.training.models import TrainingRun
from webapp.training.queue import wait_of
from webapp.training.starting import start_run

VAL_FRACTION = 0.2
# With fewer validation images than this a score is a rough one.
FEW_VAL = 10
# So many boxes tell the automatic input size well enough for a forecast.
BOXES_SEEN = 5000
RUNS_SHOWN = 50


@require_http_methods(["GET", "POST"])
@project_view()
def train(request: HttpRequest, project: Project) -> HttpResponse:
    """The form; a POST of it starts a run and goes to its page."""
    bases = offered_bases()
    names = [base.name for base in bases]
    if request.method != "POST":
        return _page(request, project, TrainForm(project, names), bases)
    if not request.membership.allows(Role.ANNOTATOR):  # type: ignore[attr-defined]
        raise PermissionDenied("Your role here is viewer; starting a run takes annotator.")
    return _start(request, project, TrainForm(project, names, request.POST), bases)


@require_POST
@project_view(Role.ANNOTATOR)
def again(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """Freeze what is done now, and train on it as the run did. Goes to the new run's page."""
    run = get_object_or_404(project.runs.select_related("revision"), pk=run_id)
    bases = offered_bases()
    data = {**settings_of(run), "revision": NOW}
    return _start(request, project, TrainForm(project, [base.name for base in bases], data), bases)


def _start(
    request: HttpRequest, project: Project, form: TrainForm, bases: list[Any]
) -> HttpResponse:
    refusal = ""
    if form.is_valid():
        try:
            run = start_run(project, request.user, **form.settings())
        except NotTrainable as error:
            refusal = str(error)
        else:
            return redirect("training:run", project.pk, run.pk)
    return _page(request, project, form, bases, refusal, status=422)


def _page(
    request: HttpRequest,
    project: Project,
    form: TrainForm,
    bases: list[Any],
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    data = working_set(project)
    revisions = [_choice(revision) for revision in project.revisions.all()[:RUNS_SHOWN]]
    wait = wait_of(None, project.pk)
    names = [base.name for base in bases]
    facts = forecast_facts(data["train"], data["val"], automatic_size(project), wait.seconds, names)
    findings = training_findings(project)
    queue = project.runs.filter(status__in=[Status.RUNNING, Status.QUEUED]).order_by("pk")
    context = {
        "room": "train",
        "form": form,
        "chosen": {name: form[name].value() for name in form.fields},
        "now": NOW,
        "bases": bases,
        "may_add": may_add(request),
        "input_sizes": INPUT_SIZES,
        "data": data,
        "few_val": data["images"] > 1 and data["val"] < FEW_VAL,
        "next_revision": (project.revisions.values_list("number", flat=True).first() or 0) + 1,
        "next_run": (project.runs.values_list("number", flat=True).first() or 0) + 1,
        "revisions": revisions,
        "findings": findings,
        "stopped": any(finding.severity == "stop" for finding in findings),
        "refusal": refusal,
        "wait": wait,
        "forecast": facts,
        "seconds": forecast_seconds(facts, facts["automatic_epochs"], facts["auto_size"])
        if data["train"]
        else None,
        "train_facts": with_revisions(facts, [one["train"] for one in revisions]),
        "queue": queue,
        "runs": [(run, _took(run)) for run in project.runs.select_related("revision")[:RUNS_SHOWN]],
    }
    return render(request, "training/train.html", context, status=status)


def working_set(project: Project) -> dict[str, int]:
    """What would be frozen now: images that are done, their boxes and labels, the split."""
    done = Image.objects.kept().filter(project=project, state=Image.State.DONE)
    counts = done.aggregate(
        images=Count("pk"),
        train=Count("pk", filter=Q(split=Split.TRAIN)),
        val=Count("pk", filter=Q(split=Split.VAL)),
        test=Count("pk", filter=Q(split=Split.TEST)),
    )
    drawn = Annotation.objects.filter(status=Annotation.Status.ACTIVE, label=OuterRef("pk"))
    labels = project.active_labels().filter(Exists(drawn)).count()
    unsplit = counts["images"] - counts["train"] - counts["val"] - counts["test"]
    val = _val_of(unsplit)
    if not counts["val"] and not unsplit:
        # Freezing draws val from train where only train and test came with the images.
        val = _val_of(counts["train"])
    return {
        **counts,
        "boxes": sum(boxes_by_label(done).values()),
        "labels": labels,
        "train": counts["train"] + unsplit - val,
        "val": counts["val"] + val,
        "unsplit": unsplit,
    }


def _val_of(images: int) -> int:
    """How many of so many images freezing takes for val: of two or more, at least one."""
    return max(round(images * VAL_FRACTION), 1) if images > 1 else 0


def automatic_size(project: Project) -> int:
    """The input size that the boxes of the images that are done ask for."""
    boxes = Annotation.objects.filter(
        image__project=project,
        image__trashed_at=None,
        image__state=Image.State.DONE,
        status=Annotation.Status.ACTIVE,
        difficult=False,
    ).values_list("label", "xmin", "ymin", "xmax", "ymax", "image__width", "image__height")
    newest = boxes.order_by("-pk")[:BOXES_SEEN]
    return choose_input_size(
        (label, math.sqrt(max((x2 - x1) * (y2 - y1) / (width * height), 0.0)))
        for label, x1, y1, x2, y2, width, height in newest.iterator()
    )


def _took(run: TrainingRun) -> float | None:
    if run.started_at is None or run.finished_at is None:
        return None
    return (run.finished_at - run.started_at).total_seconds()


def _choice(revision: Any) -> dict[str, Any]:
    splits = revision.counts.get("splits", {})
    return {
        "pk": revision.pk,
        "text": str(revision),
        "name": revision.name,
        "images": revision.num_images,
        "boxes": revision.num_boxes,
        "created_at": revision.created_at,
        "train": splits.get("train", {}).get("images", 0),
        "val": splits.get("val", {}).get("images", 0),
    }
