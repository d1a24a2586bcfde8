"""Images, imports that bring them, and frozen revisions of them."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from webapp.leases import LeasedRow, LeaseLost, Status
from webapp.projects.models import Project


class Split(models.TextChoices):
    TRAIN = "train", "train"
    VAL = "val", "val"
    TEST = "test", "test"


class ImageImport(LeasedRow):
    """One upload: its files, how far it is, and the report of what was taken and what was not."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    name = models.CharField(max_length=255)
    format = models.CharField(max_length=50, blank=True, help_text="Found inside, e.g. Pascal VOC.")
    split = models.CharField(max_length=5, choices=Split.choices, blank=True)
    num_found = models.PositiveIntegerField(default=0, help_text="Photos found in the files.")
    num_done = models.PositiveIntegerField(default=0, help_text="Photos dealt with so far.")
    num_taken = models.PositiveIntegerField(default=0)
    num_known = models.PositiveIntegerField(default=0, help_text="Already in the project.")
    num_refused = models.PositiveIntegerField(default=0)
    num_boxes = models.PositiveIntegerField(default=0)
    num_passed = models.PositiveIntegerField(
        default=0,
        help_text="Photos and lone annotation files that are dealt with for good, in order over "
        "all files: where another worker goes on.",
    )
    fingerprint = models.CharField(
        max_length=64, blank=True, help_text="Of the files' names, sizes and times, by the browser."
    )
    preview = models.JSONField(
        null=True, help_text="What was found inside; a draft that has one waits for an answer."
    )
    plan = models.JSONField(null=True, help_text="The answer: an ImportPlan as JSON.")
    place = models.JSONField(
        null=True, help_text="Where the files lie already, as a Place: nothing was uploaded."
    )

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def staging_prefix(self) -> str:
        return f"projects/{self.project_id}/imports/{self.pk}"

    @property
    def fraction(self) -> float:
        return self.num_done / self.num_found if self.num_found else 0.0

    @property
    def needs_answer(self) -> bool:
        """Whether it waits for its user to look at what was found."""
        return self.status == Status.DRAFT and self.preview is not None and self.plan is None

    def ask(self) -> None:
        """Put it back to its user, with the preview that was written, and give up the lease."""
        asked = self.held().update(
            status=Status.DRAFT,
            attempt=F("attempt") - 1,
            lease_token=None,
            lease_until=None,
            sent_at=None,
        )
        if not asked:
            raise LeaseLost

    def answer(self, plan: dict[str, Any]) -> bool:
        """Queue it with the user's choices. False where it no longer waits for any."""
        waiting = ImageImport.objects.filter(
            pk=self.pk, status=Status.DRAFT, preview__isnull=False, plan__isnull=True
        )
        return bool(waiting.update(plan=plan, status=Status.QUEUED))

    def submit(self) -> bool:
        """All files are here: queue the import. False where it was queued or cancelled before."""
        return bool(
            ImageImport.objects.filter(pk=self.pk, status=Status.DRAFT).update(status=Status.QUEUED)
        )


class ImportFile(models.Model):
    """One uploaded file, staged in the storage until its import is done."""

    image_import = models.ForeignKey(ImageImport, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=1024, help_text="The user's name for it, relative, as text.")
    bytes = models.PositiveBigIntegerField(help_text="Stored so far.")
    declared_bytes = models.PositiveBigIntegerField(
        null=True, help_text="Of a resumable upload: how long it will be."
    )
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_whole(self) -> bool:
        return self.declared_bytes in (None, self.bytes)

    @property
    def path(self) -> str:
        return f"{self.image_import.staging_prefix}/{self.pk}"


class ImportProblem(models.Model):
    """One sentence of an import's report."""

    class Severity(models.TextChoices):
        NOTE = "note", "Note"
        MENDED = "mended", "Mended"
        REFUSED = "refused", "Left out"

    image_import = models.ForeignKey(ImageImport, on_delete=models.CASCADE, related_name="problems")
    file = models.CharField(max_length=1024)
    message = models.TextField()
    severity = models.CharField(max_length=8, choices=Severity.choices)
    image = models.ForeignKey("Image", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


class ImageQuerySet(models.QuerySet["Image"]):
    def kept(self) -> "ImageQuerySet":
        """Images that are not in the trash."""
        return self.filter(trashed_at=None)


class Image(models.Model):
    """A photo as uploaded, with a preview and a thumbnail.

    `width` and `height` are of the upright picture (after EXIF transpose); so is every box.
    """

    class State(models.TextChoices):
        NEW = "new", "New"
        IN_PROGRESS = "in_progress", "Started"
        DONE = "done", "Done"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="images")
    name = models.CharField(max_length=1024)
    sha256 = models.CharField(max_length=64)
    format = models.CharField(max_length=10, help_text="True format: jpeg, png, webp …")
    bytes = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    state = models.CharField(max_length=11, choices=State.choices, default=State.NEW)
    revision = models.PositiveIntegerField(default=0)
    split = models.CharField(max_length=5, choices=Split.choices, blank=True)
    group = models.CharField(max_length=200, blank=True)
    box_count = models.PositiveIntegerField(default=0)
    suggestion_count = models.PositiveIntegerField(default=0)
    image_import = models.ForeignKey(
        ImageImport, null=True, on_delete=models.SET_NULL, related_name="images"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True)
    trashed_at = models.DateTimeField(null=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "sha256"], name="a_photo_once_a_project")
        ]
        indexes = [models.Index(fields=["project", "trashed_at", "state"])]

    def __str__(self) -> str:
        return self.name

    def _path(self, kind: str) -> str:
        return f"projects/{self.project_id}/images/{self.sha256[:2]}/{self.sha256}.{kind}"

    @property
    def original_path(self) -> str:
        return self._path("original")

    @property
    def preview_path(self) -> str:
        """A JPEG, upright, at most 2048 px on its longer side."""
        return self._path("preview.jpg")

    @property
    def thumbnail_path(self) -> str:
        """A JPEG, upright, at most 480 px on its longer side."""
        return self._path("thumbnail.jpg")

    @property
    def is_negative(self) -> bool:
        return self.state == self.State.DONE and self.box_count == 0

    def count_boxes(self) -> None:
        """Bring the denormalised counts in line with the annotations."""
        counts = self.annotations.aggregate(
            active=models.Count("pk", filter=Q(status="active")),
            suggested=models.Count("pk", filter=Q(status="suggested")),
        )
        self.box_count, self.suggestion_count = counts["active"], counts["suggested"]
        self.save(update_fields=["box_count", "suggestion_count"])

    def set_state(self, state: str) -> None:
        self.state = state
        self.done_at = timezone.now() if state == self.State.DONE else None
        self.save(update_fields=["state", "done_at"])


class DatasetRevision(models.Model):
    """Immutable: which images with which boxes and labels, in which split.

    The manifest (JSON, in the storage, named by its SHA-256) is the truth; the columns repeat
    what pages show.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=100, blank=True)
    sha256 = models.CharField(max_length=64)
    seed = models.BigIntegerField(default=0)
    num_images = models.PositiveIntegerField()
    num_boxes = models.PositiveIntegerField()
    counts = models.JSONField(
        default=dict,
        help_text='{"splits": {"train": {"images", "boxes"}}, '
        '"labels": [{"id", "name", "train", "val", "test"}]}',
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="revision_number_once")
        ]

    def __str__(self) -> str:
        return f"r{self.number}"

    @property
    def manifest_path(self) -> str:
        return f"projects/{self.project_id}/revisions/{self.sha256}.json"


# Django looks for an app's models here.
from webapp.datasets import health_models, job_models  # noqa: E402, F401
