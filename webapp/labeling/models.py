"""Annotations, and the operations that made them."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from webapp.datasets.models import Image
from webapp.projects.models import Label


class Annotation(models.Model):
    """A box on an image: absolute pixels of the upright picture."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUGGESTED = "suggested"
        REJECTED = "rejected"

    class Source(models.TextChoices):
        HUMAN = "human"
        IMPORT = "import"
        MODEL = "model"
        COPIED = "copied"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="annotations")
    label = models.ForeignKey(Label, on_delete=models.PROTECT, related_name="annotations")
    xmin = models.FloatField()
    ymin = models.FloatField()
    xmax = models.FloatField()
    ymax = models.FloatField()
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.ACTIVE)
    source = models.CharField(max_length=6, choices=Source.choices, default=Source.HUMAN)
    score = models.FloatField(null=True)
    difficult = models.BooleanField(default=False)
    truncated = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [models.Index(fields=["label", "status"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(xmin__gte=0, ymin__gte=0, xmin__lt=F("xmax"), ymin__lt=F("ymax")),
                name="box_has_area",
            )
        ]

    def __str__(self) -> str:
        return f"Box from {self.xmin:.0f}, {self.ymin:.0f} to {self.xmax:.0f}, {self.ymax:.0f}"


class Operation(models.Model):
    """One accepted edit of an image. It makes a repeated request harmless, and is the history.

    `changes` is {"upserts": [...], "deletes": [...], "before": [...], "state": ...}: what was
    asked and how the touched annotations stood before.
    """

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="operations")
    op_id = models.UUIDField()
    revision = models.PositiveIntegerField(help_text="The image's revision that it made.")
    changes = models.JSONField(default=dict)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["image", "op_id"], name="operation_applied_once")
        ]

    def __str__(self) -> str:
        return f"Operation that made revision {self.revision}"
