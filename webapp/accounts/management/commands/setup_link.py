"""manage.py setup_link: the path of the one-time link that makes the first account."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.tokens import default_token_generator
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from webapp.accounts.models import Invitation, User


class Command(BaseCommand):
    help = (
        "Print the path of a fresh one-time link that makes the first account, replacing older "
        "links; print nothing where there is an account already. With --new-password, print a "
        "one-time link by which that user chooses a new password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--new-password", metavar="USER", help="a user who forgot the password")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["new_password"]:
            self.stdout.write(new_password_path(options["new_password"]))
        elif not User.objects.exists():
            self.stdout.write(reverse("accounts:setup", args=[Invitation.make_first()]))


def new_password_path(username: str) -> str:
    """The path of a link that lets `username` choose a password once; it lasts three days."""
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        names = ", ".join(User.objects.order_by("pk").values_list("username", flat=True)[:10])
        raise CommandError(f"There is no user {username!r}. There are: {names or 'none yet'}.")
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("accounts:new_password", args=[uid, default_token_generator.make_token(user)])
