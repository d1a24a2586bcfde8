"""Run a health check: read what is not yet known of photos' files, then ask all questions."""

import logging
from collections.abc import Iterator

from django.conf import settings
from django.core.files.storage import default_storage

from detection.images import ImageRefused, open_upright, probe_image
from detection.near_duplicates import perceptual_hash
from webapp.datasets.health import answer, forget_old_checks
from webapp.datasets.health_models import HealthCheck, PhotoFacts
from webapp.datasets.models import Image
from webapp.leases import LeaseLost, Status
from workers.lease_keeper import LeaseKeeper, end_cancelled

logger = logging.getLogger(__name__)
BATCH = 50


def run_health_check(check_id: int, worker: str) -> None:
    """Claim the check and answer it; returns where there is nothing to claim.

    Facts are written in batches as they are found, so that a check that was killed goes on where
    it was, and the next one reads new photos alone.
    """
    check = HealthCheck.claim(check_id, worker)
    if check is None:
        return
    try:
        with LeaseKeeper(check) as keeper:
            _read_photos(check, keeper)
            results, key = answer(check.project)
            keeper.check()
        check.end(Status.FINISHED, results=results, state_key=key)
        forget_old_checks(check.project)
    except LeaseLost:
        end_cancelled(check)
    except Exception as error:
        logger.exception("Health check %s failed", check.pk)
        check.end(
            Status.FAILED, f"The worker met an error: {error}. Check again; its log tells more."
        )


def _read_photos(check: HealthCheck, keeper: LeaseKeeper) -> None:
    unknown = Image.objects.kept().filter(project=check.project, facts=None).order_by("pk")
    check.write(num_found=unknown.count(), num_done=0)
    done = 0
    for batch in _batches(list(unknown.values_list("pk", flat=True))):
        facts = []
        for image in Image.objects.filter(pk__in=batch):
            keeper.check()
            facts.append(read_facts(image))
        PhotoFacts.objects.bulk_create(facts, ignore_conflicts=True)
        done += len(batch)
        check.write(num_done=done)


def _batches(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def read_facts(image: Image) -> PhotoFacts:
    """The header of the original, and the perceptual hash of the thumbnail."""
    facts = PhotoFacts(image=image)
    try:
        with default_storage.open(image.original_path, "rb") as file:
            header = probe_image(file, settings.MAX_PIXELS)
        facts.orientation, facts.mode = header.orientation, header.mode
        facts.num_frames = header.num_frames
        with default_storage.open(image.thumbnail_path, "rb") as file:
            facts.perceptual_hash = perceptual_hash(open_upright(file))
    except ImageRefused as error:
        facts.refused = str(error)
    except FileNotFoundError:
        facts.refused = "Its file is missing from the storage. Restore it from a backup."
    return facts
