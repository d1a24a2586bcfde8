"""Annotations, the operations that made them, what was deleted, and what a review says."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from webapp.datasets.models import Image
from webapp.projects.models import Label, Project


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
    # PostgreSQL keeps the names xmin and xmax for itself.
    xmin = models.FloatField(db_column="x_min")
    ymin = models.FloatField()
    xmax = models.FloatField(db_column="x_max")
    ymax = models.FloatField()
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.ACTIVE)
    source = models.CharField(max_length=6, choices=Source.choices, default=Source.HUMAN)
    score = models.FloatField(null=True)
    difficult = models.BooleanField(default=False)
    truncated = models.BooleanField(default=False)
    crowd = models.BooleanField(
        default=False, db_default=False, help_text="Around many things at once; not trained."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
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


class DeletedBox(models.Model):
    """A box that somebody deleted, until it is brought back: the trash of an image."""

    id = models.UUIDField(primary_key=True, help_text="The annotation's, which it gets back.")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="deleted_boxes")
    label = models.ForeignKey(Label, on_delete=models.CASCADE, related_name="+")
    fields = models.JSONField(help_text="The annotation's other fields.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    deleted_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-deleted_at", "id"]

    def __str__(self) -> str:
        return f"Deleted box {self.pk}"


class Operation(models.Model):
    """One accepted edit of an image. It makes a repeated request harmless, and is the history.

    `changes` is {"upserts": [...], "deletes": [...], "before": [...], "state": ...}: what was
    asked and how the touched annotations stood before. `summary` says it in counts (changes.py).
    """

    class Kind(models.TextChoices):
        EDIT = "edit"
        RESTORE = "restore"
        MERGE = "merge"
        BULK = "bulk"
        REVIEW = "review"

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="operations")
    op_id = models.UUIDField(default=uuid.uuid4)
    revision = models.PositiveIntegerField(help_text="The image's revision that it made.")
    kind = models.CharField(max_length=7, choices=Kind.choices, default=Kind.EDIT)
    changes = models.JSONField(default=dict)
    summary = models.JSONField(default=dict)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["user", "created_at"])]
        constraints = [
            models.UniqueConstraint(fields=["image", "op_id"], name="operation_applied_once")
        ]

    def __str__(self) -> str:
        return f"Operation that made revision {self.revision}"


class ImageReview(models.Model):
    """What a review says of an image. A done image without one waits for it."""

    class Verdict(models.TextChoices):
        FLAGGED = "flagged", "Flagged"
        SENT_BACK = "sent_back", "Sent back"
        ACCEPTED = "accepted", "Accepted"

    image = models.OneToOneField(Image, on_delete=models.CASCADE, related_name="review")
    verdict = models.CharField(max_length=9, choices=Verdict.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["verdict"])]

    def __str__(self) -> str:
        return f"Image {self.image_id}: {self.verdict}"


class ReviewRule(models.Model):
    """Who may accept and send back in a project. Without a row: its owners."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="review_rule")
    by_annotators = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"Project {self.project_id}: {'annotators' if self.by_annotators else 'owners'}"


class Comment(models.Model):
    """A remark on an image, or on one of its boxes; open until somebody resolves it."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="comments")
    # No foreign key: the box may be in the trash, and come back.
    annotation_id = models.UUIDField(null=True)
    text = models.TextField(max_length=2000)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text[:80]


class Presence(models.Model):
    """A page that has an image open; it says so every few seconds."""

    page = models.UUIDField(primary_key=True, help_text="Made by the page, for its life.")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="presences")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"Page {self.page} on image {self.image_id}"
