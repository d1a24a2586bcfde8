"""The start page, new projects, the switcher, and the phone's More page."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from webapp.projects.access import project_view
from webapp.projects.cards import project_cards
from webapp.projects.forms import NewProjectForm
from webapp.projects.models import Project, Role

SHOWN = 24
SEARCH_FROM = 6
DEFAULT_BASE = "ssdlite_mobilenet_v2_coco"


@require_GET
def start(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()
    total = Project.objects.filter(memberships__user=request.user).count()
    cards = project_cards(request.user, query, limit=None if "all" in request.GET else SHOWN)
    context = {
        "cards": cards,
        "total": total,
        "query": query,
        "more": not query and "all" not in request.GET and total > len(cards),
        "searchable": total >= SEARCH_FROM,
        "base": DEFAULT_BASE,
    }
    name = "projects/_cards.html" if request.htmx else "projects/start.html"
    return render(request, name, context)


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    form = NewProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            project = Project.objects.create(
                name=form.cleaned_data["name"], created_by=request.user
            )
            project.admit(request.user, Role.OWNER)
            for name in form.cleaned_data["labels"]:
                project.add_label(name)
        return redirect("datasets:images", project.pk)
    return render(
        request, "projects/create.html", {"form": form}, status=422 if form.errors else 200
    )


@require_GET
def switcher(request: HttpRequest) -> HttpResponse:
    """The menu at the project's name: one's projects by name, and New project."""
    projects = Project.objects.filter(memberships__user=request.user).order_by("name", "pk")
    context = {"projects": projects, "now": request.GET.get("now", "")}
    return render(request, "projects/_switcher.html", context)


@require_GET
@project_view()
def overview(request: HttpRequest, project: Project) -> HttpResponse:
    return redirect("datasets:images", project.pk)


@require_GET
@project_view()
def more(request: HttpRequest, project: Project) -> HttpResponse:
    return render(request, "projects/more.html", {"room": "more"})
