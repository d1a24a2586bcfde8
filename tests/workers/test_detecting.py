"""The worker around detections: one photo's failure is its own, the detector is loaded once."""

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

import workers.detecting as detecting
from detection.types import Detection
from tests.web_fixtures import jpeg_bytes
from tests.webapp.inference.rows import add_photo, make_request
from webapp.leases import Status

pytestmark = pytest.mark.django_db(transaction=True)


FUSSY_WIDTH = 65


class Fussy:
    """Finds one cat in every photo but those of one width, on which it fails."""

    score_threshold = 0.4

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.calls: list[int] = []

    def detect(self, images: Any) -> list[list[Detection]]:
        self.calls.append(len(images))
        if any(image.shape[1] == FUSSY_WIDTH for image in images):
            raise MemoryError("no memory for 9 GB")
        return [[Detection("cat", 1, 0.9, 1, 1, 20, 20)] for _ in images]


@pytest.mark.parametrize(("batch_size", "calls"), [(1, [1, 1, 1]), (2, [2, 1, 1, 1])])
def test_a_photo_that_fails_is_alone(owner, monkeypatch, batch_size: int, calls: list[int]):
    loaded: list[str] = []
    detector = Fussy(batch_size)

    def load(source: Any, *, use_gpu: bool) -> Fussy:
        assert use_gpu
        loaded.append(source)
        return detector

    monkeypatch.setattr(detecting, "_warm", type(detecting._warm)())
    monkeypatch.setattr("detection.inference.load_detector", load)
    request = make_request(owner, status=Status.QUEUED)
    for name, width in (("a.jpg", 64), ("b.jpg", FUSSY_WIDTH), ("c.jpg", 64)):
        photo = add_photo(request, name, done=False)
        default_storage.delete(photo.original_path)
        default_storage.save(photo.original_path, ContentFile(jpeg_bytes((width, 48))))
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
        "The detector failed on its 65 × 48 pixels: no memory for 9 GB. Try it smaller."
    )
    assert detector.calls == calls
    # The next request finds the detector warm.
    again = make_request(owner, status=Status.QUEUED)
    add_photo(again, done=False)
    detecting.run_detection(again.pk, "worker")
    assert again.photos.get().detections.count() == 1
    assert len(loaded) == 1
