"""A run's page, its progress, log and cancel."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.webapp.training.rows import add_epochs, make_model, make_run
from webapp.leases import Status


def at(name, run):
    return reverse(f"training:{name}", args=[run.project_id, run.pk])


@pytest.fixture
def running(project):
    run = make_run(
        project, 4, phase="training", epochs=9, epoch=2, step=1, fraction=0.25, seconds_left=130,
        images_per_second=41.6, best_epoch=2, best_map_50=0.8,
    )  # fmt: skip
    add_epochs(run, [0.5, 0.8])
    return run


def test_page_is_drawn_by_the_server(client_of, viewer, running):
    text = client_of(viewer).get(at("run", running)).content.decode()
    assert "Epoch 3 of 9" in text
    assert "about 2 min left" in text
    assert "80.0 %" in text
    assert 'id="run-state"' in text
    assert "2/9 loss 0.500" in text
    assert "mirroring, cropping, colour</dd>" in text
    assert "Cancel Run 4?" not in text  # a viewer may look and no more


def test_progress_sends_what_is_new(client_of, viewer, running):
    client = client_of(viewer)
    first = client.get(at("progress", running)).json()
    assert [row["epoch"] for row in first["epochs"]] == [1, 2]
    assert [line["text"] for line in first["log"]] == ["1/9 loss 1.000", "2/9 loss 0.500"]
    assert (first["status"], first["ended"], first["title"]) == ("running", False, "25 % · Run 4")
    last = {"epoch": 2, "log": first["log"][-1]["id"], "worst": first["worst"]}
    then = client.get(at("progress", running), last).json()
    assert (then["epochs"], then["log"]) == ([], [])
    assert set(then["parts"]) == {"state", "progress"}


def test_progress_survives_odd_parameters(client_of, viewer, running):
    response = client_of(viewer).get(at("progress", running), {"epoch": "-1", "log": "9" * 40})
    assert len(response.json()["epochs"]) == 2


def test_a_label_without_a_box_in_val_has_no_score(client_of, viewer, running):
    labels = client_of(viewer).get(at("progress", running)).json()["parts"]["labels"]
    assert "80.0 %" in labels
    assert "No validation box has this label" in labels


def test_worst_images_link_to_the_editor(client_of, viewer, project, running, make_image):
    image = make_image(project, "tom.jpg", boxes=[("cat", 5, 5, 20, 20)])
    box = {"label": "cat", "xmin": 5, "ymin": 5, "xmax": 20, "ymax": 20}
    running.worst = [
        {"image": "tom.jpg", "image_id": image.pk, "kind": "missed", "label": "cat",
         "boxes": [box]},
        {"image": "<gone>.jpg", "image_id": None, "kind": "false", "label": "dog", "score": 0.52,
         "boxes": [{**box, "score": 0.52}]},
    ]  # fmt: skip
    running.save()
    html = client_of(viewer).get(at("progress", running)).json()["parts"]["worst"]
    assert "cat missed" in html
    assert reverse("labeling:editor", args=[project.pk, image.pk]) in html
    assert "False dog" in html
    assert "&lt;gone&gt;.jpg" in html


def test_a_waiting_run_says_for_what(client_of, viewer, project, running):
    waiting = make_run(project, 5, Status.QUEUED)
    html = client_of(viewer).get(at("progress", waiting)).json()["parts"]["progress"]
    assert "starts after Run 4" in html
    assert "in about 2 min" in html


def test_a_run_that_no_worker_takes_says_so(client_of, viewer, project):
    waiting = make_run(project, 5, Status.QUEUED)
    type(waiting).objects.update(sent_at=timezone.now() - timedelta(minutes=2))
    html = client_of(viewer).get(at("progress", waiting)).json()["parts"]["progress"]
    assert "No worker for training is answering" in html


def test_a_failed_run_says_why_and_can_be_started_again(client_of, owner, project):
    run = make_run(
        project, 2, Status.FAILED, reason="Out of memory. Use a smaller batch.", batch_size=64
    )
    text = client_of(owner).get(at("run", run)).content.decode()
    assert "Out of memory. Use a smaller batch." in text
    assert 'name="batch_size" value="64"' in text
    assert f'name="revision" value="{run.revision_id}"' in text


def test_a_finished_run_leads_to_its_model(client_of, viewer, project):
    run = make_run(project, 2, Status.FINISHED, epoch=9, finished_at=timezone.now())
    model = make_model(run)
    state = client_of(viewer).get(at("progress", run)).json()
    assert state["ended"] is True
    assert reverse("training:model", args=[project.pk, model.pk]) in state["parts"]["progress"]


def test_cancel(client_of, annotator, project, running):
    waiting = make_run(project, 5, Status.QUEUED)
    client = client_of(annotator)
    assert client.post(at("cancel", running)).status_code == 302
    assert client.post(at("cancel", waiting)).status_code == 302
    running.refresh_from_db()
    waiting.refresh_from_db()
    assert (running.status, running.cancel_requested) == (Status.RUNNING, True)
    assert waiting.status == Status.CANCELLED
    html = client.get(at("progress", running)).json()["parts"]["progress"]
    assert "Stopping, keeping the best" in html


def test_cancelling_what_has_ended_changes_nothing(client_of, annotator, project):
    run = make_run(project, 1, Status.FINISHED)
    client_of(annotator).post(at("cancel", run))
    run.refresh_from_db()
    assert (run.status, run.cancel_requested) == (Status.FINISHED, False)


def test_log_is_text(client_of, viewer, running):
    response = client_of(viewer).get(at("log", running))
    assert response["Content-Type"].startswith("text/plain")
    assert response.content.decode().splitlines()[1].endswith("2/9 loss 0.500")


def test_job_pill(client_of, viewer, project, running):
    url = reverse("training:job", args=[project.pk])
    assert "25 %" in client_of(viewer).get(url, headers={"HX-Request": "true"}).content.decode()
    assert client_of(viewer).get(url).status_code == 404


def test_people(client_of, viewer, stranger, running):
    for name in ("run", "progress", "log"):
        assert client_of(stranger).get(at(name, running)).status_code == 404
        assert client_of(viewer).post(at(name, running)).status_code == 405
    assert client_of(stranger).post(at("cancel", running)).status_code == 404
    assert client_of(viewer).post(at("cancel", running)).status_code == 403
    assert client_of(viewer).get(at("cancel", running)).status_code == 405


def test_a_run_of_another_project_is_404(client_of, viewer, project, running, make_user):
    from webapp.projects.models import Project

    other = make_run(Project.objects.create(name="Other", created_by=make_user("otto")), 1)
    url = reverse("training:run", args=[project.pk, other.pk])
    assert client_of(viewer).get(url).status_code == 404
    assert (
        client_of(viewer).get(reverse("training:run", args=[project.pk, 10**6])).status_code == 404
    )
