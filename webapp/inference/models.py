"""Requests to detect on a user's own photos, and what was found."""

from django.conf import settings
from django.db import models

from webapp.datasets.models import Image
from webapp.leases import LeasedRow
from webapp.projects.models import Project
from webapp.training.models import TrainedModel


class DetectionRequest(LeasedRow):
    """Some photos for one detector: a trained model, or (without one) a pretrained base.

    A request without a project is "Try detection now" and belongs to its user alone.
    """

    project = models.ForeignKey(
        Project, null=True, on_delete=models.CASCADE, related_name="detection_requests"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="detection_requests"
    )
    model = models.ForeignKey(TrainedModel, null=True, on_delete=models.CASCADE, related_name="+")
    base = models.CharField(max_length=100, blank=True)
    score_threshold = models.FloatField(default=0.5, help_text="The detector's recommended one.")
    seconds = models.FloatField(null=True)

    class Meta:
        ordering = ["-created_at"]

    @property
    def prefix(self) -> str:
        return f"detect/{self.pk}"

    @property
    def detector_name(self) -> str:
        return str(self.model) if self.model_id else self.base


class DetectionPhoto(models.Model):
    request = models.ForeignKey(DetectionRequest, on_delete=models.CASCADE, related_name="photos")
    name = models.CharField(max_length=1024)
    bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    done = models.BooleanField(default=False)
    error = models.TextField(blank=True)
    seconds = models.FloatField(null=True)
    # Set once the photo was taken into a project for correction.
    image = models.ForeignKey(
        Image, null=True, on_delete=models.SET_NULL, related_name="detection_photos"
    )

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def original_path(self) -> str:
        return f"{self.request.prefix}/{self.pk}.original"

    @property
    def preview_path(self) -> str:
        """A JPEG, upright, at most 2048 px on its longer side."""
        return f"{self.request.prefix}/{self.pk}.preview.jpg"


class Detection(models.Model):
    """A box that a model found: absolute pixels of the upright photo, and its score."""

    photo = models.ForeignKey(DetectionPhoto, on_delete=models.CASCADE, related_name="detections")
    class_id = models.PositiveIntegerField()
    label = models.CharField(max_length=100)
    score = models.FloatField()
    # PostgreSQL keeps the names xmin and xmax for itself.
    xmin = models.FloatField(db_column="x_min")
    ymin = models.FloatField()
    xmax = models.FloatField(db_column="x_max")
    ymax = models.FloatField()

    class Meta:
        ordering = ["-score", "pk"]

    def __str__(self) -> str:
        return f"{self.label} {self.score:.2f}"
