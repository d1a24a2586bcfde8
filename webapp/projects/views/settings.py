"""A project's settings: its name, its people, invitations, storage, and its end."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from webapp.accounts.models import Invitation
from webapp.labeling.review import by_annotators
from webapp.projects.access import project_view
from webapp.projects.forms import DeleteProjectForm, ProjectForm, ProjectInviteForm, RoleForm
from webapp.projects.models import Membership, Project, Role
from webapp.projects.removal import StillWorking, delete_project

ROLE_WORDS = {
    Role.VIEWER: "looks and detects",
    Role.ANNOTATOR: "also uploads, labels and trains",
    Role.OWNER: "also changes people and settings, and deletes",
}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, project_id: int) -> HttpResponse:
    """Members see the page; owners change name and description."""
    if request.method == "POST":
        return rename(request, project_id)
    return show(request, project_id)


@project_view()
def show(request: HttpRequest, project: Project) -> HttpResponse:
    return settings_page(request, project)


@project_view("owner")
def rename(request: HttpRequest, project: Project) -> HttpResponse:
    # A copy: the bar at the top must not show a name that was refused.
    form = ProjectForm(request.POST, instance=Project.objects.get(pk=project.pk))
    if not form.is_valid():
        return settings_page(request, project, status=422, form=form)
    # Only what was typed: labels may be made at this moment, and they count in this row.
    form.save(commit=False).save(update_fields=["name", "description"])
    messages.success(request, "Name and description are saved.")
    return redirect("projects:settings", project.pk)


def settings_page(
    request: HttpRequest, project: Project, *, status: int = 200, **context: Any
) -> HttpResponse:
    defaults = {
        "room": "settings",
        "form": ProjectForm(instance=project),
        "delete_form": DeleteProjectForm(project),
        "storage": storage_used(project),
        "annotators_review": by_annotators(project),
        "role_words": [(role.label, words) for role, words in ROLE_WORDS.items()],
        **people(project),
    }
    return render(request, "projects/settings.html", defaults | context, status=status)


def people(project: Project) -> dict[str, Any]:
    memberships = project.memberships.select_related("user").order_by("pk")
    return {
        "memberships": memberships,
        "owners": sum(membership.role == Role.OWNER for membership in memberships),
        "roles": Role.choices,
        "invite_form": ProjectInviteForm(),
        "open_invitations": [
            (invitation, Role(invitation.role).label)
            for invitation in Invitation.open().filter(project=project).select_related("created_by")
        ],
    }


def storage_used(project: Project) -> dict[str, Any]:
    kept = project.images.filter(trashed_at=None).aggregate(count=Count("pk"), bytes=Sum("bytes"))
    trash = project.images.exclude(trashed_at=None).aggregate(count=Count("pk"), bytes=Sum("bytes"))
    models = project.models.aggregate(count=Count("pk"), bytes=Sum("bytes"))
    return {"kept": kept, "trash": trash, "models": models}


@require_POST
@never_cache
@project_view("owner")
def invite(request: HttpRequest, project: Project) -> HttpResponse:
    """A one-time link, shown in this answer and never again."""
    form = ProjectInviteForm(request.POST)
    context: dict[str, Any] = {}
    if form.is_valid():
        _, token = Invitation.make(
            project=project,
            role=form.cleaned_data["role"],
            note=form.cleaned_data["note"],
            created_by=request.user,
        )
        address = reverse("accounts:invitation", args=[token])
        context["link"] = request.build_absolute_uri(address)
        context["link_role"] = Role(form.cleaned_data["role"]).label
    else:
        context["bad_invite_form"] = form
    status = 200 if form.is_valid() else 422
    if request.htmx:
        return render(
            request, "projects/_invitations.html", people(project) | context, status=status
        )
    return settings_page(request, project, status=status, **context)


@require_POST
@project_view("owner")
def revoke(request: HttpRequest, project: Project, invitation_id: int) -> HttpResponse:
    get_object_or_404(Invitation.open(), pk=invitation_id, project=project).delete()
    messages.success(request, "The link does not work any more.")
    return redirect("projects:settings", project.pk)


@require_POST
@project_view()
def member(request: HttpRequest, project: Project, user_id: int) -> HttpResponse:
    """Change a member's role or remove them: owners anyone, others only themselves out."""
    if user_id == request.user.pk and "remove" in request.POST:
        return leave(request, project)
    return change_member(request, project_id=project.pk, user_id=user_id)


@project_view("owner")
def change_member(request: HttpRequest, project: Project, user_id: int) -> HttpResponse:
    form = RoleForm(request.POST)
    with transaction.atomic():
        # The lock keeps two owners from demoting each other at the same moment.
        Project.objects.select_for_update().get(pk=project.pk)
        membership = get_object_or_404(project.memberships.select_related("user"), user_id=user_id)
        name = membership.user.get_full_name() or membership.user.username
        if "remove" not in request.POST and not form.is_valid():
            messages.error(request, "Choose one of the roles: viewer, annotator or owner.")
        elif last_owner(membership) and form.data.get("role") != Role.OWNER:
            messages.error(request, f"{name} is the last owner. Make someone else an owner first.")
        elif "remove" in request.POST:
            membership.delete()
            messages.success(request, f"{name} is out of the project.")
        else:
            membership.role = form.cleaned_data["role"]
            membership.save(update_fields=["role"])
            messages.success(request, f"{name} is {membership.get_role_display().lower()} now.")
    return redirect("projects:settings", project.pk)


def leave(request: HttpRequest, project: Project) -> HttpResponse:
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        membership = project.memberships.get(user=request.user)
        if last_owner(membership):
            words = (
                "You are the last owner. Make someone else an owner first, or delete the project."
            )
            messages.error(request, words)
            return redirect("projects:settings", project.pk)
        membership.delete()
    messages.success(request, f"You left {project.name}.")
    return redirect("projects:start")


def last_owner(membership: Membership) -> bool:
    owners = membership.project.memberships.filter(role=Role.OWNER)
    return membership.role == Role.OWNER and not owners.exclude(pk=membership.pk).exists()


@require_POST
@project_view("owner")
def delete(request: HttpRequest, project: Project) -> HttpResponse:
    form = DeleteProjectForm(project, request.POST)
    if not form.is_valid():
        return settings_page(request, project, status=422, delete_form=form)
    try:
        delete_project(project)
    except StillWorking as error:
        form.add_error("confirmation", str(error))
        return settings_page(request, project, status=409, delete_form=form)
    messages.success(request, f"{project.name} is deleted.")
    return redirect("projects:start")
