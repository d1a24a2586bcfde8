"""Old requests are removed with their photos; what is young, under way or taken over stays."""

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from tests.webapp.inference.rows import add_photo, make_request
from webapp.inference.models import Detection, DetectionPhoto, DetectionRequest
from webapp.inference.retention import remove_outdated
from webapp.leases import Status


@pytest.fixture(autouse=True)
def a_week(settings):
    settings.KEEP_DETECTIONS_DAYS = 7


def aged(row, days):
    ended = timezone.now() - timedelta(days=days)
    DetectionRequest.objects.filter(pk=row.pk).update(created_at=ended, finished_at=ended)
    return row


def test_old_requests_go_with_their_files(project, owner):
    old, young = aged(make_request(owner, project), 8), aged(make_request(owner, project), 6)
    gone, kept = add_photo(old), add_photo(young)
    assert remove_outdated() == 1
    assert list(DetectionRequest.objects.all()) == [young]
    assert not default_storage.exists(gone.original_path)
    assert not default_storage.exists(gone.preview_path)
    assert default_storage.exists(kept.original_path)
    assert set(DetectionPhoto.objects.all()) == {kept}
    assert set(Detection.objects.values_list("photo", flat=True)) == {kept.pk}
    assert remove_outdated() == 0


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
def test_what_is_under_way_stays(project, owner, status):
    aged(make_request(owner, project, status=status), 90)
    assert remove_outdated() == 0


def test_uploads_that_never_began_and_requests_of_no_project_go(owner):
    aged(make_request(owner, status=Status.DRAFT), 8)
    DetectionRequest.objects.update(finished_at=None)
    assert remove_outdated() == 1


def test_an_image_that_was_taken_over_stays(project, owner, make_image):
    image = make_image(project)
    add_photo(aged(make_request(owner, project), 8), image=image)
    assert remove_outdated() == 1
    image.refresh_from_db()


def test_zero_keeps_them_for_ever(project, owner, settings):
    settings.KEEP_DETECTIONS_DAYS = 0
    aged(make_request(owner, project), 4000)
    assert remove_outdated() == 0


def test_the_page_says_how_long(client_of, owner, project):
    text = client_of(owner).get(f"/projects/{project.pk}/detect/").content.decode()
    assert "kept for 7 days" in text
