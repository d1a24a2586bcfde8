"""Who may change which bases this machine has."""

from django.http import HttpRequest

from webapp.projects.models import Role


def may_add(request: HttpRequest) -> bool:
    """Whether the person of a project's page may fetch, add and remove bases: owners and staff."""
    membership = request.membership  # type: ignore[attr-defined]
    return bool(request.user.is_staff or membership.allows(Role.OWNER))  # type: ignore[union-attr]
