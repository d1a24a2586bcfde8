"""Training runs, what they measured, and the models that they made."""

from django.conf import settings
from django.db import models

from webapp.datasets.models import DatasetRevision
from webapp.leases import LeasedRow
from webapp.projects.models import Project

# The random changes of the training images, by their fields.
CHANGE_WORDS = {
    "flip": "mirroring",
    "vertical_flip": "upside down",
    "crop": "cropping",
    "colour": "colour",
    "mosaic": "mosaic",
}


class TrainingRun(LeasedRow):
    """One fine-tuning of a base on a frozen revision."""

    class Phase(models.TextChoices):
        WAITING = "waiting", "Waiting"
        PREPARING = "preparing", "Preparing"
        TRAINING = "training", "Training"
        EVALUATING = "evaluating", "Evaluating"
        EXPORTING = "exporting", "Exporting"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField()
    revision = models.ForeignKey(DatasetRevision, on_delete=models.PROTECT, related_name="runs")
    base = models.CharField(max_length=100)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Neither given: the engine chooses the epochs from the number of images.
    epochs_asked = models.PositiveIntegerField(null=True)
    minutes_asked = models.PositiveIntegerField(null=True)
    # Not given: chosen by the boxes' sizes; `input_size` is what that comes to.
    input_size_asked = models.PositiveIntegerField(null=True)
    input_size = models.PositiveIntegerField(default=300)
    batch_size = models.PositiveIntegerField(default=8)
    seed = models.BigIntegerField(default=0)
    # The random changes that the images go through.
    flip = models.BooleanField(default=True)
    vertical_flip = models.BooleanField(default=False)
    crop = models.BooleanField(default=True)
    colour = models.BooleanField(default=True)
    mosaic = models.BooleanField(default=False)
    # Leave out channels of the base that the images hardly use.
    prune = models.BooleanField(default=True)
    early_stop = models.BooleanField(default=True)

    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.WAITING)
    # Of the whole run, from `started_at` on.
    forecast_seconds = models.FloatField(null=True)
    forecast_memory = models.PositiveBigIntegerField(null=True)
    epoch = models.PositiveIntegerField(default=0)
    epochs = models.PositiveIntegerField(null=True)
    step = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField(null=True)
    fraction = models.FloatField(default=0)
    loss = models.FloatField(null=True)
    learning_rate = models.FloatField(null=True)
    images_per_second = models.FloatField(null=True)
    # The share of the time that steps wait for data.
    waiting = models.FloatField(null=True)
    memory_bytes = models.PositiveBigIntegerField(null=True)
    seconds_left = models.FloatField(null=True)
    best_epoch = models.PositiveIntegerField(null=True)
    best_map_50 = models.FloatField(null=True)
    best_map_50_95 = models.FloatField(null=True)
    worst = models.JSONField(default=list)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="run_number_once")
        ]

    def __str__(self) -> str:
        return f"Run {self.number}"

    @property
    def changes(self) -> str:
        """How the training images are changed, in words."""
        made = [words for name, words in CHANGE_WORDS.items() if getattr(self, name)]
        return ", ".join(made) or "none"


class EpochMetrics(models.Model):
    """What was measured at the end of an epoch. Scores are null where it was not evaluated."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="epoch_metrics")
    epoch = models.PositiveIntegerField()
    loss = models.FloatField(null=True)
    val_loss = models.FloatField(null=True)
    map_50 = models.FloatField(null=True)
    map_50_95 = models.FloatField(null=True)
    per_label = models.JSONField(default=dict)
    best = models.BooleanField(default=False)
    seconds = models.FloatField(null=True)

    class Meta:
        ordering = ["epoch"]
        constraints = [models.UniqueConstraint(fields=["run", "epoch"], name="epoch_once_a_run")]

    def __str__(self) -> str:
        return f"Epoch {self.epoch}"


class LogLine(models.Model):
    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="log_lines")
    at = models.DateTimeField(auto_now_add=True)
    text = models.CharField(max_length=1000)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text


class TrainedModel(models.Model):
    """Exported artefacts with the label map, threshold, metrics and revision behind them."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="models")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=100, blank=True)
    run = models.OneToOneField(TrainingRun, on_delete=models.PROTECT, related_name="model")
    base = models.CharField(max_length=100)
    input_size = models.PositiveIntegerField()
    labels = models.JSONField(default=list)
    score_threshold = models.FloatField(default=0.5)
    map_50 = models.FloatField(null=True)
    map_50_95 = models.FloatField(null=True)
    metrics = models.JSONField(default=dict)
    artefacts = models.JSONField(default=list)
    bytes = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="model_number_once")
        ]

    def __str__(self) -> str:
        return self.name or f"Model {self.number}"

    @property
    def storage_prefix(self) -> str:
        """Where the bundle lies in the storage (the run directory's `model/`)."""
        return f"projects/{self.project_id}/runs/{self.run_id}/model"


# Django looks for an app's models here.
from webapp.training import export_models  # noqa: E402, F401
