"""Importing from folders that are on the server, or in the storage, already."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tests.browser.photos import voc_xml
from tests.web_fixtures import jpeg_bytes
from webapp.datasets.models import ImageImport
from webapp.environment import BadSetting, import_prefixes, import_roots
from webapp.leases import Status
from workers.importing import run_import

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    """An allowed folder with a set in it, and beside it what nobody may read."""
    folder = tmp_path / "allowed"
    (folder / "set/inner").mkdir(parents=True)
    (folder / "set/a.jpg").write_bytes(jpeg_bytes())
    (folder / "set/a.xml").write_text(voc_xml("a.jpg", (64, 48), [("cat", [1, 2, 30, 40])]))
    (folder / "set/inner/b.jpg").write_bytes(jpeg_bytes(color=(9, 9, 9)))
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/s.jpg").write_bytes(jpeg_bytes(color=(1, 200, 9)))
    (folder / "set/link.jpg").symlink_to(tmp_path / "secret/s.jpg")
    (folder / "out").symlink_to(tmp_path / "secret")
    settings.IMPORT_ROOTS = [folder.resolve()]
    settings.IMPORT_PREFIXES = []
    return folder.resolve()


def page(project: Any) -> str:
    return f"/projects/{project.pk}/imports/server/"


def test_off_without_a_setting(client_of: Any, owner: Any, project: Any, settings: Any) -> None:
    settings.IMPORT_ROOTS = settings.IMPORT_PREFIXES = []
    assert client_of(owner).get(page(project)).status_code == 404
    assert (
        "From the server"
        not in client_of(owner).get(f"/projects/{project.pk}/images/").content.decode()
    )


def test_a_folder_is_imported_where_it_lies(
    client_of: Any, owner: Any, project: Any, root: Path, sent: Any
) -> None:
    client = client_of(owner)
    assert str(root) in client.get(page(project)).content.decode()
    listing = client.get(page(project), {"kind": "server", "root": str(root)}).content.decode()
    assert "set" in listing
    assert ">out<" not in listing, "a link is no folder"
    answer = client.post(page(project), {"kind": "server", "root": str(root), "path": "set"})
    assert answer.status_code == 302
    row = ImageImport.objects.get()
    assert sent == [("workers.tasks.import_images", row.pk)]
    run_import(row.pk, "test")
    row.refresh_from_db()
    assert (row.status, row.num_taken, row.num_boxes) == (Status.FINISHED, 2, 1)
    assert set(project.images.values_list("name", flat=True)) == {"a.jpg", "inner/b.jpg"}
    assert (root / "set/a.jpg").exists(), "what lies there stays"


@pytest.mark.parametrize(
    ("where", "path"),
    [("", "../secret"), ("", "out"), ("", "set/../../secret"), ("", "none"), ("/etc", "")],
)
def test_nothing_else_can_be_reached(
    client_of: Any, owner: Any, project: Any, root: Path, where: str, path: str
) -> None:
    form = {"kind": "server", "root": where or str(root), "path": path}
    assert client_of(owner).get(page(project), form).status_code == 404
    assert client_of(owner).post(page(project), form).status_code == 404
    assert not ImageImport.objects.exists()


def test_a_root_that_is_no_longer_allowed_is_not_read(
    owner: Any, project: Any, root: Path, settings: Any
) -> None:
    place = {"kind": "server", "root": str(root), "path": "set"}
    row = ImageImport.objects.create(
        project=project, created_by=owner, name="set", place=place, status=Status.QUEUED
    )
    settings.IMPORT_ROOTS = []
    run_import(row.pk, "test")
    assert project.images.count() == 0
    assert "may be imported from" in row.problems.get().message


def test_a_prefix_of_the_storage(
    client_of: Any, owner: Any, project: Any, settings: Any, media: Path
) -> None:
    settings.IMPORT_ROOTS, settings.IMPORT_PREFIXES = [], ["incoming"]
    default_storage.save("incoming/day 1/a.jpg", ContentFile(jpeg_bytes()))
    default_storage.save("other/b.jpg", ContentFile(jpeg_bytes(color=(9, 9, 9))))
    form = {"kind": "storage", "root": "incoming"}
    assert "day 1" in client_of(owner).get(page(project), form).content.decode()
    client_of(owner).post(page(project), {**form, "path": "day 1"})
    run_import(ImageImport.objects.get().pk, "test")
    assert project.images.get().name == "a.jpg"
    assert default_storage.exists("incoming/day 1/a.jpg")
    assert client_of(owner).get(page(project), {**form, "path": "../other"}).status_code == 404
    assert client_of(owner).get(page(project), {**form, "root": "projects"}).status_code == 404


def test_who_may(client_of: Any, annotator: Any, stranger: Any, project: Any, root: Path) -> None:
    assert client_of(annotator).get(page(project)).status_code == 403
    assert client_of(stranger).get(page(project)).status_code == 404


def test_settings_are_checked_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROOTS", f"{tmp_path},relative")
    with pytest.raises(BadSetting, match="relative is no folder that is there"):
        import_roots("ROOTS")
    monkeypatch.setenv("ROOTS", "incoming/,projects/1")
    with pytest.raises(BadSetting, match="Boxloop keeps its own files"):
        import_prefixes("ROOTS")
    monkeypatch.setenv("ROOTS", "incoming/")
    assert import_prefixes("ROOTS") == ["incoming"]
