"""Make a model of a finished run: its bundle in the storage, its row in the database."""

import json
from pathlib import Path

from django.db import transaction
from django.db.models import Max

from webapp.leases import LeaseLost
from webapp.projects.models import Project
from webapp.storage import store_folder
from webapp.training.models import TrainedModel, TrainingRun
from webapp.training.progress import with_image_ids


def publish_model(run: TrainingRun, bundle: Path) -> TrainedModel:
    """Store the bundle (a folder with model.json), then show it. Harmless when repeated."""
    facts = json.loads((bundle / "model.json").read_text(encoding="utf-8"))
    metrics = json.loads((bundle / "metrics.json").read_text(encoding="utf-8"))
    metrics["worst"] = with_image_ids(run, metrics.get("worst") or [])
    metrics["architecture"] = facts.get("architecture", "ssd")
    metrics["not_exported"] = facts.get("not_exported") or {}
    model = TrainedModel.objects.filter(run=run).first() or TrainedModel(
        project_id=run.project_id, run=run
    )
    # Files first: a model that is shown has all of them.
    store_folder(bundle, model.storage_prefix)
    model.base = facts["base"]
    model.input_size = facts["input_size"]
    model.labels = facts["labels"]
    model.score_threshold = facts["score_threshold"]
    model.map_50 = facts.get("map_50")
    model.map_50_95 = facts.get("map_50_95")
    model.metrics = metrics
    model.artefacts = facts.get("artefacts") or []
    model.bytes = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    with transaction.atomic():
        if not run.held().exists():
            raise LeaseLost
        Project.objects.select_for_update().get(pk=run.project_id)
        if model.pk is None:
            last = TrainedModel.objects.filter(project=run.project_id).aggregate(last=Max("number"))
            model.number = (last["last"] or 0) + 1
        model.save()
    return model
