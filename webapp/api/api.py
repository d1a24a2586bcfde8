"""The JSON API. It answers errors as JSON with words: {"message": ...}."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError
from ninja.security import django_auth

from webapp.api.filmstrip import router as filmstrip
from webapp.api.history import router as history
from webapp.api.labeling import router as labeling
from webapp.api.presence import router as presence
from webapp.api.review import router as review

api = NinjaAPI(title="Boxloop", version="1", docs_url=None, auth=django_auth)
for router in (labeling, filmstrip, history, review, presence):
    api.add_router("", router)


@api.exception_handler(AuthenticationError)
def log_in_again(request: HttpRequest, error: Any) -> HttpResponse:
    body = {"message": "Your log-in has expired.", "login": reverse("accounts:login")}
    return api.create_response(request, body, status=401)


@api.exception_handler(PermissionDenied)
def forbidden(request: HttpRequest, error: Any) -> HttpResponse:
    return api.create_response(request, {"message": str(error)}, status=403)


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Any) -> HttpResponse:
    return api.create_response(request, {"message": "There is no such thing here."}, status=404)
