"""Coming in (setup, login, invitations), and the page of one's own account."""

from django.contrib import messages
from django.contrib.auth import (
    authenticate,
    get_user_model,
    update_session_auth_hash,
)
from django.contrib.auth import (
    login as start_session,
)
from django.contrib.auth import (
    logout as end_session,
)
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlsafe_base64_decode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.forms import (
    AccountForm,
    ChangePasswordForm,
    ForgottenPasswordForm,
    InviteForm,
    LoginForm,
    NameForm,
)
from webapp.accounts.models import FailedLogin, Invitation, User

form_view = require_http_methods(["GET", "HEAD", "POST"])
BACKEND = "django.contrib.auth.backends.ModelBackend"


class LinkUsed(Exception):
    """Someone used the one-time link a moment earlier."""


def link_gone(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/link_gone.html", status=410)


def next_address(request: HttpRequest) -> str:
    """Where `next` points, if it stays on this site; else the start page."""
    address = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return address
    return resolve_url("projects:start")


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@form_view
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """The first account, by the link that the launcher prints."""
    invitation = Invitation.find(token)
    if invitation is None or not invitation.first_account or User.objects.exists():
        return link_gone(request)
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                user = form.make(is_staff=True)
                if not invitation.accept(user):
                    raise LinkUsed
        except LinkUsed:
            return link_gone(request)
        start_session(request, user, backend=BACKEND)
        return redirect("projects:start")
    return render(
        request, "accounts/setup.html", {"form": form}, status=422 if form.errors else 200
    )


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@form_view
def login(request: HttpRequest) -> HttpResponse:
    address = next_address(request)
    if request.user.is_authenticated:
        return redirect(address)
    form, status = LoginForm(request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            user, words, status = check_password(request, **form.cleaned_data)
            if user is not None:
                start_session(request, user)
                return redirect(address)
            form.add_error(None, words)
    context = {"form": form, "next": address, "no_account": not User.objects.exists()}
    return render(request, "accounts/login.html", context, status=status)


def check_password(
    request: HttpRequest, username: str, password: str
) -> tuple[User | None, str, int]:
    """The user, or None with the reason in words and an HTTP status."""
    address = request.META.get("REMOTE_ADDR", "")
    seconds = FailedLogin.seconds_to_wait(username, address)
    if seconds:
        wait = f"{seconds} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"
        return None, f"Too many wrong passwords for {username}. Try again in {wait}.", 429
    # Noted before it is checked, so that many at once do not all get in for free.
    FailedLogin.record(username, address)
    user = authenticate(request, username=username, password=password)
    if user is None:
        return None, "User name and password do not match.", 422
    FailedLogin.forget(username, address)
    return user, "", 200  # type: ignore[return-value]


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    end_session(request)
    return redirect("accounts:login")


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@form_view
def new_password(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """A new password for a user who forgot it, by a link that an administrator made."""
    try:
        user = User.objects.get(pk=int(urlsafe_base64_decode(uid)), is_active=True)
    except (ValueError, OverflowError, User.DoesNotExist):
        return link_gone(request)
    if not default_token_generator.check_token(user, token):
        return link_gone(request)
    form = ForgottenPasswordForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        user.set_password(form.cleaned_data["password"])
        user.save(update_fields=["password"])
        start_session(request, user, backend=BACKEND)
        return redirect("projects:start")
    return render(
        request,
        "accounts/new_password.html",
        {"form": form, "person": user},
        status=422 if form.errors else 200,
    )


@never_cache
@require_GET
def account(request: HttpRequest) -> HttpResponse:
    return account_page(request)


def account_page(
    request: HttpRequest,
    *,
    name_form: NameForm | None = None,
    password_form: ChangePasswordForm | None = None,
    link: str = "",
    status: int = 200,
) -> HttpResponse:
    user = request.user
    context = {
        "name_form": name_form or NameForm(instance=user),
        "password_form": password_form or ChangePasswordForm(user),
        "link": link,
    }
    if user.is_staff:
        context["invite_form"] = InviteForm()
        context["people"] = get_user_model().objects.order_by("pk")
        context["open_invitations"] = Invitation.open().filter(project=None)
    return render(request, "accounts/account.html", context, status=status)


@require_POST
def account_name(request: HttpRequest) -> HttpResponse:
    # A copy: the bar at the top must not show a name that was refused.
    form = NameForm(request.POST, instance=User.objects.get(pk=request.user.pk))
    if not form.is_valid():
        return account_page(request, name_form=form, status=422)
    form.save()
    messages.success(request, "Your name is saved.")
    return redirect("accounts:account")


@sensitive_post_parameters("current", "password")
@require_POST
def account_password(request: HttpRequest) -> HttpResponse:
    form = ChangePasswordForm(request.user, request.POST)
    if not form.is_valid():
        return account_page(request, password_form=form, status=422)
    request.user.set_password(form.cleaned_data["password"])
    request.user.save(update_fields=["password"])
    update_session_auth_hash(request, request.user)
    messages.success(request, "Your password is changed. Other browsers are logged out.")
    return redirect("accounts:account")


def require_staff(request: HttpRequest) -> None:
    if not request.user.is_staff:
        raise PermissionDenied("Only an administrator invites people to this Boxloop.")


@require_POST
def invite(request: HttpRequest) -> HttpResponse:
    """A one-time link to an account without a project; staff only. It is shown once."""
    require_staff(request)
    form = InviteForm(request.POST)
    note = form.cleaned_data["note"] if form.is_valid() else ""
    _, token = Invitation.make(note=note, created_by=request.user)
    link = request.build_absolute_uri(reverse("accounts:invitation", args=[token]))
    return account_page(request, link=link)


@require_POST
def revoke(request: HttpRequest, invitation_id: int) -> HttpResponse:
    require_staff(request)
    get_object_or_404(Invitation.open(), pk=invitation_id, project=None).delete()
    messages.success(request, "The link does not work any more.")
    return redirect("accounts:account")


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@form_view
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Join by a one-time link: with the account that is logged in, or with a new one."""
    found = Invitation.find(token)
    if found is None or found.first_account:
        return link_gone(request)
    form = AccountForm(None)
    if request.method == "POST":
        user = request.user if request.user.is_authenticated else None
        if user is None:
            form = AccountForm(request.POST)
        if user is not None or form.is_valid():
            try:
                return redirect(join(request, found, user, form))
            except LinkUsed:
                return link_gone(request)
    context = {"invitation": found, "form": form, "token": token}
    if request.user.is_authenticated and found.project_id:
        context["present"] = found.project.memberships.filter(user=request.user).first()
    return render(request, "accounts/invitation.html", context, status=422 if form.errors else 200)


def join(request: HttpRequest, found: Invitation, user: User | None, form: AccountForm) -> str:
    """Use the invitation up and return where to go; raise LinkUsed where another was quicker."""
    new = user is None
    with transaction.atomic():
        user = user or form.make()
        if not found.accept(user):
            raise LinkUsed
        if found.project is not None:
            found.project.admit(user, found.role)
    if new:
        start_session(request, user, backend=BACKEND)
    if found.project is None:
        return resolve_url("projects:start")
    messages.success(request, f"You are in {found.project.name} now.")
    return resolve_url("projects:overview", found.project.pk)
