"""Import from a folder that is on the server, or in its storage, already: nothing is sent."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from webapp.datasets import places
from webapp.datasets.models import ImageImport
from webapp.leases import Status
from webapp.projects.access import project_view
from webapp.projects.models import Project
from workers import tasks
from workers.wake import wake


@require_http_methods(["GET", "POST"])
@project_view("owner")
def server_import(request: HttpRequest, project: Project) -> HttpResponse:
    """GET looks through the allowed folders; POST imports one, with all that is below it."""
    if not places.roots():
        raise Http404("No folder of this server may be imported from.")
    form = request.POST if request.method == "POST" else request.GET
    place = listing = None
    if form.get("root"):
        try:
            place = places.find(form.get("kind", ""), form["root"], form.get("path", ""))
            listing = places.list_place(place)
        except places.NoSuchPlace as error:
            raise Http404(str(error)) from error
    if request.method == "POST" and place is not None:
        row = ImageImport.objects.create(
            project=project,
            created_by=request.user,
            name=place.name[:255],
            place=place.as_json(),
            status=Status.QUEUED,
        )
        wake(tasks.import_images, row)
        messages.success(request, f"{row.name}: the import has begun.")
        return redirect("datasets:import_report", project.pk, row.pk)
    context = {
        "room": "images",
        "roots": places.roots(),
        "place": place,
        "listing": listing,
        "folders": [(name, place.below(name)) for name in listing.folders]
        if place is not None and listing is not None
        else [],
    }
    return render(request, "datasets/server_import.html", context)
