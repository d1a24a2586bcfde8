"""From the editor straight to the next run: as an earlier one, on what is there now."""

import pytest
from django.urls import reverse

from tests.webapp.training.rows import make_run
from webapp.leases import Status
from webapp.training.models import TrainingRun


@pytest.fixture
def run(project, make_image):
    for index in range(5):
        make_image(project, f"{index}.jpg", boxes=[("cat", 5, 5, 30, 30)])
    return make_run(
        project, 3, Status.FINISHED, epochs_asked=12, input_size_asked=384, flip=True, mosaic=True,
        crop=False, colour=False, early_stop=False, seed=5,
    )  # fmt: skip


@pytest.fixture
def url(run):
    return reverse("training:again", args=[run.project_id, run.pk])


def test_repeats_the_settings_on_what_is_there_now(client_of, annotator, run, url, sent):
    response = client_of(annotator).post(url)
    new = TrainingRun.objects.exclude(pk=run.pk).get()
    assert response.url == reverse("training:run", args=[run.project_id, new.pk])
    assert (new.status, new.number) == (Status.QUEUED, 4)
    assert new.revision != run.revision
    assert new.revision.num_images == 5
    assert (new.epochs_asked, new.input_size_asked, new.seed) == (12, 384, 5)
    assert (new.flip, new.mosaic, new.crop, new.early_stop) == (True, True, False, False)


def test_what_cannot_train_comes_to_the_train_page_in_words(client_of, annotator, run, url):
    run.project.images.update(state="new")
    response = client_of(annotator).post(url)
    text = response.content.decode()
    assert response.status_code == 422
    assert "No image is marked done" in text
    assert f'action="{reverse("training:train", args=[run.project_id])}"' in text
    assert TrainingRun.objects.count() == 1


def test_the_editor_offers_it_where_an_error_led_there(client_of, annotator, viewer, run, url):
    editor = reverse("labeling:editor", args=[run.project_id, run.project.images.first().pk])
    client = client_of(annotator)
    assert url in client.get(f"{editor}?again={run.pk}").content.decode()
    for address in (editor, f"{editor}?again=99", f"{editor}?again=x"):
        response = client.get(address)
        assert (response.status_code, b"train-again" in response.content) == (200, False)
    assert "train-again" not in client_of(viewer).get(f"{editor}?again={run.pk}").content.decode()


def test_people(client_of, viewer, stranger, annotator, run, url):
    assert client_of(viewer).post(url).status_code == 403
    assert client_of(stranger).post(url).status_code == 404
    assert client_of(annotator).get(url).status_code == 405
    gone = reverse("training:again", args=[run.project_id, 99])
    assert client_of(annotator).post(gone).status_code == 404
