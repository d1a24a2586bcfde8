"""An export that somebody asked for on a model's page."""

from django.conf import settings
from django.db import models

from webapp.leases import LeasedRow


class ModelExport(LeasedRow):
    """One form of a model, made beside its bundle by a worker. `form` is a name of
    `detection.exports.formats.FORMATS`; `phase` says in words what is being done."""

    model = models.ForeignKey(
        "training.TrainedModel", on_delete=models.CASCADE, related_name="exports"
    )
    form = models.CharField(max_length=30)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    phase = models.CharField(max_length=200, blank=True)
    fraction = models.FloatField(default=0)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.form} of {self.model}"
