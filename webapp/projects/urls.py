from django.urls import path

from webapp import errors

app_name = "projects"
urlpatterns = [
    path("", errors.not_found, {"exception": Exception()}, name="start"),
    path("projects/switcher/", errors.not_found, {"exception": Exception()}, name="switcher"),
    path("projects/new/", errors.not_found, {"exception": Exception()}, name="create"),
    path("projects/<int:project_id>/", errors.not_found, {"exception": Exception()}, name="overview"),
    path("projects/<int:project_id>/more/", errors.not_found, {"exception": Exception()}, name="more"),
    path("projects/<int:project_id>/labels/", errors.not_found, {"exception": Exception()}, name="label_map"),
    path("projects/<int:project_id>/labels/add/", errors.not_found, {"exception": Exception()}, name="label_add"),
    path("projects/<int:project_id>/labels/<int:label_id>/", errors.not_found, {"exception": Exception()}, name="label_edit"),
    path("projects/<int:project_id>/labels/<int:label_id>/merge/", errors.not_found, {"exception": Exception()}, name="label_merge"),
    path("projects/<int:project_id>/labels/<int:label_id>/retire/", errors.not_found, {"exception": Exception()}, name="label_retire"),
    path("projects/<int:project_id>/labels/order/", errors.not_found, {"exception": Exception()}, name="label_order"),
    path("projects/<int:project_id>/labels/import/", errors.not_found, {"exception": Exception()}, name="label_import"),
    path("projects/<int:project_id>/labels/label_map.pbtxt", errors.not_found, {"exception": Exception()}, name="label_export"),
    path("projects/<int:project_id>/settings/", errors.not_found, {"exception": Exception()}, name="settings"),
    path("projects/<int:project_id>/settings/invite/", errors.not_found, {"exception": Exception()}, name="invite"),
    path("projects/<int:project_id>/settings/members/<int:user_id>/", errors.not_found, {"exception": Exception()}, name="member"),
    path("projects/<int:project_id>/settings/trash/", errors.not_found, {"exception": Exception()}, name="trash"),
    path("projects/<int:project_id>/delete/", errors.not_found, {"exception": Exception()}, name="delete"),
]
