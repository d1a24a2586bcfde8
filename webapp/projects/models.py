"""Projects, who may do what in them, and their label map."""

import unicodedata
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Max, Q
from django.utils import timezone

from detection.label_map import LabelMap, LabelMapItem

PALETTE = [
    "#62C7FC", "#CEBD34", "#E3526F", "#0CA387", "#8782FF", "#C7853B",
    "#D01B2D", "#8ACF89", "#4860BE", "#F799C0", "#137D4A", "#A3517E",
]  # fmt: skip
MAX_LABELS = 1000
MAX_LABEL_LENGTH = 100


class Role(models.TextChoices):
    VIEWER = "viewer", "Viewer"
    ANNOTATOR = "annotator", "Annotator"
    OWNER = "owner", "Owner"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class Project(models.Model):
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True, max_length=2000)
    next_class_id = models.PositiveIntegerField(default=1, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="projects"
    )

    def __str__(self) -> str:
        return self.name

    def admit(self, user: Any, role: str) -> "Membership":
        """Make `user` a member with at least `role`; a higher one that they have stays."""
        membership, _ = self.memberships.get_or_create(user=user, defaults={"role": role})
        if not membership.allows(role):
            membership.role = role
            membership.save(update_fields=["role"])
        return membership

    def active_labels(self) -> models.QuerySet["Label"]:
        return self.labels.filter(retired_at=None).order_by("position", "class_id")

    def label_map(self) -> LabelMap:
        """The label map as training and files see it: active labels, by class id."""
        return LabelMap(
            [
                LabelMapItem(
                    id=label.class_id, name=label.name, display_name=label.display_name or None
                )
                for label in self.active_labels().order_by("class_id")
            ]
        )

    def add_label(
        self, name: str, *, class_id: int | None = None, display_name: str = ""
    ) -> "Label":
        """Make a label, or return the active one of that name. Ids only ever grow.

        A `class_id` that was given before, in this project, is refused (ValidationError).
        """
        name = clean_label_name(name)
        with transaction.atomic():
            project = Project.objects.select_for_update().get(pk=self.pk)
            existing = project.labels.filter(name=name).first()
            if existing is not None:
                if existing.retired_at is not None:
                    existing.bring_back()
                return existing
            if project.labels.count() >= MAX_LABELS:
                raise ValidationError(f"A project holds at most {MAX_LABELS} labels.")
            if class_id is None:
                class_id = project.next_class_id
            elif (
                class_id < project.next_class_id
                and project.labels.filter(class_id=class_id).exists()
            ):
                raise ValidationError(
                    f"Id {class_id} already belongs to another label of this project."
                )
            position = (project.labels.aggregate(last=Max("position"))["last"] or 0) + 1
            hotkey = str(position) if position <= 9 else ""
            if project.labels.filter(hotkey=hotkey).exists():
                hotkey = ""
            label = Label.objects.create(
                project=project,
                class_id=class_id,
                name=name,
                display_name=display_name,
                color=PALETTE[(class_id - 1) % len(PALETTE)],
                position=position,
                hotkey=hotkey,
            )
            Project.objects.filter(pk=self.pk, next_class_id__lte=class_id).update(
                next_class_id=class_id + 1
            )
        return label


def clean_label_name(name: str) -> str:
    """The name in NFC, trimmed, inner white space folded; ValidationError says what is wrong."""
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name:
        raise ValidationError("A label needs a name.")
    if len(name) > MAX_LABEL_LENGTH:
        raise ValidationError(
            f"The label name has {len(name)} characters. Use at most {MAX_LABEL_LENGTH}."
        )
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        raise ValidationError("The label name holds control characters. Leave them out.")
    return name


class Membership(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="one_membership_a_person")
        ]

    def __str__(self) -> str:
        return f"User {self.user_id} as {self.role} of project {self.project_id}"

    def allows(self, role: str) -> bool:
        return Role(self.role).rank >= Role(role).rank


class Label(models.Model):
    """A class of the project. `class_id` (>= 1) is its integer in files and models, for ever."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="labels")
    class_id = models.PositiveIntegerField(editable=False)
    name = models.CharField(max_length=MAX_LABEL_LENGTH)
    display_name = models.CharField(max_length=MAX_LABEL_LENGTH, blank=True)
    color = models.CharField(max_length=7)
    hotkey = models.CharField(max_length=1, blank=True)
    position = models.PositiveIntegerField(default=0)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "class_id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "class_id"], name="class_id_never_reused"),
            models.UniqueConstraint(fields=["project", "name"], name="label_name_once"),
            models.CheckConstraint(condition=Q(class_id__gte=1), name="class_id_from_1"),
        ]

    def __str__(self) -> str:
        return self.display_name or self.name

    @property
    def palette_index(self) -> int:
        """1..12: which of the palette's colours."""
        if self.color in PALETTE:
            return PALETTE.index(self.color) + 1
        return (self.class_id - 1) % len(PALETTE) + 1

    def retire(self) -> None:
        """Offer the label to nobody any more; its id stays taken.

        Raises ValidationError where it has boxes or suggestions.
        """
        count = self.annotations.exclude(status="rejected").count()
        if count:
            boxes = "1 box" if count == 1 else f"{count} boxes"
            raise ValidationError(
                f"{self.name} has {boxes}. Merge it into another label, or delete its boxes first."
            )
        self.retired_at, self.hotkey = timezone.now(), ""
        self.save(update_fields=["retired_at", "hotkey"])

    def bring_back(self) -> None:
        """Undo `retire`: the label is offered again, last in the order, without a hotkey."""
        last = self.project.labels.aggregate(last=Max("position"))["last"] or 0
        self.retired_at, self.position = None, last + 1
        self.save(update_fields=["retired_at", "position"])
