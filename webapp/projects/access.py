"""Every project's thing is reached through the user's membership; another's is 404."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from webapp.projects.models import Membership, Project, Role


def get_project(request: HttpRequest, project_id: int, role: str = Role.VIEWER) -> Project:
    """The project, for a member with at least `role`; sets `request.project` and `.membership`.

    Raises Http404 where the user is no member (as where there is no such project), and
    PermissionDenied where the role is too low.
    """
    membership = (
        Membership.objects.select_related("project")
        .filter(project_id=project_id, user_id=request.user.pk)
        .first()
    )
    if membership is None:
        raise Http404("There is no such project, or you are not one of its people.")
    request.project, request.membership = membership.project, membership  # type: ignore[attr-defined]
    require(membership, role)
    return membership.project


def require(membership: Membership, role: str) -> None:
    """Raise PermissionDenied, in words, where the member's role is too low."""
    if not membership.allows(role):
        raise PermissionDenied(
            f"Your role here is {membership.get_role_display().lower()}; "
            f"this takes {Role(role).label.lower()}."
        )


View = Callable[..., HttpResponseBase]


def project_view(role: str = Role.VIEWER) -> Callable[[View], View]:
    """Decorate `view(request, project, ...)`; its URL carries `project_id`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(
            request: HttpRequest, project_id: int, *args: Any, **kwargs: Any
        ) -> HttpResponseBase:
            return view(request, get_project(request, project_id, role), *args, **kwargs)

        return wrapped

    return decorate
