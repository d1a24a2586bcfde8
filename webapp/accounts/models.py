"""People, and the one-time links by which they come in (sign-up is closed)."""

import hashlib
import secrets
from datetime import timedelta
from typing import Self

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone


class User(AbstractUser):
    """A person. The first account is staff: it may invite people who make projects."""

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
        "projects.Project", null=True, blank=True, on_delete=models.CASCADE, related_name="invitations"
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

    @classmethod
    def make(cls, **fields: object) -> tuple[Self, str]:
        """Return a new invitation and its token, which is kept nowhere."""
        token = secrets.token_urlsafe(24)
        invitation = cls.objects.create(
            token_hash=hash_token(token), expires_at=timezone.now() + cls.LIFETIME, **fields
        )
        return invitation, token

    @classmethod
    def find(cls, token: str) -> Self | None:
        """The open invitation that `token` belongs to, or None."""
        return cls.objects.filter(
            token_hash=hash_token(token), accepted_at=None, expires_at__gt=timezone.now()
        ).first()

    def accept(self, user: User) -> bool:
        """Use the invitation up, once; False where someone was quicker."""
        return bool(
            Invitation.objects.filter(pk=self.pk, accepted_at=None).update(
                accepted_by=user, accepted_at=timezone.now()
            )
        )
