"""Review: flag an image, accept it or send it back, and comment on it or on its boxes."""

import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from webapp.datasets.models import Image
from webapp.labeling.edits import StaleEdit, lock_image
from webapp.labeling.history import person
from webapp.labeling.models import Comment, ImageReview, Operation, ReviewRule
from webapp.projects.models import Membership, Project

Verdict = ImageReview.Verdict
# What waits for a reviewer: done and not yet looked at, or flagged by somebody.
TO_REVIEW = Q(state=Image.State.DONE, review=None) | Q(review__verdict=Verdict.FLAGGED)
CHOICES = {
    "waiting": ("To review", TO_REVIEW),
    "sent_back": ("Sent back", Q(review__verdict=Verdict.SENT_BACK)),
    "flagged": ("Flagged", Q(review__verdict=Verdict.FLAGGED)),
    "accepted": ("Accepted", Q(review__verdict=Verdict.ACCEPTED)),
    "comments": (
        "Open comments",
        Q(pk__in=Comment.objects.filter(resolved_at=None).values("image_id")),
    ),
}
FLAG, TAKE_FLAG_AWAY = "flag", "take_flag_away"
ACCEPT, SEND_BACK = "accept", "send_back"
MAX_COMMENTS = 500


class RefusedReview(Exception):
    """Nothing was changed; says why and what to do."""


def by_annotators(project: Project) -> bool:
    """Whether annotators may accept and send back, too."""
    return ReviewRule.objects.filter(project=project, by_annotators=True).exists()


def set_rule(project: Project, *, annotators: bool) -> None:
    ReviewRule.objects.update_or_create(project=project, defaults={"by_annotators": annotators})


def may_review(membership: Membership) -> bool:
    """Owners always; annotators where the project's rule says so."""
    if membership.allows("owner"):
        return True
    return membership.allows("annotator") and by_annotators(membership.project)


def works_alone(project: Project) -> bool:
    """Whether there is nobody whose work could be reviewed: one's own is not urged upon one."""
    return project.memberships.count() < 2


def review_image(
    image_id: int, base_revision: int, action: str, user: Any, words: str = ""
) -> Image:
    """Flag the image, take the flag away, accept it or send it back; the image at its new revision.

    Accepted images are done, sent back ones are in progress. `words` become a comment; sending
    back takes some. Raises StaleEdit where the reviewer has not seen the latest boxes, and
    RefusedReview.
    """
    words = words.strip()
    if action == SEND_BACK and not words:
        raise RefusedReview("Say in a few words what is to be changed; then it can be sent back.")
    with transaction.atomic():
        image, _ = lock_image(image_id)
        if base_revision != image.revision:
            raise StaleEdit(image)
        state_before = image.state
        verdict = _apply(image, action, user)
        if words:
            add_comment(image, user, words)
        image.revision += 1
        image.save(update_fields=["revision", "state", "done_at"])
        changed = image.state if image.state != state_before else None
        Operation.objects.create(
            image=image, revision=image.revision, kind=Operation.Kind.REVIEW, user=user,
            changes={"state": changed, "state_before": state_before},
            summary={"review": verdict, **({"state": changed} if changed else {})},
        )  # fmt: skip
    return image


def _apply(image: Image, action: str, user: Any) -> str:
    if action == TAKE_FLAG_AWAY:
        ImageReview.objects.filter(image=image, verdict=Verdict.FLAGGED).delete()
        return ""
    verdict = {FLAG: "flagged", ACCEPT: "accepted", SEND_BACK: "sent_back"}[action]
    if verdict == "accepted" and image.suggestion_count:
        count = image.suggestion_count
        raise RefusedReview(
            f"{count} suggestion{'s' if count > 1 else ''} of a model "
            f"{'are' if count > 1 else 'is'} still open. Accept or reject "
            f"{'them' if count > 1 else 'it'} first."
        )
    if verdict == "accepted" and image.state != Image.State.DONE:
        image.state, image.done_at = Image.State.DONE, timezone.now()
    elif verdict == "sent_back":
        image.state, image.done_at = Image.State.IN_PROGRESS, None
    ImageReview.objects.update_or_create(image=image, defaults={"verdict": verdict, "by": user})
    return verdict


def add_comment(
    image: Image, user: Any, text: str, annotation_id: uuid.UUID | None = None
) -> Comment:
    """A comment on the image, or on one of its boxes. Raises RefusedReview in words."""
    text = text.replace("\0", "").strip()
    if not text:
        raise RefusedReview("The comment is empty. Write a few words.")
    longest = Comment._meta.get_field("text").max_length or 0
    if len(text) > longest:
        raise RefusedReview(f"The comment has {len(text)} characters. Use at most {longest}.")
    if annotation_id is not None and not image.annotations.filter(pk=annotation_id).exists():
        raise RefusedReview("The box is not saved yet, or is gone. Comment on the image instead.")
    if image.comments.count() >= MAX_COMMENTS:
        raise RefusedReview(f"An image holds at most {MAX_COMMENTS} comments.")
    return Comment.objects.create(
        image=image, annotation_id=annotation_id, text=text, created_by=user
    )


def resolve(comment: Comment, user: Any, *, resolved: bool) -> None:
    """Close the comment, or open it again."""
    comment.resolved_by = user if resolved else None
    comment.resolved_at = timezone.now() if resolved else None
    comment.save(update_fields=["resolved_by", "resolved_at"])


def remove(comment: Comment, membership: Membership) -> None:
    """Delete one's own comment, or as an owner anybody's. Raises PermissionDenied."""
    if comment.created_by_id != membership.user_id and not membership.allows("owner"):
        raise PermissionDenied("Only who wrote a comment, or an owner, can delete it.")
    comment.delete()


def comments_of(image: Image, viewer: Any) -> list[dict[str, Any]]:
    rows = image.comments.select_related("created_by", "resolved_by")
    return [comment_row(row, viewer) for row in rows]


def comment_row(row: Comment, viewer: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "annotation": None if row.annotation_id is None else str(row.annotation_id),
        "text": row.text,
        "who": person(row.created_by, viewer),
        "at": row.created_at,
        "resolved_by": person(row.resolved_by, viewer) if row.resolved_at else None,
        "resolved_at": row.resolved_at,
    }


def verdict_of(image: Image, viewer: Any) -> dict[str, Any]:
    """{"verdict": "", "flagged", ..., "waiting": bool, "who", "at"}."""
    review = ImageReview.objects.select_related("by").filter(image=image).first()
    waiting = image.state == Image.State.DONE and review is None
    return {
        "verdict": review.verdict if review else "",
        "waiting": waiting or bool(review and review.verdict == Verdict.FLAGGED),
        "who": person(review.by, viewer) if review else None,
        "at": review.at if review else None,
    }


def marks_of(image: Image) -> dict[str, Any]:
    """What the editor's head says of an image: {"verdict": "sent_back", "open_comments": 2}."""
    verdict = ImageReview.objects.filter(image=image).values_list("verdict", flat=True).first()
    open_comments = image.comments.filter(resolved_at=None).count()
    return {"verdict": verdict or "", "open_comments": open_comments}


def waiting_in(project: Project) -> QuerySet[Image]:
    """The kept images that wait for a reviewer."""
    return Image.objects.kept().filter(TO_REVIEW, project=project).order_by("pk")
