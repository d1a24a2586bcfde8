"""What people fill in on the import and dataset pages."""

from typing import Any

from django import forms

from webapp.datasets.models import Split


class ImportForm(forms.Form):
    """An upload announced: its name, how many files, how many bytes, the split they go to."""

    name = forms.CharField(max_length=1024)
    files = forms.IntegerField(min_value=1)
    bytes = forms.IntegerField(min_value=0)
    split = forms.ChoiceField(choices=[("", "none"), *Split.choices], required=False)
    fingerprint = forms.CharField(max_length=64, required=False)


class FreezeForm(forms.Form):
    """How to cut a revision. Per cents of the images that no split holds yet."""

    name = forms.CharField(
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "optional", "autocomplete": "off"}),
    )
    val = forms.IntegerField(
        label="Validation",
        min_value=0,
        max_value=90,
        initial=20,
        error_messages={"required": "Say how many per cent go to val: 20 is usual."},
    )
    test = forms.IntegerField(
        label="Test",
        min_value=0,
        max_value=90,
        initial=0,
        error_messages={"required": "Say how many per cent go to test: 0 is fine."},
    )
    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, initial=0, required=False)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        val, test = values.get("val"), values.get("test")
        if val is not None and test is not None and val + test > 90:
            raise forms.ValidationError(
                f"val {val} % and test {test} % leave {100 - val - test} % to train on. "
                "Leave at least 10 %."
            )
        return values

    def fractions(self) -> tuple[float, float, float]:
        """(train, val, test), which add up to 1."""
        val, test = self.cleaned_data["val"] / 100, self.cleaned_data["test"] / 100
        return (round(1 - val - test, 6), val, test)
