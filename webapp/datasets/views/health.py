"""Will this train? The page, its fixes, and taking them back."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from webapp.datasets.freezing import training_findings
from webapp.datasets.grid import whole_number
from webapp.datasets.health import check_again, check_of, latest_answer, latest_check, queue_check
from webapp.datasets.health_fixes import NothingToFix, apply_fix, in_words, undo
from webapp.datasets.health_survey import state_key
from webapp.datasets.models import ImportProblem
from webapp.datasets.pictures import DrawnImage, drawn_images, outlines
from webapp.datasets.views.works import latest_work, start_work
from webapp.datasets.works import is_large
from webapp.leases import Status
from webapp.projects.access import project_view
from webapp.projects.models import Project
from workers import tasks
from workers.wake import wake

SHOWN = 4
A_PAGE = 24
GRAVITY = {"error": 0, "warning": 1, "info": 2, "passed": 3}


@require_GET
@project_view()
def health(request: HttpRequest, project: Project) -> HttpResponse:
    """The page; `?check=KEY` lists all findings of one check."""
    found = latest_answer(project)
    newest = latest_check(project)
    results = sorted(found.results if found else [], key=lambda r: GRAVITY[r["severity"]])
    chosen = next((r for r in results if r["key"] == request.GET.get("check")), None)
    if "check" in request.GET and chosen is None:
        raise Http404("There is no such check.")
    context: dict[str, Any] = {
        "room": "dataset",
        "answer": found,
        "check": newest if newest is not None and newest != found else None,
        "outdated": found is not None and found.state_key != state_key(project),
        "stops": [f for f in training_findings(project) if f.severity == "stop"],
        "counts": {
            severity: sum(r["severity"] == severity for r in results) for severity in GRAVITY
        },
        "passed": [r for r in results if not r["count"]],
        "num_checks": len(results),
        "changes": project.dataset_changes.select_related("user")[:5],
        "num_images": project.images.kept().count(),
        "mended": _mended_at_import(project),
        "work": latest_work(project),
    }
    if chosen is not None:
        page = Paginator(chosen["findings"], A_PAGE).get_page(request.GET.get("page"))
        context |= {"result": _with_pictures(project, chosen, list(page)), "page": page}
        return render(request, "datasets/health_check.html", context)
    context["results"] = [
        _with_pictures(project, r, r["findings"][:SHOWN]) for r in results if r["count"]
    ]
    partial = request.htmx and not request.htmx.boosted
    return render(request, "datasets/_health.html" if partial else "datasets/health.html", context)


def _mended_at_import(project: Project) -> dict[str, Any] | None:
    """What imports left out or mended, for that was found before this page could."""
    rows = ImportProblem.objects.filter(image_import__project=project)
    counts = {
        "refused": rows.filter(severity=ImportProblem.Severity.REFUSED).count(),
        "mended": rows.filter(severity=ImportProblem.Severity.MENDED).count(),
    }
    if not any(counts.values()):
        return None
    newest = rows.exclude(severity=ImportProblem.Severity.NOTE).order_by("-pk").first()
    return {**counts, "image_import": newest.image_import if newest else None}


def _with_pictures(
    project: Project, result: dict[str, Any], findings: list[dict[str, Any]]
) -> dict[str, Any]:
    """The result with `findings` alone, each with the photos that belong to it."""
    ids = [pk for f in findings for pk in (f["image"], *f["related"]) if pk]
    images = drawn_images(project, ids)
    shown = []
    for finding in findings:
        own = images.get(finding["image"] or 0)
        kept = [] if finding["gone"] else finding["boxes"]
        pictures: list[DrawnImage] = []
        if own is not None:
            pictures.append(
                replace(
                    own,
                    kept=outlines(kept),
                    gone=outlines(finding["gone"]),
                    made=outlines(finding["made"]),
                )
            )
        pictures += [images[pk] for pk in finding["related"] if pk in images]
        shown.append(
            {
                **finding,
                "pictures": pictures[:6],
                "more": max(0, finding["num_related"] + 1 - 6),
            }
        )
    return {**result, "findings": shown}


@require_POST
@project_view()
def health_start(request: HttpRequest, project: Project) -> HttpResponse:
    """Have a worker check. A viewer may ask, too: it changes nothing."""
    _have_checked(project, request.user)
    return redirect("datasets:health", project.pk)


def _ask_again(project: Project, user: Any) -> None:
    """All checks at once, or by a worker where they take longer than the change of one image."""
    if is_large(project):
        _have_checked(project, user)
    else:
        check_again(project, user)


def _have_checked(project: Project, user: Any) -> None:
    check, new = queue_check(project, user)
    if new:
        wake(tasks.check_health, check)


@require_POST
@project_view("annotator")
def health_cancel(request: HttpRequest, project: Project) -> HttpResponse:
    check = project.health_checks.filter(status__in=[Status.QUEUED, Status.RUNNING]).first()
    if check is not None:
        check.request_cancel()
    return redirect("datasets:health", project.pk)


@require_POST
@project_view("annotator")
def health_fix(request: HttpRequest, project: Project, key: str) -> HttpResponse:
    """Mend all findings of one check, or with `image` those of one image."""
    if check_of(key) is None:
        raise Http404("There is no such check.")
    image = whole_number(request.POST.get("image"))
    if is_large(project) and not image:
        arguments = {"key": key}
        return start_work(request, project, "fix", arguments, _fix_words(project, key))
    try:
        outcome = apply_fix(project, request.user, key, [image] if image else [])
    except NothingToFix as nothing:
        messages.info(request, str(nothing))
    else:
        words = f"Changed {in_words(outcome)}. It stands in their histories."
        messages.success(request, words) if outcome.images else None
        _say_what_was_left(request, outcome.left)
    _ask_again(project, request.user)
    return redirect(_back(request, project))


def _fix_words(project: Project, key: str) -> str:
    check, found = check_of(key), latest_answer(project)
    titles = [r["title"] for r in (found.results if found else []) if r["key"] == key]
    return ": ".join([check.action if check else "Fix", *titles])


@require_POST
@project_view("annotator")
def change_undo(request: HttpRequest, project: Project, change_id: int) -> HttpResponse:
    change = get_object_or_404(project.dataset_changes, pk=change_id)
    if is_large(project) and change.undone_at is None:
        return start_work(
            request, project, "undo", {"change": change.pk}, f"Taking back: {change.words}"
        )
    try:
        outcome = undo(change, request.user)
    except NothingToFix as nothing:
        messages.info(request, str(nothing))
    else:
        messages.success(request, f"Taken back: {change.words} ({in_words(outcome)}).")
        _say_what_was_left(request, outcome.left)
    if latest_answer(project) is not None:
        _ask_again(project, request.user)
    return redirect(_back(request, project))


def _say_what_was_left(request: HttpRequest, left: list[str]) -> None:
    if left:
        more = f" And {len(left) - 3} more." if len(left) > 3 else ""
        messages.warning(request, " ".join(left[:3]) + more)


def _back(request: HttpRequest, project: Project) -> str:
    asked = request.POST.get("back", "")
    if url_has_allowed_host_and_scheme(asked, allowed_hosts=None) and asked.startswith("/"):
        return asked
    return redirect("datasets:health", project.pk).url
