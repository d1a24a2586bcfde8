"""Edits as the editor sends them, for the tests of the API."""

import json
import uuid
from typing import Any


def box(project: Any, **changes: Any) -> dict[str, Any]:
    label = project.labels.get(name="cat")
    return {
        "id": str(uuid.uuid4()), "label_id": label.pk,
        "xmin": 4, "ymin": 5, "xmax": 20, "ymax": 30.5,
    } | changes  # fmt: skip


def patch(client: Any, image: Any, **edit: Any) -> Any:
    body = {"base_revision": 0, "op_id": str(uuid.uuid4()), "upserts": [], "deletes": []} | edit
    return send(client, "patch", f"/api/images/{image.pk}/annotations", body)


def send(client: Any, method: str, address: str, body: Any = None) -> Any:
    text = "" if body is None else json.dumps(body)
    return getattr(client, method)(address, text, content_type="application/json")
