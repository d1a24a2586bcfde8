"""Forms of the project pages: what a person types, checked and said in words."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from webapp.accounts.forms import InviteForm, field
from webapp.projects.models import MAX_LABELS, PALETTE, Label, Project, Role, clean_label_name

MAX_LABEL_MAP_BYTES = 4 * 1024**2
NAME_WIDGET = field(forms.TextInput, autocomplete="off", placeholder="For instance: bird feeder")


def split_names(text: str) -> list[str]:
    """Label names, one a line, without doubles. ValidationError names the line."""
    names: list[str] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            name = clean_label_name(line)
        except ValidationError as error:
            problems.append(f"Line {number}: {error.messages[0]}")
            continue
        if name not in names:
            names.append(name)
    if len(names) > MAX_LABELS:
        problems.append(f"There are {len(names)} labels. A project holds at most {MAX_LABELS}.")
    if problems:
        raise ValidationError(problems)
    return names


class ProjectForm(forms.ModelForm):
    class Meta:
        model = Project
        fields = ["name", "description"]
        widgets = {
            "name": NAME_WIDGET,
            "description": field(forms.Textarea, rows=3),
        }


class NewProjectForm(forms.Form):
    name = forms.CharField(label="Name", max_length=100, widget=NAME_WIDGET)
    labels = forms.CharField(
        label="Labels",
        required=False,
        max_length=200_000,
        widget=field(forms.Textarea, rows=5, placeholder="cat\ndog"),
        help_text="What it shall find, one a line. You can add, rename and merge them later.",
    )

    def clean_labels(self) -> list[str]:
        return split_names(self.cleaned_data["labels"])


class LabelNamesForm(forms.Form):
    names = forms.CharField(
        label="Labels, one a line",
        max_length=200_000,
        error_messages={"required": "Type at least one name."},
        widget=field(forms.Textarea, rows=3, placeholder="cat\ndog"),
    )

    def clean_names(self) -> list[str]:
        names = split_names(self.cleaned_data["names"])
        if not names:
            raise ValidationError("Type at least one name.")
        return names


class LabelForm(forms.ModelForm):
    """One label. Only the fields that were sent are changed."""

    class Meta:
        model = Label
        fields = ["name", "display_name", "color", "hotkey"]

    def __init__(self, data: Any, instance: Label) -> None:
        super().__init__(data, instance=instance)
        for name in [name for name in self.fields if name not in data]:
            del self.fields[name]

    def clean_name(self) -> str:
        name = clean_label_name(self.cleaned_data["name"])
        other = self.instance.project.labels.filter(name=name).exclude(pk=self.instance.pk).first()
        if other is not None:
            way_out = "Bring it back" if other.retired_at else "Merge the two"
            raise ValidationError(
                f"{name} is the name of id {other.class_id} already. "
                f"{way_out}, or choose another name."
            )
        return name

    def clean_display_name(self) -> str:
        text = self.cleaned_data["display_name"].strip()
        return clean_label_name(text) if text else ""

    def clean_color(self) -> str:
        color = self.cleaned_data["color"].upper()
        if color not in PALETTE:
            raise ValidationError(f"{color} is not one of the {len(PALETTE)} colours.")
        return color

    def clean_hotkey(self) -> str:
        hotkey = self.cleaned_data["hotkey"]
        if hotkey and hotkey not in "123456789":
            raise ValidationError(f"{hotkey} is no hotkey. Choose a digit from 1 to 9.")
        return hotkey


class LabelMapFileForm(forms.Form):
    file = forms.FileField(
        label="label_map.pbtxt",
        error_messages={"required": "Choose a label_map.pbtxt first."},
        widget=forms.FileInput(attrs={"class": "in file", "accept": ".pbtxt,.txt,.prototxt"}),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_LABEL_MAP_BYTES:
            raise ValidationError(
                f"{file.name} has {file.size:,} bytes; "
                f"a label map has at most {MAX_LABEL_MAP_BYTES:,}."
            )
        return file


class ProjectInviteForm(InviteForm):
    role = forms.ChoiceField(
        label="Role",
        choices=Role.choices,
        initial=Role.ANNOTATOR,
        widget=field(forms.Select),
    )


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class DeleteProjectForm(forms.Form):
    confirmation = forms.CharField(
        required=False, widget=field(forms.TextInput, autocomplete="off", spellcheck="false")
    )

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project

    def clean_confirmation(self) -> str:
        typed = self.cleaned_data["confirmation"]
        if typed.strip() != self.project.name.strip():
            raise ValidationError(
                f"You typed {typed or 'nothing'}. Type {self.project.name} to delete the project."
            )
        return typed
