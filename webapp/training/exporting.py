"""The forms that a model can be had in: those of its bundle, and those made when asked for."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from detection.exports.formats import FORMATS, ExportFormat
from webapp.leases import Status
from webapp.training.export_models import ModelExport
from webapp.training.models import TrainedModel
from workers import tasks
from workers.wake import wake

ACTIVE = [Status.QUEUED, Status.RUNNING]


@dataclass(frozen=True, slots=True)
class Offer:
    """A form that the bundle lacks. `why_not` says, where that is known, why it cannot be had."""

    form: ExportFormat
    latest: ModelExport | None
    why_not: str

    @property
    def is_active(self) -> bool:
        return self.latest is not None and self.latest.is_active

    @property
    def failure(self) -> str:
        failed = self.latest is not None and self.latest.status == Status.FAILED
        return self.latest.reason if self.latest and failed else ""


@dataclass(frozen=True, slots=True)
class Proof:
    """How an export agrees with the trained model: a row of exports.json, as the page shows it."""

    title: str
    boxes: int
    share: float | None
    lowest_iou: float
    median_iou: float | None
    score_difference: float
    ap: float | None
    ap_50: float | None
    tolerance: str


def offers_of(model: TrainedModel) -> list[Offer]:
    """What the model's bundle does not hold yet, in the order of the forms."""
    held = {item.get("path") for item in model.artefacts}
    latest: dict[str, ModelExport] = {}
    for row in model.exports.order_by("pk"):
        latest[row.form] = row
    refused = model.metrics.get("not_exported") or {}
    return [
        Offer(form, latest.get(form.name), str(refused.get(form.name, "")))
        for form in FORMATS.values()
        if form.path not in held
    ]


def ask_for(model: TrainedModel, form: ExportFormat, user: AbstractBaseUser) -> ModelExport:
    """Queue the export; the one that is under way already, where there is one."""
    with transaction.atomic():
        # Two clicks at once wait here for one another.
        TrainedModel.objects.select_for_update().get(pk=model.pk)
        active = model.exports.filter(form=form.name, status__in=ACTIVE).first()
        if active is not None:
            return active
        row = ModelExport.objects.create(model=model, form=form.name, created_by=user)
        wake(tasks.export_model, row)
    return row


def proofs_of(model: TrainedModel) -> list[Proof]:
    return [_proof(row) for row in model.metrics.get("exports") or []]


def exports_context(model: TrainedModel) -> dict[str, Any]:
    """What `training/_exports.html` shows."""
    offers = offers_of(model)
    return {
        "offers": offers,
        "exporting": any(offer.is_active for offer in offers),
        "proofs": proofs_of(model),
        "trained": trained_score(model),
    }


def trained_score(model: TrainedModel) -> dict[str, Any]:
    """The trained model's own AP on the images that its exports were compared on."""
    rows = model.metrics.get("exports") or [{}]
    return {
        "pictures": rows[0].get("pictures"),
        "ap": rows[0].get("trained_ap"),
        "ap_50": rows[0].get("trained_ap_50"),
    }


def _proof(row: dict[str, Any]) -> Proof:
    name, comma, rest = str(row["artefact"]).partition(",")
    title = FORMATS[name].title if name in FORMATS else name
    if name in FORMATS and FORMATS[name].takes_any_size:
        title += comma + rest if comma else ", same input"
    words = f"IoU {row['iou_tolerance']}, score ± {row['score_tolerance']}"
    share = row.get("share_tolerance")
    return Proof(
        title=title,
        boxes=row["boxes"],
        share=row.get("share"),
        lowest_iou=row["lowest_iou"],
        median_iou=row.get("median_iou"),
        score_difference=row["largest_score_difference"],
        ap=row.get("ap"),
        ap_50=row.get("ap_50"),
        tolerance=words if share is None else f"{share:.0%} within {words}",
    )
