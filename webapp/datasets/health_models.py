"""What a health check keeps: facts of each photo's file, findings, and fixes with their undo."""

from django.conf import settings
from django.db import models

from webapp.leases import LeasedRow


class PhotoFacts(models.Model):
    """What the file of an image is like; found once, as neither the file nor the facts change.

    `orientation` is the EXIF value 1..8; `mode` is Pillow's word for the colours. The perceptual
    hash has 64 hexadecimal digits, or none for a plain surface (`detection.near_duplicates`).
    """

    image = models.OneToOneField(
        "datasets.Image", primary_key=True, on_delete=models.CASCADE, related_name="facts"
    )
    orientation = models.PositiveSmallIntegerField(default=1)
    mode = models.CharField(max_length=24, blank=True)
    num_frames = models.PositiveIntegerField(default=1)
    perceptual_hash = models.CharField(max_length=64, blank=True)
    refused = models.TextField(blank=True, help_text="Why the file could not be read.")

    def __str__(self) -> str:
        return f"Facts of image {self.pk}"


class HealthCheck(LeasedRow):
    """One answer to "will this train?", with what was found at that moment.

    `results` is a list of {"key", "severity", "title", "why", "action", "count", "num_fixes",
    "findings"}, in the order of the checks; findings past a limit are only counted.
    """

    project = models.ForeignKey(
        "projects.Project", on_delete=models.CASCADE, related_name="health_checks"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    num_found = models.PositiveIntegerField(default=0, help_text="Photos to look at.")
    num_done = models.PositiveIntegerField(default=0)
    results = models.JSONField(default=list)
    state_key = models.CharField(
        max_length=64, blank=True, help_text="Of what was checked; another one means it changed."
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Check {self.pk}"

    @property
    def fraction(self) -> float:
        return self.num_done / self.num_found if self.num_found else 0.0


class DatasetChange(models.Model):
    """Something that was done to many images at once, and can be taken back as a whole.

    `changes` is {"operations": [[image id, the revision it made]], "splits": [[image id, before,
    after]], "groups": [[image id, before, after]], "trashed": [image id], "untrashed": [image
    id]}; boxes themselves stand in the histories.
    """

    project = models.ForeignKey(
        "projects.Project", on_delete=models.CASCADE, related_name="dataset_changes"
    )
    words = models.CharField(max_length=200)
    changes = models.JSONField(default=dict)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.words
