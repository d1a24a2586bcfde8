"""The forms that a model can be had in: those of its bundle, and those made when asked for."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from detection.bases import BASES
from detection.exports.formats import FORMATS, NOT_CARRIED, ExportFormat, refused_forms
from webapp.leases import Status
from webapp.training.bundle import Artefact, artefacts_of
from webapp.training.export_models import ModelExport
from webapp.training.models import TrainedModel
from workers import tasks
from workers.wake import wake

CHECKPOINT = "checkpoint"
ACTIVE = [Status.QUEUED, Status.RUNNING]


@dataclass(frozen=True, slots=True)
class Offer:
    """A form that the bundle lacks.

    Attributes:
        why_not: why the training could not make it, or why its kind of detector never can.
        is_possible: whether it is worth another try.
    """

    form: ExportFormat
    latest: ModelExport | None
    why_not: str
    is_possible: bool

    @property
    def is_active(self) -> bool:
        return self.latest is not None and self.latest.is_active

    @property
    def failure(self) -> str:
        failed = self.latest is not None and self.latest.status == Status.FAILED
        return self.latest.reason if self.latest and failed else ""


@dataclass(frozen=True, slots=True)
class Proof:
    """How an export agrees with the trained model: a row of exports.json, as the page shows it.

    Attributes:
        given: what it was fed with, where a form is compared in two ways.
        share: of the trained model's boxes, how many it finds within the tolerance.
        tolerance: the IoU that it must have and the difference that a score may have.
        trained_ap: the trained model's own AP when this form was compared. An export that is made
            after an upgrade may find it a little different.
    """

    given: str
    boxes: int
    share: float | None
    least_share: float
    lowest_iou: float
    score_difference: float
    tolerance: tuple[float, float]
    ap: float | None
    ap_50: float | None
    trained_ap: float | None


@dataclass(frozen=True, slots=True)
class FormRow:
    """A form on the model's page: to be had (`artefact`, and how it was compared), or an offer."""

    form: ExportFormat
    artefact: Artefact | None
    proofs: list[Proof]
    offer: Offer | None


def offers_of(model: TrainedModel) -> list[Offer]:
    """What the model's bundle does not hold yet, in the order of the forms."""
    held = {item.get("path") for item in model.artefacts}
    latest: dict[str, ModelExport] = {}
    for row in model.exports.order_by("pk"):
        latest[row.form] = row
    kind = _architecture(model)
    refused = refused_forms(kind, model.metrics.get("not_exported"))
    return [
        Offer(
            form,
            latest.get(form.name),
            str(refused.get(form.name, "")),
            is_possible=form.name not in NOT_CARRIED.get(kind, {}),
        )
        for form in FORMATS.values()
        if form.path not in held
    ]


def _architecture(model: TrainedModel) -> str:
    """The kind of detector; a base that was removed since no longer tells it."""
    base = BASES.get(model.base)
    return str(model.metrics.get("architecture") or (base.architecture if base else ""))


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


def exports_context(model: TrainedModel) -> dict[str, Any]:
    """What `training/_exports.html` shows."""
    offers = {offer.form.name: offer for offer in offers_of(model)}
    artefacts = {artefact.path: artefact for artefact in artefacts_of(model)}
    checkpoint = artefacts.pop(CHECKPOINT, None)
    forms = [
        FormRow(form, artefacts.pop(form.path, None), _proofs(model, form), offers.get(form.name))
        for form in FORMATS.values()
    ]
    return {
        "model": model,
        "forms": forms,
        "exporting": any(offer.is_active for offer in offers.values()),
        "checkpoint": checkpoint,
        "trained": trained_score(model),
        "other_files": list(artefacts.values()),
    }


def trained_score(model: TrainedModel) -> dict[str, Any]:
    """The trained model's own AP on the images that its exports were compared on."""
    rows = model.metrics.get("exports") or [{}]
    return {
        "pictures": rows[0].get("pictures"),
        "ap": rows[0].get("trained_ap"),
        "ap_50": rows[0].get("trained_ap_50"),
    }


def _proofs(model: TrainedModel, form: ExportFormat) -> list[Proof]:
    """The comparisons of one form; how it is used, with its own resize, first."""
    found = []
    for row in model.metrics.get("exports") or []:
        name, comma, _ = str(row["artefact"]).partition(",")
        if name == form.name:
            own_resize = form.takes_any_size and bool(comma)
            found.append((not own_resize, _proof(row, form, own_resize)))
    return [proof for _, proof in sorted(found, key=lambda one: one[0])]


def _proof(row: dict[str, Any], form: ExportFormat, own_resize: bool) -> Proof:
    given = ""
    if form.takes_any_size:
        given = "photos of any size" if own_resize else "photos that are scaled already"
    return Proof(
        given=given,
        boxes=row["boxes"],
        share=row.get("share"),
        least_share=row.get("share_tolerance", 1.0),
        lowest_iou=row["lowest_iou"],
        score_difference=row["largest_score_difference"],
        tolerance=(row["iou_tolerance"], row["score_tolerance"]),
        ap=row.get("ap"),
        ap_50=row.get("ap_50"),
        trained_ap=row.get("trained_ap"),
    )
