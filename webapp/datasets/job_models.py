"""Long jobs on a dataset that a worker does: exports that are kept, and changes of many images."""

from django.conf import settings
from django.db import models

from webapp.datasets.health_models import DatasetChange
from webapp.leases import LeasedRow


class DatasetJob(LeasedRow):
    """What the two kinds share: whose they are, and how far."""

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    num_found = models.PositiveIntegerField(default=0, help_text="Images to go through.")
    num_done = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True

    @property
    def fraction(self) -> float:
        return min(1.0, self.num_done / self.num_found) if self.num_found else 0.0


class DatasetExport(DatasetJob):
    """An export that a worker writes into the storage, where it is kept for some days."""

    project = models.ForeignKey(
        "projects.Project", on_delete=models.CASCADE, related_name="dataset_exports"
    )
    format = models.CharField(max_length=20, help_text="A key of detection.formats.registry.")
    pictures = models.BooleanField(default=True)
    choice = models.JSONField(
        default=dict, help_text="Which images: what `export_choice.choose` reads, as text."
    )
    about = models.CharField(max_length=200, help_text="What was chosen, in words.")
    file_name = models.CharField(max_length=255, blank=True)
    bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Export {self.pk}"

    @property
    def path(self) -> str:
        return f"projects/{self.project_id}/exports/{self.pk}.zip"


class DatasetWork(DatasetJob):
    """A change of many images that would take a request too long.

    `arguments` are those of the function that `kind` names (webapp/datasets/works.py); `said` is
    what came of it: {"done": sentence or "", "left": sentences}.
    """

    class Kind(models.TextChoices):
        FIX = "fix"
        DEAL = "deal"
        RESTORE = "restore"
        UNDO = "undo"

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="works")
    kind = models.CharField(max_length=7, choices=Kind.choices)
    arguments = models.JSONField(default=dict)
    words = models.CharField(max_length=200, help_text="What is being done.")
    change = models.ForeignKey(DatasetChange, null=True, on_delete=models.SET_NULL)
    said = models.JSONField(default=dict)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.words
