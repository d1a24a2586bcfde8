from django.urls import path

from webapp import errors

app_name = "training"
urlpatterns = [
    path("projects/<int:project_id>/train/", errors.not_found, {"exception": Exception()}, name="train"),
    path("projects/<int:project_id>/job/", errors.not_found, {"exception": Exception()}, name="job"),
    path("projects/<int:project_id>/runs/<int:run_id>/", errors.not_found, {"exception": Exception()}, name="run"),
    path("projects/<int:project_id>/runs/<int:run_id>/progress/", errors.not_found, {"exception": Exception()}, name="progress"),
    path("projects/<int:project_id>/runs/<int:run_id>/log.txt", errors.not_found, {"exception": Exception()}, name="log"),
    path("projects/<int:project_id>/runs/<int:run_id>/cancel/", errors.not_found, {"exception": Exception()}, name="cancel"),
    path("projects/<int:project_id>/models/", errors.not_found, {"exception": Exception()}, name="models"),
    path("projects/<int:project_id>/models/<int:model_id>/", errors.not_found, {"exception": Exception()}, name="model"),
    path("projects/<int:project_id>/models/<int:model_id>/download/<str:artefact>", errors.not_found, {"exception": Exception()}, name="download"),
]
