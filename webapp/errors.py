"""The pages for 403, 404 and 500: what happened and the way out, in words."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "error.html", {"title": "Not yours to do", "words": str(exception)}, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    words = "It may have been deleted, or it belongs to a project that you are not in."
    return render(request, "error.html", {"title": "Nothing is here", "words": words}, status=404)


def failed(request: HttpRequest) -> HttpResponse:
    # No database, no context processors: one of them may be what failed.
    words = (
        "Boxloop met an error that it did not expect and wrote it to its log. "
        "What was saved is safe. Go back and try again."
    )
    return HttpResponse(
        f"<!doctype html><title>Boxloop</title><h1>This page failed</h1><p>{words}</p>".encode(),
        status=500,
    )
