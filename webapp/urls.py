"""All addresses. Names in them are ids, never the user's text."""

from django.urls import include, path

from webapp.api.api import api

# The API answers 401 in JSON where a page would redirect to the log-in (LoginRequiredMiddleware).
api_urls = api.urls
for pattern in api_urls[0]:
    pattern.callback.login_required = False

urlpatterns = [
    # First, for of all addresses a save's is looked up most often.
    path("api/", api_urls),
    path("", include("webapp.projects.urls")),
    path("", include("webapp.accounts.urls")),
    path("", include("webapp.datasets.urls")),
    path("", include("webapp.labeling.urls")),
    path("", include("webapp.training.urls")),
    path("", include("webapp.inference.urls")),
    path("", include("webapp.bases.urls")),
]

handler400 = "webapp.errors.bad_request"
handler403 = "webapp.errors.forbidden"
handler404 = "webapp.errors.not_found"
handler500 = "webapp.errors.failed"
