from django.urls import path

from webapp.datasets.views import (
    dataset,
    exporting,
    files,
    health,
    images,
    import_preview,
    imports,
    resumable,
    revisions,
    server_import,
    splits,
    works,
)

app_name = "datasets"
PROJECT = "projects/<int:project_id>/"
IMAGE = f"{PROJECT}images/<int:image_id>/"
IMPORT = f"{PROJECT}imports/<int:import_id>/"
EXPORT = f"{PROJECT}dataset/exports/<int:export_id>"
REVISION = f"{PROJECT}dataset/<int:number>/"

urlpatterns = [
    path(f"{PROJECT}images/", images.images, name="images"),
    path(f"{PROJECT}images/bulk/", images.bulk, name="bulk"),
    path(f"{IMAGE}thumbnail", files.thumbnail, name="thumbnail"),
    path(f"{IMAGE}preview", files.preview, name="preview"),
    path(f"{IMAGE}original", files.original, name="original"),
    path(f"{PROJECT}imports/", imports.imports, name="imports"),
    path(f"{PROJECT}imports/server/", server_import.server_import, name="server_import"),
    path(f"{PROJECT}imports/new/", imports.import_create, name="import_create"),
    path(f"{IMPORT}", imports.import_report, name="import_report"),
    path(f"{IMPORT}files/", imports.import_file, name="import_file"),
    path(f"{IMPORT}resumable/", resumable.create, name="resumable_create"),
    path(f"{IMPORT}resumable/<int:file_id>/", resumable.resume, name="resumable"),
    path(f"{IMPORT}start/", imports.import_start, name="import_start"),
    path(f"{IMPORT}cancel/", imports.import_cancel, name="import_cancel"),
    path(f"{IMPORT}progress/", imports.import_progress, name="import_progress"),
    path(f"{IMPORT}preview/", import_preview.import_preview, name="import_preview"),
    path(f"{PROJECT}dataset/", dataset.dataset, name="dataset"),
    path(f"{PROJECT}dataset/export/", exporting.export, name="export"),
    path(f"{PROJECT}dataset/export/download/", exporting.export_download, name="export_download"),
    path(f"{PROJECT}dataset/export/keep/", exporting.export_keep, name="export_keep"),
    path(f"{PROJECT}dataset/exports/", exporting.exports, name="exports"),
    path(f"{EXPORT}.zip", exporting.export_file, name="export_file"),
    path(f"{EXPORT}/drop/", exporting.export_drop, name="export_drop"),
    path(f"{PROJECT}dataset/freeze/", dataset.freeze_revision, name="freeze"),
    path(f"{REVISION}", dataset.revision, name="revision"),
    path(f"{REVISION}manifest.json", dataset.manifest, name="manifest"),
    path(f"{REVISION}label_map.pbtxt", dataset.label_map, name="revision_label_map"),
    path(f"{REVISION}records/", dataset.records, name="records"),
    path(f"{REVISION}name/", revisions.rename_revision, name="revision_name"),
    path(f"{REVISION}compare/", revisions.compare_revisions, name="compare"),
    path(f"{REVISION}restore/", revisions.restore, name="restore"),
    path(f"{PROJECT}dataset/splits/", splits.splits, name="splits"),
    path(f"{PROJECT}health/", health.health, name="health"),
    path(f"{PROJECT}health/start/", health.health_start, name="health_start"),
    path(f"{PROJECT}health/cancel/", health.health_cancel, name="health_cancel"),
    path(f"{PROJECT}health/<slug:key>/fix/", health.health_fix, name="health_fix"),
    path(f"{PROJECT}dataset/work/", works.work, name="work"),
    path(f"{PROJECT}dataset/work/cancel/", works.work_cancel, name="work_cancel"),
    path(f"{PROJECT}changes/<int:change_id>/undo/", health.change_undo, name="change_undo"),
]
