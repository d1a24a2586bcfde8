"""What can detect: a project's models, newest first, and the pretrained bases."""

from dataclasses import dataclass

from webapp.projects.models import Project
from webapp.training.bases import OfferedBase, offered_bases
from webapp.training.models import TrainedModel


@dataclass(frozen=True, slots=True)
class Detector:
    """One choice. `key` is the model's id or the base's name."""

    key: str
    name: str
    about: str
    model: TrainedModel | None = None
    base: str = ""


def detectors_of(project: Project | None) -> list[Detector]:
    """The detectors that are offered; the first is the default."""
    found = []
    for model in project.models.all() if project else ():
        score = f"AP50 {100 * model.map_50:.1f} %" if model.map_50 is not None else "not judged"
        found.append(Detector(str(model.pk), str(model), score, model=model))
    for base in offered_bases():
        # The suggested one is told of before it is there: it needs no training.
        if base.num_labels and (base.present or base.suggested):
            about = f"{base.title} on COCO: people, animals, cars, cups"
            if not base.present:
                about += f". Not on this machine yet: ./boxloop bases --fetch {base.name}"
            found.append(Detector(base.name, base_name(base), about, base=base.name))
    return found


def detector_named(project: Project | None, key: str) -> Detector | None:
    """The detector of that key, the default for an empty one, or None."""
    offered = detectors_of(project)
    if not key:
        return offered[0] if offered else None
    return next((one for one in offered if one.key == key), None)


def base_name(base: OfferedBase) -> str:
    """A base as a detector: named for what it finds."""
    finds = f"{base.num_labels} everyday things"
    return finds if base.suggested else f"{finds}, {base.title}"


def detector_title(model: TrainedModel | None, base: str) -> str:
    if model:
        return str(model)
    return next((base_name(one) for one in offered_bases() if one.name == base), base)
