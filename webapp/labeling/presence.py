"""Who else has an image open: pages say so every few seconds, and are gone when they stop."""

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from webapp.datasets.models import Image
from webapp.labeling.history import person
from webapp.labeling.models import Presence

# A page says that it is there every 5 s, or every 15 s in a hidden tab, at the browser's mercy.
GONE_AFTER = timedelta(seconds=40)
SWEEP_AFTER = timedelta(hours=1)


def say_present(image: Image, user: Any, page: uuid.UUID) -> list[dict[str, Any]]:
    """Note that `user` has `image` open in `page`; the others who have it open, each once."""
    now = timezone.now()
    mine, made = Presence.objects.get_or_create(
        page=page, defaults={"image": image, "user": user, "seen_at": now}
    )
    if made:
        Presence.objects.filter(seen_at__lt=now - SWEEP_AFTER).delete()
    elif mine.user_id == user.pk:
        Presence.objects.filter(pk=page).update(image=image, seen_at=now)
    others = image.presences.filter(seen_at__gte=now - GONE_AFTER).exclude(pk=page)
    seen: dict[int, dict[str, Any]] = {}
    for row in others.select_related("user").order_by("user_id"):
        seen.setdefault(row.user_id, person(row.user, user))
    return list(seen.values())


def leave(user: Any, page: uuid.UUID) -> None:
    """The page was closed."""
    Presence.objects.filter(page=page, user=user).delete()
