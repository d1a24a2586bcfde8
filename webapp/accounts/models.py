"""People, and the one-time links by which they come in (sign-up is closed)."""

import hashlib
import math
import secrets
from datetime import timedelta
from typing import Any, Self

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils import timezone

from webapp.plain_sql import Table


class People(UserManager["User"]):
    """Users; the one with an id, which every request asks for, by a query composed once."""

    use_in_migrations = False

    def get(self, *args: Any, **kwargs: Any) -> "User":
        if args or list(kwargs) != ["pk"]:
            return super().get(*args, **kwargs)
        found = Table.of(self.model).select("id", [kwargs["pk"]])
        if not found:
            raise self.model.DoesNotExist
        return self.model.from_db(self.db, list(found[0]), list(found[0].values()))


class User(AbstractUser):
    """A person. The first account is staff: it may invite people who make projects."""

    objects = People()

    @property
    def initials(self) -> str:
        words = (self.get_full_name() or self.username).replace(".", " ").split()
        return "".join(word[0] for word in words[:2]).upper()


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Invitation(models.Model):
    """A one-time link. Only the token's hash is stored: the link is shown once."""

    LIFETIME = timedelta(days=7)

    token_hash = models.CharField(max_length=64, unique=True)
    note = models.CharField(max_length=100, blank=True, help_text="For whom, as text.")
    first_account = models.BooleanField(default=False)
    project = models.ForeignKey(
        "projects.Project",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="invitations",
    )
    role = models.CharField(max_length=10, blank=True)
    created_by = models.ForeignKey(
        User, null=True, on_delete=models.CASCADE, related_name="invitations_made"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_by = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="invitations_accepted"
    )
    accepted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Invitation for {self.note or 'anyone'}"

    @classmethod
    def make(cls, **fields: object) -> tuple[Self, str]:
        """Return a new invitation and its token, which is kept nowhere."""
        token = secrets.token_urlsafe(24)
        invitation = cls.objects.create(
            token_hash=hash_token(token), expires_at=timezone.now() + cls.LIFETIME, **fields
        )
        return invitation, token

    @classmethod
    def open(cls) -> models.QuerySet[Self]:
        """Invitations that can still be used, newest first."""
        return cls.objects.filter(accepted_at=None, expires_at__gt=timezone.now()).order_by("-pk")

    @classmethod
    def find(cls, token: str) -> Self | None:
        """The open invitation that `token` belongs to, or None."""
        return cls.open().filter(token_hash=hash_token(token)).first()

    @classmethod
    def make_first(cls) -> str:
        """The token of a fresh link for the first account; older such links stop working."""
        cls.objects.filter(first_account=True, accepted_at=None).delete()
        _, token = cls.make(first_account=True)
        return token

    def accept(self, user: User) -> bool:
        """Use the invitation up, once; False where someone was quicker."""
        return bool(
            Invitation.objects.filter(pk=self.pk, accepted_at=None).update(
                accepted_by=user, accepted_at=timezone.now()
            )
        )


class FailedLogin(models.Model):
    """One wrong password, by user name and address. Enough of them make the next one wait."""

    FREE = 5
    WINDOW = timedelta(minutes=15)

    key = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["key", "at"])]

    def __str__(self) -> str:
        return f"Wrong password at {self.at}"

    @staticmethod
    def key_of(username: str, address: str) -> str:
        return hashlib.sha256(f"{username.casefold()}\n{address}".encode()).hexdigest()

    @classmethod
    def seconds_to_wait(cls, username: str, address: str) -> int:
        """How long this name, from this address, must wait: 0 for the first FREE mistakes.

        Then 30 s from the last one, doubled with each further one, at most WINDOW.
        """
        now = timezone.now()
        recent = cls.objects.filter(key=cls.key_of(username, address), at__gt=now - cls.WINDOW)
        count = recent.count()
        if count < cls.FREE:
            return 0
        last = recent.latest("at").at
        pause = min(30 * 2 ** (count - cls.FREE), cls.WINDOW.total_seconds())
        return max(0, math.ceil(pause - (now - last).total_seconds()))

    @classmethod
    def record(cls, username: str, address: str) -> None:
        cls.objects.filter(at__lt=timezone.now() - cls.WINDOW).delete()
        cls.objects.create(key=cls.key_of(username, address))

    @classmethod
    def forget(cls, username: str, address: str) -> None:
        cls.objects.filter(key=cls.key_of(username, address)).delete()
