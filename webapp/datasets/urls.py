from django.urls import path

from webapp import errors

app_name = "datasets"
urlpatterns = [
    path("projects/<int:project_id>/images/", errors.not_found, {"exception": Exception()}, name="images"),
    path("projects/<int:project_id>/images/bulk/", errors.not_found, {"exception": Exception()}, name="bulk"),
    path("projects/<int:project_id>/images/<int:image_id>/thumbnail", errors.not_found, {"exception": Exception()}, name="thumbnail"),
    path("projects/<int:project_id>/images/<int:image_id>/preview", errors.not_found, {"exception": Exception()}, name="preview"),
    path("projects/<int:project_id>/images/<int:image_id>/original", errors.not_found, {"exception": Exception()}, name="original"),
    path("projects/<int:project_id>/imports/", errors.not_found, {"exception": Exception()}, name="imports"),
    path("projects/<int:project_id>/imports/new/", errors.not_found, {"exception": Exception()}, name="import_create"),
    path("projects/<int:project_id>/imports/<int:import_id>/", errors.not_found, {"exception": Exception()}, name="import_report"),
    path("projects/<int:project_id>/imports/<int:import_id>/files/", errors.not_found, {"exception": Exception()}, name="import_file"),
    path("projects/<int:project_id>/imports/<int:import_id>/start/", errors.not_found, {"exception": Exception()}, name="import_start"),
    path("projects/<int:project_id>/imports/<int:import_id>/cancel/", errors.not_found, {"exception": Exception()}, name="import_cancel"),
    path("projects/<int:project_id>/imports/<int:import_id>/progress/", errors.not_found, {"exception": Exception()}, name="import_progress"),
    path("projects/<int:project_id>/dataset/", errors.not_found, {"exception": Exception()}, name="dataset"),
    path("projects/<int:project_id>/dataset/freeze/", errors.not_found, {"exception": Exception()}, name="freeze"),
    path("projects/<int:project_id>/dataset/<int:number>/", errors.not_found, {"exception": Exception()}, name="revision"),
    path("projects/<int:project_id>/dataset/<int:number>/manifest.json", errors.not_found, {"exception": Exception()}, name="manifest"),
    path("projects/<int:project_id>/dataset/<int:number>/records/", errors.not_found, {"exception": Exception()}, name="records"),
]
