"""People, a project and photos for the tests of pages and workers; no broker, no TensorFlow."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.storage import default_storage
from django.test import Client
from PIL import Image as PillowImage


@pytest.fixture(autouse=True)
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Path:
    """A storage folder and a work folder of the test's own."""
    folder = tmp_path / "media"
    monkeypatch.setattr(default_storage._wrapped, "_location", str(folder))
    for name in ("base_location", "location"):
        default_storage._wrapped.__dict__.pop(name, None)
    settings.WORK_DIR = tmp_path / "work"
    yield folder
    for name in ("base_location", "location"):
        default_storage._wrapped.__dict__.pop(name, None)


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(task name, row id) of each message that would have gone to the broker."""
    messages: list[tuple[str, int]] = []
    monkeypatch.setattr("workers.wake.send", lambda task, row: messages.append((task.name, row.pk)))
    return messages


@pytest.fixture
def make_user(db: None) -> Callable[..., Any]:
    def make(username: str, **fields: Any) -> Any:
        users = get_user_model().objects
        return users.create_user(username, password="a long pass phrase", **fields)

    return make


@pytest.fixture
def owner(make_user: Callable[..., Any]) -> Any:
    return make_user("olga", is_staff=True)


@pytest.fixture
def annotator(make_user: Callable[..., Any]) -> Any:
    return make_user("anna")


@pytest.fixture
def viewer(make_user: Callable[..., Any]) -> Any:
    return make_user("victor")


@pytest.fixture
def stranger(make_user: Callable[..., Any]) -> Any:
    return make_user("stefan")


@pytest.fixture
def project(owner: Any, annotator: Any, viewer: Any) -> Any:
    from webapp.projects.models import Membership, Project

    project = Project.objects.create(name="Pets", created_by=owner)
    for user, role in ((owner, "owner"), (annotator, "annotator"), (viewer, "viewer")):
        Membership.objects.create(project=project, user=user, role=role)
    project.add_label("cat")
    project.add_label("dog")
    return project


@pytest.fixture
def client_of() -> Callable[[Any], Client]:
    def log_in(user: Any) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return log_in


def jpeg_bytes(size: tuple[int, int] = (64, 48), color: Any = (120, 80, 40), **more: Any) -> bytes:
    buffer = io.BytesIO()
    PillowImage.new("RGB", size, color).save(buffer, "JPEG", **more)
    return buffer.getvalue()


@pytest.fixture
def make_image() -> Callable[..., Any]:
    """make_image(project, name, size, boxes=[(label, xmin, ymin, xmax, ymax)], done=True)."""
    count = 0

    def make(
        project: Any,
        name: str = "photo.jpg",
        size: tuple[int, int] = (64, 48),
        boxes: list[tuple[str, float, float, float, float]] | None = None,
        done: bool = True,
        split: str = "",
    ) -> Any:
        nonlocal count
        from webapp.datasets.intake import take_image
        from webapp.labeling.models import Annotation

        count += 1
        # The comment makes the bytes differ; colours that are close can encode to the same.
        data = jpeg_bytes(size, comment=f"photo {count}".encode())
        image, _ = take_image(project, name, data, project.created_by)
        for label, *corners in boxes or []:
            Annotation.objects.create(
                image=image,
                label=project.labels.get(name=label),
                **dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)),
            )
        image.split = split
        image.save()
        image.count_boxes()
        image.set_state("done" if done else "new")
        return image

    return make
