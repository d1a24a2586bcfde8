from django.urls import path

from webapp.bases import views

app_name = "bases"
BASES = "projects/<int:project_id>/bases/"
urlpatterns = [
    path(BASES, views.bases, name="bases"),
    path(f"{BASES}arrivals/", views.arrivals, name="arrivals"),
    path(f"{BASES}arrivals/<int:arrival_id>/cancel/", views.cancel, name="cancel"),
    path(f"{BASES}<str:name>/fetch/", views.fetch, name="fetch"),
    path(f"{BASES}<str:name>/remove/", views.remove, name="remove"),
]
