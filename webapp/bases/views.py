"""The bases of this machine: what there is, fetching, adding and removing."""

from typing import Any

from django.contrib import messages
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from detection.bases import BASES, BUILT_IN, BaseError, remove_base
from webapp.bases.access import may_add
from webapp.bases.forms import AddBaseForm
from webapp.bases.models import UNDER_WAY, BaseArrival
from webapp.leases import Status
from webapp.projects.access import project_view, require
from webapp.projects.models import Project, Role
from workers import tasks
from workers.wake import wake

SHOWN_ARRIVALS = 5


@require_http_methods(["GET", "HEAD", "POST"])
@project_view()
def bases(request: HttpRequest, project: Project) -> HttpResponse:
    """All bases; owners add one here by POST."""
    if request.method != "POST":
        return render(request, "bases/bases.html", _context(request, AddBaseForm()))
    _refuse_others(request)
    form = AddBaseForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "bases/bases.html", _context(request, form), status=422)
    _start_adding(form.cleaned_data, request.user)
    return redirect("bases:bases", project.pk)


@require_GET
@project_view()
def arrivals(request: HttpRequest, project: Project) -> HttpResponse:
    """The part of the page that changes while a base comes in."""
    return render(request, "bases/_bases.html", _context(request, None))


@require_POST
@project_view()
def fetch(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    """Fetch a base that is built in; nothing where it is here or on its way."""
    _refuse_others(request)
    base = BUILT_IN.get(name)
    if base is None or not base.is_fetchable:
        raise Http404("There is no such base to fetch.")
    waiting = BaseArrival.objects.filter(name=name, status__in=UNDER_WAY)
    with transaction.atomic():
        if not base.is_present and not waiting.exists():
            arrival = BaseArrival.objects.create(
                name=name, built_in=True, title=base.title, created_by=request.user
            )
            wake(tasks.take_in_base, arrival)
    return redirect("bases:bases", project.pk)


@require_POST
@project_view()
def cancel(request: HttpRequest, project: Project, arrival_id: int) -> HttpResponse:
    _refuse_others(request)
    get_object_or_404(BaseArrival, pk=arrival_id).request_cancel()
    return redirect("bases:bases", project.pk)


@require_POST
@project_view()
def remove(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    """Take a base that was added off this machine. Models trained from it stay."""
    _refuse_others(request)
    if name not in BASES:
        raise Http404("There is no such base.")
    title = BASES[name].title
    try:
        remove_base(name)
        messages.success(request, f"{title} was removed. Models that were trained from it stay.")
    except BaseError as error:
        messages.error(request, str(error))
    return redirect("bases:bases", project.pk)


def _refuse_others(request: HttpRequest) -> None:
    """Bases are the machine's: its staff and projects' owners add them."""
    if not may_add(request):
        require(request.membership, Role.OWNER)  # type: ignore[attr-defined]


def _start_adding(given: dict[str, Any], user: Any) -> None:
    """Make the row, store what was uploaded, and wake a worker."""
    checkpoint, config = given["checkpoint"], given["config"]
    arrival = BaseArrival.objects.create(
        status=Status.DRAFT,
        name=given["name"],
        title=given["title"] or given["name"],
        licence=given["licence"],
        coco_ap=given["coco_ap"],
        url=given["url"],
        sha256=given["sha256"],
        file_name=checkpoint.name[-200:] if checkpoint else "",
        uploaded=bool(checkpoint),
        has_config=bool(config),
        created_by=user,
    )
    if checkpoint:
        default_storage.save(arrival.checkpoint_path, checkpoint)
    if config:
        default_storage.save(arrival.config_path, config)
    with transaction.atomic():
        BaseArrival.objects.filter(pk=arrival.pk).update(status=Status.QUEUED)
        wake(tasks.take_in_base, arrival)


def _context(request: HttpRequest, form: AddBaseForm | None) -> dict[str, Any]:
    under_way = list(BaseArrival.objects.filter(status__in=UNDER_WAY)[:SHOWN_ARRIVALS])
    coming = {one.name for one in under_way}
    return {
        "room": "train",
        "may_add": may_add(request),
        "bases": list(BASES.values()),
        "coming": coming,
        # A failure is told until something newer has come.
        "arrivals": under_way or list(BaseArrival.objects.all()[:1]),
        "is_coming": bool(under_way),
        "form": form,
    }
