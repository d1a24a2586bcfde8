"""Getting a base onto the machine: fetched, or added from a checkpoint that somebody gave."""

from django.conf import settings
from django.db import models

from webapp.leases import LeasedRow, Status

UNDER_WAY = (Status.QUEUED, Status.RUNNING)


class BaseArrival(LeasedRow):
    """One base on its way, from an address or from an upload. A worker takes it in."""

    MAX_ATTEMPTS = 2

    name = models.CharField(max_length=64)
    # Whether it is one that is built in: then the registry knows all the rest.
    built_in = models.BooleanField(default=False)
    title = models.CharField(max_length=100, blank=True)
    licence = models.CharField(max_length=100, blank=True)
    coco_ap = models.FloatField(null=True)
    url = models.CharField(max_length=1000, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    # An uploaded file's own name: only to be shown.
    file_name = models.CharField(max_length=200, blank=True)
    uploaded = models.BooleanField(default=False)
    has_config = models.BooleanField(default=False)
    said = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.title or self.name

    @property
    def checkpoint_path(self) -> str:
        """Where the uploaded checkpoint waits in the storage."""
        return f"bases/arrivals/{self.pk}/checkpoint.tar.gz"

    @property
    def config_path(self) -> str:
        return f"bases/arrivals/{self.pk}/pipeline.config"
