"""The boxes over thumbnails: of many images at once, but never more than a thumbnail can show."""

from collections.abc import Sequence
from typing import Any

from webapp.labeling.models import Annotation
from webapp.plain_sql import select

ShownBox = tuple[int, bool, float, float, float, float]

# SQLite joins no more than 500 in one query.
IMAGES_A_QUERY = 400
OF_AN_IMAGE = """SELECT * FROM (
SELECT image_id, label_id, status, x_min, ymin, x_max, ymax FROM labeling_annotation
WHERE image_id = %s AND status <> %s LIMIT %s) AS boxes"""


def shown_boxes(images: Sequence[int], most: int) -> dict[int, list[ShownBox]]:
    """By image: (label id, whether it is a suggestion, xmin, ymin, xmax, ymax) of some boxes.

    What is read does not grow with the boxes of an image: it stops at `most`.
    """
    boxes: dict[int, list[ShownBox]] = {image_id: [] for image_id in images}
    for start in range(0, len(images), IMAGES_A_QUERY):
        part = images[start : start + IMAGES_A_QUERY]
        parameters: list[Any] = []
        for image_id in part:
            parameters += [image_id, Annotation.Status.REJECTED, most]
        for row in select(" UNION ALL ".join([OF_AN_IMAGE] * len(part)), parameters):
            image_id, label_id, status, *corners = row
            suggested = status == Annotation.Status.SUGGESTED
            boxes[image_id].append((label_id, suggested, *corners))
    return boxes
