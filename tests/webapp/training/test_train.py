"""The Train page: what it says before a run, and the run that it starts."""

import pytest
from django.urls import reverse

from tests.webapp.training.rows import BASE, make_revision, make_run
from webapp.leases import Status
from webapp.training.models import TrainingRun


@pytest.fixture
def url(project):
    return reverse("training:train", args=[project.pk])


@pytest.fixture
def labelled(project, make_image):
    """Five images that are done, with a box each."""
    for index in range(5):
        make_image(project, f"{index}.jpg", boxes=[("cat", 5, 5, 30, 30)])
    return project


def test_shows_what_it_would_train_on(client_of, owner, labelled, url):
    text = client_of(owner).get(url).content.decode()
    assert "5 images done, 5 boxes, 1 label" in text
    assert "about 4 train, 1 val" in text
    assert "Start training" in text
    assert "data-stopped" not in text


def test_few_images_say_what_to_expect(client_of, owner, project, make_image, url):
    for index in range(2):
        make_image(project, f"{index}.jpg", boxes=[("cat", 5, 5, 30, 30)])
    text = client_of(owner).get(url).content.decode()
    assert "about 1 train, 1 val" in text, "as freezing will split them"
    assert "1 image to learn from and 1 to be judged by are few" in text


def test_an_empty_project_says_the_way_out_and_disables_the_button(client_of, owner, url):
    text = client_of(owner).get(url).content.decode()
    assert "There are no images yet." in text
    assert "data-stopped disabled" in text


def test_starts_a_run_on_what_is_there(client_of, annotator, labelled, url, sent):
    response = client_of(annotator).post(url, {"base": BASE})
    run = TrainingRun.objects.get()
    assert response.url == reverse("training:run", args=[labelled.pk, run.pk])
    assert (run.status, run.revision.num_images) == (Status.QUEUED, 5)
    assert (run.epochs_asked, run.minutes_asked, run.input_size_asked) == (None, None, None)
    assert (run.input_size, run.flip, run.early_stop) == (300, False, False)  # unticked: not sent


def test_the_automatic_size_goes_by_the_boxes(client_of, owner, project, make_image, url):
    make_image(project, "far.jpg", size=(640, 480), boxes=[("cat", 5, 5, 38, 38)])
    assert "448 px for these boxes" in client_of(owner).get(url).content.decode()


def test_takes_every_setting(client_of, owner, labelled, url):
    revision = make_revision(labelled, 7)
    chosen = {
        "base": BASE, "revision": revision.pk, "length": "minutes", "minutes": 3, "epochs": 99,
        "input_size": 448, "batch_size": 4, "seed": 5, "flip": "on", "mosaic": "on",
        "vertical_flip": "on",
    }  # fmt: skip
    client_of(owner).post(url, chosen)
    run = TrainingRun.objects.get()
    assert (run.revision, run.minutes_asked, run.epochs_asked) == (revision, 3, None)
    assert (run.input_size_asked, run.batch_size, run.seed, run.flip) == (448, 4, 5, True)
    assert (run.vertical_flip, run.mosaic) == (True, True)
    assert (run.crop, run.colour, run.prune, run.early_stop) == (False, False, False, False)


def test_what_the_base_does_not_train_with_is_not_kept(client_of, owner, labelled, url):
    chosen = {"base": "faster_rcnn_inception_v2_coco", "flip": "on", "crop": "on", "mosaic": "on"}
    client_of(owner).post(url, chosen)
    run = TrainingRun.objects.get()
    assert (run.flip, run.crop, run.mosaic, run.batch_size) == (True, False, False, 1)


def test_what_cannot_train_is_refused_in_words(client_of, owner, url):
    response = client_of(owner).post(url, {"base": BASE})
    assert response.status_code == 422
    assert "There are no images yet." in response.content.decode()
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("base", "nonesuch", "There is no base nonesuch here."),
        ("revision", "999", "That revision is not in this project."),
        ("batch_size", "0", "greater than or equal to 1"),
        ("input_size", "7", "Select a valid choice"),
        ("minutes", "", "Say how many minutes"),
    ],
)
def test_bad_input_names_the_field(client_of, owner, labelled, url, field, value, words):
    data = {"base": BASE, "length": "minutes", "minutes": "5", field: value}
    response = client_of(owner).post(url, data)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not TrainingRun.objects.exists()


def test_the_revision_of_another_project_is_not_taken(client_of, owner, labelled, url, make_user):
    from webapp.projects.models import Project

    other = Project.objects.create(name="Other", created_by=make_user("otto"))
    response = client_of(owner).post(url, {"base": BASE, "revision": make_revision(other).pk})
    assert response.status_code == 422


def test_earlier_runs_and_the_queue(client_of, owner, project, url):
    make_run(project, 1, Status.FAILED, reason="No memory.")
    make_run(project, 2, Status.RUNNING, fraction=0.62, phase="training")
    text = client_of(owner).get(url).content.decode()
    assert "Failed" in text
    assert "training · 62 %" in text
    assert "after Run 2" in text


def test_runs_of_other_projects_are_counted_and_not_named(
    client_of, owner, project, url, make_user
):
    from webapp.projects.models import Project

    other = Project.objects.create(name="Secret", created_by=make_user("otto"))
    make_run(other, 77)
    text = client_of(owner).get(url).content.decode()
    assert "after a run of another project" in text
    assert "Run 77" not in text


def test_people(client_of, viewer, stranger, url):
    assert client_of(viewer).get(url).status_code == 200
    assert client_of(viewer).post(url, {"base": BASE}).status_code == 403
    assert client_of(stranger).get(url).status_code == 404
    assert client_of(stranger).post(url, {"base": BASE}).status_code == 404
    assert client_of(viewer).put(url).status_code == 405
