from django.urls import path

from webapp import errors

app_name = "inference"
urlpatterns = [
    path("detect/", errors.not_found, {"exception": Exception()}, name="try"),
    path("detect/<int:request_id>/", errors.not_found, {"exception": Exception()}, name="try_request"),
    path("detect/<int:request_id>/progress/", errors.not_found, {"exception": Exception()}, name="try_progress"),
    path("detect/<int:request_id>/photos/<int:photo_id>/preview", errors.not_found, {"exception": Exception()}, name="try_preview"),
    path("detect/<int:request_id>/photos/<int:photo_id>/drawn.jpg", errors.not_found, {"exception": Exception()}, name="try_drawn"),
    path("detect/<int:request_id>/detections.json", errors.not_found, {"exception": Exception()}, name="try_json"),
    path("projects/<int:project_id>/detect/", errors.not_found, {"exception": Exception()}, name="detect"),
    path("projects/<int:project_id>/detect/<int:request_id>/", errors.not_found, {"exception": Exception()}, name="request"),
    path("projects/<int:project_id>/detect/<int:request_id>/progress/", errors.not_found, {"exception": Exception()}, name="progress"),
    path("projects/<int:project_id>/detect/<int:request_id>/photos/", errors.not_found, {"exception": Exception()}, name="photos"),
    path("projects/<int:project_id>/detect/<int:request_id>/photos/<int:photo_id>/preview", errors.not_found, {"exception": Exception()}, name="preview"),
    path("projects/<int:project_id>/detect/<int:request_id>/photos/<int:photo_id>/drawn.jpg", errors.not_found, {"exception": Exception()}, name="drawn"),
    path("projects/<int:project_id>/detect/<int:request_id>/photos/<int:photo_id>/correct/", errors.not_found, {"exception": Exception()}, name="correct"),
    path("projects/<int:project_id>/detect/<int:request_id>/detections.json", errors.not_found, {"exception": Exception()}, name="json"),
]
