"""A project's settings: name, people, invitations, its end."""

import re

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from webapp.accounts.models import Invitation
from webapp.leases import Status
from webapp.projects.models import Project

pytestmark = pytest.mark.django_db


@pytest.fixture
def base(project) -> str:
    return f"/projects/{project.pk}/settings/"


def roles(project) -> dict[str, str]:
    return dict(project.memberships.values_list("user__username", "role"))


def test_page(client_of, owner, viewer, base, project, make_image):
    make_image(project)
    page = client_of(owner).get(base).content.decode()
    assert "Owner, the only one" in page
    assert "Images, 1" in page
    assert "Delete the project" in page
    page = client_of(viewer).get(base).content.decode()
    assert "Leave" in page
    assert "Delete the project" not in page
    assert "Make a link" not in page


def test_rename(client_of, owner, base, project):
    project.add_label("bird")
    client_of(owner).post(base, {"name": "Animals", "description": "All."})
    project = Project.objects.get()
    assert (project.name, project.description, project.next_class_id) == ("Animals", "All.", 4)


def test_rename_to_nothing(client_of, owner, base):
    response = client_of(owner).post(base, {"name": "", "description": ""})
    assert response.status_code == 422
    assert "required" in response.content.decode()
    assert Project.objects.get().name == "Pets"


def test_change_a_role(client_of, owner, viewer, base, project):
    client = client_of(owner)
    client.post(f"{base}members/{viewer.pk}/", {"role": "annotator"})
    assert roles(project)["victor"] == "annotator"
    page = client.post(f"{base}members/{viewer.pk}/", {"role": "king"}, follow=True)
    assert "Choose one of the roles" in page.content.decode()
    assert roles(project)["victor"] == "annotator"


def test_remove_and_leave(client_of, owner, annotator, viewer, base, project):
    client_of(owner).post(f"{base}members/{viewer.pk}/", {"remove": "1"})
    client = client_of(annotator)
    assert client.post(f"{base}members/{annotator.pk}/", {"remove": "1"}).url == "/"
    assert roles(project) == {"olga": "owner"}
    assert client.get(base).status_code == 404


@pytest.mark.parametrize("data", [{"remove": "1"}, {"role": "viewer"}])
def test_the_last_owner_stays(client_of, owner, annotator, base, project, data):
    client = client_of(owner)
    page = client.post(f"{base}members/{owner.pk}/", data, follow=True).content.decode()
    assert "last owner" in page
    assert roles(project)["olga"] == "owner"
    client.post(f"{base}members/{annotator.pk}/", {"role": "owner"})
    client.post(f"{base}members/{owner.pk}/", data)
    assert roles(project).get("olga") in {None, "viewer"}


def test_invite(client_of, owner, base, project):
    client = client_of(owner)
    data = {"role": "viewer", "note": "Lena"}
    page = client.post(f"{base}invite/", data, headers={"HX-Request": "true"}).content.decode()
    link = re.search(r"http://testserver(/invitations/([\w-]+)/)", page)
    assert "<html" not in page
    assert "Lena" in page
    invitation = Invitation.find(link.group(2))
    assert (invitation.project, invitation.role) == (project, "viewer")
    again = client.get(base).content.decode()
    assert "Lena" in again
    assert link.group(2) not in again
    assert Client().get(link.group(1)).status_code == 200


def test_invite_without_scripts(client_of, owner, base):
    page = client_of(owner).post(f"{base}invite/", {"role": "owner"}).content.decode()
    assert "<html" in page
    assert "/invitations/" in page


def test_invite_with_a_bad_role(client_of, owner, base):
    assert client_of(owner).post(f"{base}invite/", {"role": "king"}).status_code == 422
    assert not Invitation.objects.exists()


def test_revoke(client_of, owner, base, project):
    invitation, token = Invitation.make(project=project, role="viewer")
    foreign, _ = Invitation.make()
    client = client_of(owner)
    client.post(f"{base}invitations/{invitation.pk}/revoke/")
    assert Invitation.find(token) is None
    assert client.post(f"{base}invitations/{foreign.pk}/revoke/").status_code == 404


def test_delete(client_of, owner, base, project, make_image, django_capture_on_commit_callbacks):
    image = make_image(project, boxes=[("cat", 1, 1, 9, 9)])
    path = f"/projects/{project.pk}/delete/"
    response = client_of(owner).post(path, {"confirmation": "pets"})
    assert response.status_code == 422
    assert "You typed pets. Type Pets to delete the project." in response.content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert client_of(owner).post(path, {"confirmation": "Pets"}).url == "/"
    assert not Project.objects.exists()
    assert not default_storage.exists(image.original_path)


def test_delete_with_runs_models_and_detections(client_of, owner, project):
    from webapp.datasets.models import DatasetRevision
    from webapp.inference.models import DetectionRequest
    from webapp.training.models import TrainedModel, TrainingRun

    revision = DatasetRevision.objects.create(
        project=project, number=1, sha256="0" * 64, num_images=1, num_boxes=1
    )
    run = TrainingRun.objects.create(
        project=project, number=1, revision=revision, base="b", status=Status.RUNNING
    )
    model = TrainedModel.objects.create(
        project=project, number=1, run=run, base="b", input_size=300
    )
    DetectionRequest.objects.create(
        project=project, created_by=owner, model=model, status=Status.FINISHED
    )
    client, path = client_of(owner), f"/projects/{project.pk}/delete/"
    response = client.post(path, {"confirmation": "Pets"})
    assert response.status_code == 409
    assert "Run 1 is training now. Cancel it" in response.content.decode()
    TrainingRun.objects.update(status=Status.FINISHED)
    assert client.post(path, {"confirmation": "Pets"}).status_code == 302
    assert not Project.objects.exists()
    assert not TrainingRun.objects.exists()


def owners_posts(project, user) -> list[str]:
    base = f"/projects/{project.pk}/settings/"
    return [
        base,
        f"{base}invite/",
        f"{base}invitations/1/revoke/",
        f"{base}members/{user.pk}/",
        f"/projects/{project.pk}/delete/",
    ]


def test_who_may(client_of, owner, annotator, stranger, project):
    for path in owners_posts(project, owner):
        assert client_of(stranger).post(path).status_code == 404, path
        response = client_of(annotator).post(path, {"role": "viewer", "confirmation": "Pets"})
        assert response.status_code == 403, path
    assert client_of(stranger).get(f"/projects/{project.pk}/settings/").status_code == 404
    assert roles(project)["olga"] == "owner"


def test_wrong_method(client_of, owner, project):
    for path in owners_posts(project, owner)[1:]:
        assert client_of(owner).get(path).status_code == 405, path
    assert client_of(owner).delete(f"/projects/{project.pk}/settings/").status_code == 405


def test_no_such_member(client_of, owner, stranger, base):
    path = f"{base}members/{stranger.pk}/"
    assert client_of(owner).post(path, {"role": "viewer"}).status_code == 404
