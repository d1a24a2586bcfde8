"""Review and comments, as the editor reads and writes them."""

import uuid
from typing import Any, Literal

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from ninja import Router, Schema
from ninja.responses import Response

from webapp.api.images import get_image
from webapp.labeling import review
from webapp.labeling.edits import StaleEdit, shown_annotations
from webapp.labeling.models import Comment
from webapp.labeling.order import next_to_label, next_to_review
from webapp.projects.access import get_project

router = Router()


class ReviewIn(Schema):
    base_revision: int
    action: Literal["flag", "take_flag_away", "accept", "send_back"]
    words: str = ""


class CommentIn(Schema):
    text: str
    annotation: uuid.UUID | None = None


class ResolvedIn(Schema):
    resolved: bool


@router.get("images/{int:image_id}/review")
def read_review(request: HttpRequest, image_id: int) -> dict[str, Any]:
    image = get_image(request, image_id)
    return {
        **review.verdict_of(image, request.user),
        "may_review": review.may_review(request.membership),  # type: ignore[attr-defined]
        "waiting_count": review.waiting_in(image.project).count(),
        "comments": review.comments_of(image, request.user),
    }


@router.post("images/{int:image_id}/review")
def review_image(request: HttpRequest, image_id: int, asked: ReviewIn) -> Any:
    image = get_image(request, image_id, "annotator")
    membership = request.membership  # type: ignore[attr-defined]
    if asked.action in {review.ACCEPT, review.SEND_BACK} and not review.may_review(membership):
        raise PermissionDenied("In this project its owners review. Ask one of them.")
    try:
        image = review.review_image(
            image.pk, asked.base_revision, asked.action, request.user, asked.words
        )
    except StaleEdit as stale:
        body = {
            "message": "Somebody changed the image a moment ago. Look at it again.",
            "revision": stale.image.revision,
            "state": stale.image.state,
            "annotations": shown_annotations(stale.image),
        }
        return Response(body, status=409)
    except review.RefusedReview as refused:
        return Response({"message": str(refused)}, status=422)
    return {
        "revision": image.revision,
        "state": image.state,
        **review.verdict_of(image, request.user),
    }


@router.post("images/{int:image_id}/comments")
def comment(request: HttpRequest, image_id: int, asked: CommentIn) -> Any:
    image = get_image(request, image_id, "annotator")
    try:
        made = review.add_comment(image, request.user, asked.text, asked.annotation)
    except review.RefusedReview as refused:
        return Response({"message": str(refused)}, status=422)
    return Response(review.comment_row(made, request.user), status=201)


@router.patch("images/{int:image_id}/comments/{int:comment_id}")
def resolve_comment(
    request: HttpRequest, image_id: int, comment_id: int, asked: ResolvedIn
) -> dict[str, Any]:
    row = _comment(request, image_id, comment_id)
    review.resolve(row, request.user, resolved=asked.resolved)
    return review.comment_row(row, request.user)


@router.delete("images/{int:image_id}/comments/{int:comment_id}")
def delete_comment(request: HttpRequest, image_id: int, comment_id: int) -> Any:
    row = _comment(request, image_id, comment_id)
    review.remove(row, request.membership)  # type: ignore[attr-defined]
    return Response(None, status=204)


def _comment(request: HttpRequest, image_id: int, comment_id: int) -> Comment:
    image = get_image(request, image_id, "annotator")
    row = image.comments.select_related("created_by", "resolved_by").filter(pk=comment_id).first()
    if row is None:
        raise Http404
    return row


@router.get("projects/{int:project_id}/next")
def read_next(
    request: HttpRequest, project_id: int, after: int = 0, to: Literal["label", "review"] = "label"
) -> dict[str, int | None]:
    """The next image to label or to review, after the image `after`; null where there is none."""
    project = get_project(request, project_id)
    find = next_to_review if to == "review" else next_to_label
    return {"id": find(project, after)}
