"""What is to be said of a checkpoint that is added."""

import re
from typing import Any

from django import forms

from detection.bases import BASES, is_base_name
from webapp.bases.models import UNDER_WAY, BaseArrival

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class AddBaseForm(forms.Form):
    """A checkpoint of faster_rcnn_inception_v2: a file or an address, and what it is."""

    name = forms.CharField(
        max_length=64, label="Name", help_text="For commands: small letters, digits, _ - and dots."
    )
    title = forms.CharField(
        max_length=100, label="Title", required=False, help_text="As it is shown."
    )
    licence = forms.CharField(
        max_length=100, label="Licence", required=False, help_text="Apache-2.0, for the zoo's."
    )
    coco_ap = forms.FloatField(
        min_value=0,
        max_value=1,
        label="AP on COCO",
        required=False,
        help_text="0 to 1, where it is known.",
    )
    checkpoint = forms.FileField(
        label="Checkpoint",
        required=False,
        help_text="The .tar.gz, as the zoo gives it: model.ckpt.* and pipeline.config.",
    )
    config = forms.FileField(
        label="pipeline.config", required=False, help_text="Where it is not in the .tar.gz."
    )
    url = forms.URLField(
        max_length=1000,
        label="Or its address",
        required=False,
        assume_scheme="https",
        help_text="The worker fetches it.",
    )
    sha256 = forms.CharField(
        max_length=64,
        label="SHA-256",
        required=False,
        help_text="The checksum that the file must have.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            kind = "in file" if isinstance(field, forms.FileField) else "in"
            field.widget.attrs["class"] = kind

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not is_base_name(name):
            raise forms.ValidationError(
                f"{name} cannot be a name. Use small letters, digits, '_', '-' and '.', with a "
                "letter or digit first."
            )
        if name in BASES or BaseArrival.objects.filter(name=name, status__in=UNDER_WAY).exists():
            raise forms.ValidationError(f"There is a base {name} already. Choose another name.")
        return name

    def clean_sha256(self) -> str:
        value = str(self.cleaned_data["sha256"]).strip()
        if value and not _SHA256.fullmatch(value):
            raise forms.ValidationError(
                f"A SHA-256 has 64 digits from 0 to f; this has {len(value)}."
            )
        return value.lower()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = [name for name in ("checkpoint", "url") if cleaned.get(name)]
        if len(given) != 1 and not self.errors:
            raise forms.ValidationError(
                "Give either a file or an address." if given else "Give a file, or its address."
            )
        return cleaned
