from django.urls import path

from webapp.projects.views import label_map, settings, start, trash

app_name = "projects"
urlpatterns = [
    path("", start.start, name="start"),
    path("projects/switcher/", start.switcher, name="switcher"),
    path("projects/new/", start.create, name="create"),
    path("projects/<int:project_id>/", start.overview, name="overview"),
    path("projects/<int:project_id>/more/", start.more, name="more"),
    path("projects/<int:project_id>/labels/", label_map.label_map, name="label_map"),
    path("projects/<int:project_id>/labels/add/", label_map.label_add, name="label_add"),
    path("projects/<int:project_id>/labels/order/", label_map.label_order, name="label_order"),
    path("projects/<int:project_id>/labels/import/", label_map.label_import, name="label_import"),
    path(
        "projects/<int:project_id>/labels/label_map.pbtxt",
        label_map.label_export,
        name="label_export",
    ),
    path(
        "projects/<int:project_id>/labels/<int:label_id>/", label_map.label_edit, name="label_edit"
    ),
    path(
        "projects/<int:project_id>/labels/<int:label_id>/merge/",
        label_map.label_merge,
        name="label_merge",
    ),
    path(
        "projects/<int:project_id>/labels/<int:label_id>/retire/",
        label_map.label_retire,
        name="label_retire",
    ),
    path("projects/<int:project_id>/settings/", settings.settings, name="settings"),
    path("projects/<int:project_id>/settings/invite/", settings.invite, name="invite"),
    path(
        "projects/<int:project_id>/settings/invitations/<int:invitation_id>/revoke/",
        settings.revoke,
        name="revoke",
    ),
    path(
        "projects/<int:project_id>/settings/members/<int:user_id>/", settings.member, name="member"
    ),
    path("projects/<int:project_id>/settings/trash/", trash.trash, name="trash"),
    path("projects/<int:project_id>/delete/", settings.delete, name="delete"),
]
