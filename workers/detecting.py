"""Detect on a request's photos with a detector that stays warm between requests."""

import io
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from detection.images import ImageRefused, encode_jpeg, make_preview, open_upright
from detection.types import Detection as Found
from webapp.inference.models import Detection, DetectionPhoto, DetectionRequest
from webapp.leases import LeaseLost, Status
from webapp.storage import fetch_files, local_path, stored_files
from webapp.training.models import TrainedModel
from workers.lease_keeper import LeaseKeeper, end_cancelled

logger = logging.getLogger(__name__)
PREVIEW_SIDE = 2048
WARM_DETECTORS = 4
# Of photos that are detected on at once: decoded, a pixel takes three bytes.
MOST_PIXELS_AT_ONCE = 200_000_000
DESCRIPTIONS = ("model.json", "label_map.pbtxt", "metrics.json")
_warm: OrderedDict[str, Any] = OrderedDict()


def run_detection(request_id: int, worker: str) -> None:
    """Claim the request and deal with each of its photos; a bad photo does not stop the others."""
    request = DetectionRequest.claim(request_id, worker)
    if request is None:
        return
    started = time.monotonic()
    try:
        with LeaseKeeper(request) as keeper:
            detector = warm_detector(request)
            request.write(score_threshold=detector.score_threshold)
            # Photos may be added while others are dealt with.
            while waiting := list(request.photos.filter(done=False)[: detector.batch_size]):
                keeper.check()
                _detect_photos(detector, request, waiting)
        request.end(Status.FINISHED, seconds=time.monotonic() - started)
    except LeaseLost:
        end_cancelled(request)
    except DetectorMissing as error:
        request.end(Status.FAILED, str(error))
    except Exception as error:
        logger.exception("Detection request %s failed", request.pk)
        request.end(Status.FAILED, f"The worker met an error: {error}. Its log tells more.")


class DetectorMissing(Exception):
    """The detector's files are not on this machine; the text says the way out."""


def warm_detector(request: DetectionRequest) -> Any:
    """The request's detector, loaded once and kept (the least recently used one goes)."""
    from detection.inference import load_detector

    key = f"model {request.model_id}" if request.model_id else f"base {request.base}"
    if key not in _warm:
        source = _model_folder(request.model) if request.model else request.base
        try:
            _warm[key] = load_detector(source, use_gpu=True)
        except FileNotFoundError as error:
            raise DetectorMissing(str(error)) from error
    _warm.move_to_end(key)
    while len(_warm) > WARM_DETECTORS:
        _warm.popitem(last=False)
    return _warm[key]


def _model_folder(model: TrainedModel) -> Path:
    """The model's bundle as a folder on this machine."""
    in_place = local_path(model.storage_prefix)
    if in_place is not None:
        return in_place
    folder = settings.WORK_DIR / "models" / str(model.pk)
    if not folder.exists():
        fetch_files(model.storage_prefix, _detector_files(model.storage_prefix), folder)
    return folder


def _detector_files(prefix: str) -> list[str]:
    """What detecting with a stored bundle takes: its LiteRT model, or its SavedModel."""
    if default_storage.exists(f"{prefix}/model.tflite"):
        return [*DESCRIPTIONS, "model.tflite"]
    stored = stored_files(f"{prefix}/saved_model")
    return [*DESCRIPTIONS, *(name[len(prefix) + 1 :] for name in stored)]


def _detect_photos(
    detector: Any, request: DetectionRequest, waiting: Sequence[DetectionPhoto]
) -> None:
    """Deal with the first of the ``waiting`` photos: as many as are well held in memory."""
    started = time.monotonic()
    opened: list[tuple[DetectionPhoto, PIL.Image.Image]] = []
    pixels = 0
    for photo in waiting:
        picture = _open(request, photo)
        if picture is not None:
            opened.append((photo, picture))
            pixels += picture.width * picture.height
            if pixels > MOST_PIXELS_AT_ONCE:
                break
    if not opened:
        return
    try:
        found: list[list[Found]] = detector.detect([np.asarray(picture) for _, picture in opened])
    except Exception as error:
        # Such as a photo that the memory does not hold: the others are still to be seen.
        if len(opened) > 1:
            for photo, _ in opened:
                _detect_photos(detector, request, [photo])
            return
        photo, picture = opened[0]
        logger.exception("Photo %s failed", photo.pk)
        size = f"{picture.width} × {picture.height} pixels"
        _refuse_photo(
            request, photo, f"The detector failed on its {size}: {error}. Try it smaller."
        )
        return
    seconds = (time.monotonic() - started) / len(opened)
    for (photo, picture), boxes in zip(opened, found, strict=True):
        _store(request, photo, picture, boxes, seconds)


def _open(request: DetectionRequest, photo: DetectionPhoto) -> PIL.Image.Image | None:
    try:
        with default_storage.open(photo.original_path, "rb") as file:
            return open_upright(io.BytesIO(file.read()), settings.MAX_PIXELS)
    except (ImageRefused, FileNotFoundError) as error:
        words = "The photo is not in the storage." if isinstance(error, OSError) else str(error)
        _refuse_photo(request, photo, words)
        return None


def _store(
    request: DetectionRequest,
    photo: DetectionPhoto,
    picture: PIL.Image.Image,
    boxes: Sequence[Found],
    seconds: float,
) -> None:
    started = time.monotonic()
    default_storage.save(
        photo.preview_path, ContentFile(encode_jpeg(make_preview(picture, PREVIEW_SIDE), 85))
    )
    photo.width, photo.height = picture.size
    photo.seconds, photo.done = seconds + time.monotonic() - started, True
    with transaction.atomic():
        request.write()
        photo.detections.all().delete()
        Detection.objects.bulk_create(_row(photo, box) for box in boxes)
        photo.save(update_fields=["width", "height", "seconds", "done"])


def _refuse_photo(request: DetectionRequest, photo: DetectionPhoto, words: str) -> None:
    photo.error, photo.done = words, True
    with transaction.atomic():
        request.write()
        photo.save(update_fields=["error", "done"])


def _row(photo: DetectionPhoto, box: Found) -> Detection:
    return Detection(
        photo=photo,
        class_id=box.class_id,
        label=box.label,
        score=box.score,
        xmin=box.xmin,
        ymin=box.ymin,
        xmax=box.xmax,
        ymax=box.ymax,
    )
