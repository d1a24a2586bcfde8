"""The pages for 400, 403, 404 and 500: what happened and the way out, in words."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    words = "Boxloop could not read what the browser sent. Go back, load the page again and retry."
    return error_page(request, "This request was not understood", words, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    words = str(exception) or "Your role does not allow it. Ask an owner of the project."
    return error_page(request, "Not yours to do", words, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    words = "It may have been deleted, or it belongs to a project that you are not in."
    return error_page(request, "Nothing is here", words, 404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django calls this where a form came without its token (CSRF_FAILURE_VIEW)."""
    words = (
        "The form had lost its key: you logged in or out in another tab, or the browser blocks "
        "cookies. Nothing was changed. Go back, load the page again and send the form once more."
    )
    return error_page(request, "This form is out of date", words, 403)


def error_page(request: HttpRequest, title: str, words: str, status: int) -> HttpResponse:
    return render(request, "error.html", {"title": title, "words": words}, status=status)


def failed(request: HttpRequest) -> HttpResponse:
    # No database, no context processors: one of them may be what failed.
    words = (
        "Boxloop met an error that it did not expect and wrote it to its log. "
        "What was saved is safe. Go back and try again."
    )
    return HttpResponse(
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'><title>Boxloop</title>"
        f"<link rel=stylesheet href='{static('css/boxloop.css')}'>"
        f"<main class=empty><h1>This page failed</h1><p>{words}</p>"
        "<a class='btn pri' href='/'>To the start page</a></main></html>",
        status=500,
    )
