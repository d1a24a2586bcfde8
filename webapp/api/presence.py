"""Pages that have an image open say so here, and learn who else does and whether it changed."""

import uuid
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from ninja.responses import Response

from webapp.api.images import get_image
from webapp.labeling import presence

router = Router()


class PageIn(Schema):
    page: uuid.UUID


@router.post("images/{int:image_id}/presence")
def be_present(request: HttpRequest, image_id: int, asked: PageIn) -> dict[str, Any]:
    image = get_image(request, image_id)
    others = presence.say_present(image, request.user, asked.page)
    return {"others": others, "revision": image.revision}


@router.post("presence/leave")
def leave(request: HttpRequest, asked: PageIn) -> Any:
    presence.leave(request.user, asked.page)
    return Response(None, status=204)
