"""The worker around detections: one photo's failure is its own, the detector is loaded once."""

from typing import Any

import pytest

import workers.detecting as detecting
from detection.types import Detection
from tests.webapp.inference.rows import add_photo, make_request
from webapp.leases import Status

pytestmark = pytest.mark.django_db(transaction=True)


class Fussy:
    """Finds one cat in every photo but the second, on which it fails."""

    score_threshold = 0.4

    def __init__(self) -> None:
        self.photos = 0

    def detect(self, images: Any) -> list[list[Detection]]:
        self.photos += 1
        if self.photos == 2:
            raise MemoryError("no memory for 9 GB")
        return [[Detection("cat", 1, 0.9, 1, 1, 20, 20)] for _ in images]


def test_a_photo_that_fails_is_alone(owner, monkeypatch):
    loaded: list[str] = []

    def load(source: Any) -> Fussy:
        loaded.append(source)
        return Fussy()

    monkeypatch.setattr(detecting, "_warm", type(detecting._warm)())
    monkeypatch.setattr("detection.inference.load_detector", load)
    request = make_request(owner, status=Status.QUEUED)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        add_photo(request, name, done=False)
    detecting.run_detection(request.pk, "worker")
    request.refresh_from_db()
    photos = list(request.photos.all())
    assert (request.status, request.score_threshold, loaded) == (
        Status.FINISHED,
        0.4,
        [request.base],
    )
    assert [photo.done for photo in photos] == [True] * 3
    assert [photo.detections.count() for photo in photos] == [1, 0, 1]
    assert photos[1].error == (
        "The detector failed on its 64 × 48 pixels: no memory for 9 GB. Try it smaller."
    )
    # The next request finds the detector warm.
    again = make_request(owner, status=Status.QUEUED)
    add_photo(again, done=False)
    detecting.run_detection(again.pk, "worker")
    assert again.photos.get().detections.count() == 1
    assert len(loaded) == 1
