"""What a person chooses before a run starts."""

from typing import Any

from django import forms

from detection.bases import BASES
from webapp.projects.models import Project
from webapp.training.models import CHANGE_WORDS

MAX_SEED = 2**31 - 1
MAX_MINUTES = 7 * 24 * 60
MAX_EPOCHS = 10_000
MAX_BATCH = 256
AUTO = "auto"
INPUT_SIZES = [
    (AUTO, "Automatic"),
    (300, "300 px"),
    (384, "384 px"),
    (448, "448 px, finds smaller things"),
    (512, "512 px, smallest things, slowest"),
]
NOW = "now"
CHANGES = (*CHANGE_WORDS, "prune")
SWITCHES = (*CHANGES, "early_stop")


class TrainForm(forms.Form):
    """A new run. Every field has a value that is right for most."""

    LENGTHS = [("auto", "Automatic"), ("minutes", "Minutes"), ("epochs", "Epochs")]

    revision = forms.ChoiceField(required=False)
    base = forms.ChoiceField(error_messages={"invalid_choice": "There is no base %(value)s here."})
    length = forms.ChoiceField(choices=LENGTHS, initial="auto", required=False)
    minutes = forms.IntegerField(required=False, min_value=1, max_value=MAX_MINUTES, initial=5)
    epochs = forms.IntegerField(required=False, min_value=1, max_value=MAX_EPOCHS, initial=40)
    input_size = forms.ChoiceField(choices=INPUT_SIZES, initial=AUTO, required=False)
    batch_size = forms.IntegerField(required=False, min_value=1, max_value=MAX_BATCH)
    seed = forms.IntegerField(required=False, min_value=0, max_value=MAX_SEED, initial=0)
    flip = forms.BooleanField(required=False, initial=True)
    vertical_flip = forms.BooleanField(required=False, initial=False)
    crop = forms.BooleanField(required=False, initial=True)
    colour = forms.BooleanField(required=False, initial=True)
    mosaic = forms.BooleanField(required=False, initial=False)
    prune = forms.BooleanField(required=False, initial=True)
    early_stop = forms.BooleanField(required=False, initial=True)

    def __init__(self, project: Project, bases: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.revisions = {str(one.pk): one for one in project.revisions.all()}
        chosen: Any = self.fields["revision"]
        chosen.choices = [(NOW, NOW), *((key, key) for key in self.revisions)]
        chosen.error_messages["invalid_choice"] = "That revision is not in this project."
        offered: Any = self.fields["base"]
        offered.choices = [(name, name) for name in bases]
        self.fields["base"].initial = bases[0] if bases else None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["length"] = cleaned.get("length") or "auto"
        for unit in ("minutes", "epochs"):
            if cleaned["length"] != unit:
                cleaned[unit] = None
                self.errors.pop(unit, None)
            elif cleaned.get(unit) is None and unit not in self.errors:
                self.add_error(unit, f"Say how many {unit}, or choose Automatic.")
        return cleaned

    def settings(self) -> dict[str, Any]:
        """The keyword arguments of `start_run`."""
        data = self.cleaned_data
        base = BASES[data["base"]]
        return {
            "revision": self.revisions.get(data["revision"]),
            "base": data["base"],
            "epochs": data["epochs"],
            "minutes": data["minutes"],
            "input_size": None if data["input_size"] in ("", AUTO) else int(data["input_size"]),
            "batch_size": data["batch_size"] or base.batch_size,
            "seed": data["seed"] or 0,
            # What the base's training does not know is not asked for, whatever the page said.
            **{name: data[name] and name in base.changes for name in CHANGES},
            "early_stop": data["early_stop"],
        }


class RenameForm(forms.Form):
    name = forms.CharField(max_length=100, required=False, strip=True)
