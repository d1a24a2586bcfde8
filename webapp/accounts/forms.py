"""Forms of the account pages: what a person types, checked and said in words."""

from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError

from webapp.accounts.models import User

NAME_HINT = "Letters, digits and @ . + - _"


def field(widget: type[forms.Widget], **attributes: Any) -> forms.Widget:
    return widget(attrs={"class": "in", **attributes})


class NewPasswordMixin(forms.Form):
    """One password field: it can be shown, so that it need not be typed twice."""

    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=1000,
        widget=field(forms.PasswordInput, autocomplete="new-password"),
        help_text="At least 8 characters. A few words are easier than one with signs.",
    )

    def password_owner(self) -> User:
        return User()

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        password_validation.validate_password(password, self.password_owner())
        return password


class AccountForm(NewPasswordMixin):
    """A new account: a user name, a name to show, a password."""

    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=field(
            forms.TextInput, autocomplete="username", autocapitalize="none", autofocus=True
        ),
        help_text=NAME_HINT,
    )
    name = forms.CharField(
        label="Your name",
        max_length=150,
        required=False,
        widget=field(forms.TextInput, autocomplete="name"),
    )
    field_order = ["username", "name", "password"]

    def clean_username(self) -> str:
        username = User.normalize_username(self.cleaned_data["username"].strip())
        for validator in User._meta.get_field("username").validators:
            try:
                validator(username)
            except ValidationError as error:
                raise ValidationError(f"{username}: use only {NAME_HINT.lower()}.") from error
        if User.objects.filter(username__iexact=username).exists():
            raise ValidationError(f"There is a user {username} already. Choose another name.")
        return username

    def password_owner(self) -> User:
        return User(
            username=self.cleaned_data.get("username", ""),
            first_name=self.cleaned_data.get("name", ""),
        )

    def make(self, *, is_staff: bool = False) -> User:
        data = self.cleaned_data
        return User.objects.create_user(
            data["username"], password=data["password"], first_name=data["name"], is_staff=is_staff
        )


class LoginForm(forms.Form):
    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=field(
            forms.TextInput, autocomplete="username", autocapitalize="none", autofocus=True
        ),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=1000,
        widget=field(forms.PasswordInput, autocomplete="current-password"),
    )


class NameForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ["first_name"]
        labels = {"first_name": "Your name"}
        help_texts = {"first_name": "Shown beside what you do, in place of the user name."}
        widgets = {"first_name": field(forms.TextInput, autocomplete="name")}


class ForgottenPasswordForm(NewPasswordMixin):
    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def password_owner(self) -> User:
        return self.user


class ChangePasswordForm(ForgottenPasswordForm):
    current = forms.CharField(
        label="Current password",
        strip=False,
        max_length=1000,
        widget=field(forms.PasswordInput, autocomplete="current-password"),
    )
    field_order = ["current", "password"]

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["password"].label = "New password"

    def clean_current(self) -> str:
        if not self.user.check_password(self.cleaned_data["current"]):
            raise ValidationError("This is not your current password.")
        return self.cleaned_data["current"]


class InviteForm(forms.Form):
    """Whom a link is for; a project's form adds the role."""

    note = forms.CharField(
        label="For whom",
        max_length=100,
        required=False,
        widget=field(forms.TextInput, placeholder="Name or address, for your own list"),
    )
