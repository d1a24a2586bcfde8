from django.urls import path

from webapp.labeling import views

app_name = "labeling"
urlpatterns = [
    path("projects/<int:project_id>/label/", views.next_image, name="next"),
    path("projects/<int:project_id>/week/", views.week, name="week"),
    path("projects/<int:project_id>/numbers/", views.numbers, name="numbers"),
    path("projects/<int:project_id>/review-rule/", views.review_rule, name="review_rule"),
    path("projects/<int:project_id>/label/<int:image_id>/", views.editor, name="editor"),
]
