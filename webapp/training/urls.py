from django.urls import path

from webapp.training.views import compare, export, model, run, train

app_name = "training"
urlpatterns = [
    path("projects/<int:project_id>/train/", train.train, name="train"),
    path("projects/<int:project_id>/runs/<int:run_id>/again/", train.again, name="again"),
    path("projects/<int:project_id>/job/", run.job, name="job"),
    path("projects/<int:project_id>/runs/<int:run_id>/", run.run, name="run"),
    path("projects/<int:project_id>/runs/<int:run_id>/progress/", run.progress, name="progress"),
    path("projects/<int:project_id>/runs/<int:run_id>/log.txt", run.log, name="log"),
    path("projects/<int:project_id>/runs/<int:run_id>/cancel/", run.cancel, name="cancel"),
    path("projects/<int:project_id>/models/", model.models, name="models"),
    path("projects/<int:project_id>/models/<int:model_id>/", model.model, name="model"),
    path(
        "projects/<int:project_id>/models/<int:model_id>/compare/",
        compare.compare,
        name="compare",
    ),
    path("projects/<int:project_id>/models/<int:model_id>/rename/", model.rename, name="rename"),
    path(
        "projects/<int:project_id>/models/<int:model_id>/exports/",
        export.exports,
        name="exports",
    ),
    path(
        "projects/<int:project_id>/models/<int:model_id>/exports/<str:form>/",
        export.ask,
        name="export",
    ),
    path(
        "projects/<int:project_id>/models/<int:model_id>/exports/<str:form>/cancel/",
        export.cancel,
        name="export_cancel",
    ),
    path(
        "projects/<int:project_id>/models/<int:model_id>/download/<str:artefact>",
        model.download,
        name="download",
    ),
]
