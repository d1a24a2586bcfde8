"""Two models beside each other: by how much they differ, and whether that says which is better."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from webapp.datasets.manifests import Manifest
from webapp.datasets.models import DatasetRevision
from webapp.training.bases import base_title
from webapp.training.charts import on_scale
from webapp.training.labels_shown import ShownLabel
from webapp.training.measures import Measures, measures_of
from webapp.training.models import TrainedModel, TrainingRun

COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A score (0..1) of both models, and how much higher the first one's is."""

    title: str
    about: str
    one: float | None
    other: float | None
    interval: tuple[float, float] | None = None

    @property
    def difference(self) -> float | None:
        if self.one is None or self.other is None:
            return None
        return self.one - self.other


@dataclass(frozen=True, slots=True)
class LabelRow:
    """AP50 of one label; None where a model does not know it, or was not judged on it."""

    label: ShownLabel
    one: float | None
    other: float | None

    @property
    def difference(self) -> float | None:
        if self.one is None or self.other is None:
            return None
        return self.one - self.other

    @property
    def one_x(self) -> float:
        return on_scale(self.one or 0)

    @property
    def other_x(self) -> float:
        return on_scale(self.other or 0)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that both were trained or are used with."""

    title: str
    one: str
    other: str
    differs: bool


@dataclass(frozen=True)
class ModelComparison:
    """`one` beside `other`.

    Attributes:
        reasons: why their scores do not say which is better, in sentences; empty where both were
            judged on the same images, boxes and labels.
        ap_interval: of AP's difference on other such images; None where it is not known.
    """

    one: TrainedModel
    other: TrainedModel
    one_measures: Measures
    other_measures: Measures
    reasons: list[str]
    scores: list[ScoreRow]
    labels: list[LabelRow]
    facts: list[Fact] = field(default_factory=list)

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """Whose score says less than it seems to, and why: what holds of both is said once."""
        one, other = self.one_measures.warnings, self.other_measures.warnings
        return [
            *(("Both" if words in other else str(self.one), words) for words in one),
            *((str(self.other), words) for words in other if words not in one),
        ]

    @property
    def ap(self) -> ScoreRow:
        return self.scores[0]

    @property
    def verdict(self) -> str:
        """One of better, worse, close, unknown (how far luck goes) and apart (not comparable)."""
        if self.reasons or self.ap.difference is None:
            return "apart"
        if self.ap.interval is None:
            return "unknown"
        low, high = self.ap.interval
        return "better" if low > 0 else "worse" if high < 0 else "close"


def compare_models(one: TrainedModel, other: TrainedModel) -> ModelComparison:
    mine, theirs = measures_of(one), measures_of(other)
    reasons = list(_reasons(one, other))
    return ModelComparison(
        one=one,
        other=other,
        one_measures=mine,
        other_measures=theirs,
        reasons=reasons,
        scores=list(_scores(one, other, mine, theirs, comparable=not reasons)),
        labels=_labels(mine, theirs),
        facts=list(_facts(one, other)),
    )


def _reasons(one: TrainedModel, other: TrainedModel) -> Iterator[str]:
    before, after = other.run.revision, one.run.revision
    if before.sha256 != after.sha256:
        try:
            theirs, mine = _judged_on(before), _judged_on(after)
        except (OSError, ValueError):
            yield (
                f"The manifest of {before} or {after} cannot be read, so it is not known whether "
                "both were judged on the same images."
            )
            return
        yield from _other_images(one, other, mine, theirs)
    names, their_names = ({item["name"] for item in model.labels} for model in (one, other))
    for model, more in ((one, names - their_names), (other, their_names - names)):
        if more:
            yield (
                f"Only {model} knows {', '.join(sorted(more))}: AP is the mean over other labels."
            )


def _judged_on(revision: DatasetRevision) -> dict[str, bytes]:
    """A digest of the boxes of each validation image, by the hash of the photo."""
    with Manifest(revision) as manifest:
        return {
            entry["sha256"]: hashlib.sha256(json.dumps(entry["boxes"]).encode()).digest()
            for entry in manifest.images("val")
        }


def _other_images(
    one: TrainedModel, other: TrainedModel, mine: dict[str, bytes], theirs: dict[str, bytes]
) -> Iterator[str]:
    both = mine.keys() & theirs.keys()
    if mine.keys() != theirs.keys():
        yield (
            f"{one} was judged on {_images(len(mine))} of {one.run.revision}, {other} on "
            f"{_images(len(theirs))} of {other.run.revision}; {len(both)} are the same."
        )
    if changed := sum(mine[image] != theirs[image] for image in both):
        yield (
            f"The boxes of {_images(changed)} that both were judged on were changed between "
            f"{other.run.revision} and {one.run.revision}."
        )


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


def _scores(
    one: TrainedModel,
    other: TrainedModel,
    mine: Measures,
    theirs: Measures,
    *,
    comparable: bool,
) -> Iterator[ScoreRow]:
    for name, title, about in (
        ("map_50_95", "AP50–95", "boxes judged strictly"),
        ("map_50", "AP50", "a box counts from IoU 0.50 on"),
    ):
        yield ScoreRow(
            title,
            about,
            getattr(mine, name),
            getattr(theirs, name),
            _paired_interval(one.metrics, other.metrics, name) if comparable else None,
        )
    yield ScoreRow("AP75", "from IoU 0.75 on", mine.map_75, theirs.map_75)
    ours, others = mine.totals, theirs.totals
    if ours and others:
        yield ScoreRow("Precision", "of what it says is right", ours.precision, others.precision)
        yield ScoreRow("Recall", "of what is there is found", ours.recall, others.recall)


def _paired_interval(
    one: dict[str, Any], other: dict[str, Any], name: str
) -> tuple[float, float] | None:
    """Where the difference of a score lies on other such images, draw by draw.

    The bootstrap draws of two models are the same where their images are
    (`detection.evaluation.interval`), so that how hard the images are takes no part in it.
    """
    draws = [(metrics.get("resampled") or {}).get(name) or [] for metrics in (one, other)]
    if not draws[0] or len(draws[0]) != len(draws[1]):
        return None
    pairs = [(a, b) for a, b in zip(*draws, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile([a - b for a, b in pairs], [tail, 1 - tail])
    return float(low), float(high)


def _labels(mine: Measures, theirs: Measures) -> list[LabelRow]:
    ours = {score.label.name: score for score in mine.scores}
    others = {score.label.name: score for score in theirs.scores}
    rows = []
    for name in {**ours, **others}:
        score, other = ours.get(name), others.get(name)
        known = score or other
        assert known is not None
        rows.append(
            LabelRow(known.label, score.ap_50 if score else None, other.ap_50 if other else None)
        )
    return rows


def _facts(one: TrainedModel, other: TrainedModel) -> Iterator[Fact]:
    mine, theirs = one.run.revision, other.run.revision
    same = mine.sha256 == theirs.sha256
    also = ", the same content" if same and mine != theirs else ""
    yield Fact("Revision", f"{mine}{also}", str(theirs), not same)
    for title, value in (
        ("Images to learn from", lambda model: str(_learnt_from(model.run.revision))),
        ("Base", lambda model: base_title(model.base)),
        ("Image size", lambda model: f"{model.input_size} px"),
        ("Best epoch", lambda model: _epochs(model.run)),
        ("Changes", lambda model: model.run.changes),
        ("Pruning", lambda model: "on" if model.run.prune else "off"),
        ("Early end", lambda model: "on" if model.run.early_stop else "off"),
        ("Batch", lambda model: str(model.run.batch_size)),
        ("Seed", lambda model: str(model.run.seed)),
        ("Recommended threshold", lambda model: f"{100 * model.score_threshold:.0f} %"),
    ):
        yield Fact(title, value(one), value(other), value(one) != value(other))


def _learnt_from(revision: DatasetRevision) -> int | str:
    return revision.counts.get("splits", {}).get("train", {}).get("images", "–")


def _epochs(run: TrainingRun) -> str:
    if not run.best_epoch:
        return "–"
    return f"{run.best_epoch} of {run.epoch}" if run.epoch else str(run.best_epoch)
