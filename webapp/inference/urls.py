from django.urls import path

from webapp.inference.views import photo, request

app_name = "inference"
TRY = "detect/<int:request_id>/"
IN = "projects/<int:project_id>/detect/<int:request_id>/"
PHOTO = "photos/<int:photo_id>/"
urlpatterns = [
    path("detect/", request.detect, name="try"),
    path(TRY, request.show, name="try_request"),
    path(f"{TRY}progress/", request.progress, name="try_progress"),
    path(f"{TRY}photos/", request.photos, name="try_photos"),
    path(f"{TRY}again/", request.again, name="try_again"),
    path(f"{TRY}detections.json", request.as_json, name="try_json"),
    path(f"{TRY}{PHOTO}preview", photo.preview, name="try_preview"),
    path(f"{TRY}{PHOTO}thumbnail", photo.thumbnail, name="try_thumbnail"),
    path(f"{TRY}{PHOTO}drawn.jpg", photo.drawn, name="try_drawn"),
    path(f"{TRY}{PHOTO}correct/", photo.correct, name="try_correct"),
    path("projects/<int:project_id>/detect/", request.detect, name="detect"),
    path(IN, request.show, name="request"),
    path(f"{IN}progress/", request.progress, name="progress"),
    path(f"{IN}photos/", request.photos, name="photos"),
    path(f"{IN}again/", request.again, name="again"),
    path(f"{IN}detections.json", request.as_json, name="json"),
    path(f"{IN}{PHOTO}preview", photo.preview, name="preview"),
    path(f"{IN}{PHOTO}thumbnail", photo.thumbnail, name="thumbnail"),
    path(f"{IN}{PHOTO}drawn.jpg", photo.drawn, name="drawn"),
    path(f"{IN}{PHOTO}correct/", photo.correct, name="correct"),
]
