"""Resumable uploads: the tus protocol 1.0, and what is on the disk."""

import base64
import hashlib
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection

from webapp.datasets import resumable, uploads
from webapp.datasets.models import ImageImport
from webapp.leases import Status
from webapp.request_bodies import BodyCut

TUS = {"Tus-Resumable": "1.0.0"}
PART = "application/offset+octet-stream"


@pytest.fixture
def draft(project: Any, annotator: Any) -> ImageImport:
    return ImageImport.objects.create(
        project=project, created_by=annotator, name="big", status=Status.DRAFT
    )


@pytest.fixture
def client(client_of: Any, annotator: Any) -> Any:
    return client_of(annotator)


def base(draft: ImageImport) -> str:
    return f"/projects/{draft.project_id}/imports/{draft.pk}/resumable/"


def create(client: Any, draft: ImageImport, length: Any = 10, name: str = "big.zip") -> Any:
    encoded = base64.b64encode(name.encode()).decode()
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": f"filename {encoded}"}
    return client.post(base(draft), headers=headers)


def patch(client: Any, url: str, offset: int, data: bytes, **more: str) -> Any:
    headers = {**TUS, "Upload-Offset": str(offset), **more}
    return client.patch(url, data, content_type=PART, headers=headers)


def stored(draft: ImageImport) -> bytes:
    with default_storage.open(draft.files.get().path, "rb") as file:
        return file.read()


def test_a_file_arrives_in_parts(client: Any, draft: ImageImport) -> None:
    made = create(client, draft)
    assert (made.status_code, made["Upload-Offset"]) == (201, "0")
    url = made["Location"]
    assert patch(client, url, 0, b"01234").status_code == 204
    asked = client.head(url, headers=TUS)
    assert (asked["Upload-Offset"], asked["Upload-Length"]) == ("5", "10")
    assert asked["Cache-Control"] == "no-store"
    assert "Upload-Expires" in asked
    assert not default_storage.exists(draft.files.get().path), "half a file is none"
    last = patch(client, url, 5, b"56789")
    assert (last.status_code, last["Upload-Offset"]) == (204, "10")
    assert stored(draft) == b"0123456789"
    assert not resumable.part_path(draft.files.get()).exists()


def test_the_same_name_and_length_go_on(client: Any, draft: ImageImport) -> None:
    url = create(client, draft)["Location"]
    patch(client, url, 0, b"0123")
    again = create(client, draft)
    assert (again["Location"], again["Upload-Offset"]) == (url, "4")
    other = create(client, draft, length=3)
    assert (other["Location"], other["Upload-Offset"]) == (url, "0")
    patch(client, url, 0, b"abc")
    assert stored(draft) == b"abc"


def test_a_part_elsewhere_is_409_and_tells_where(client: Any, draft: ImageImport) -> None:
    url = create(client, draft)["Location"]
    patch(client, url, 0, b"0123")
    wrong = patch(client, url, 2, b"xx")
    assert (wrong.status_code, wrong["Upload-Offset"]) == (409, "4")


def test_a_checksum_is_held_against_the_part(client: Any, draft: ImageImport) -> None:
    url = create(client, draft)["Location"]
    digest = base64.b64encode(hashlib.sha1(b"01234").digest()).decode()
    changed = patch(client, url, 0, b"01x34", **{"Upload-Checksum": f"sha1 {digest}"})
    assert changed.status_code == 460
    assert client.head(url, headers=TUS)["Upload-Offset"] == "0"
    assert (
        patch(client, url, 0, b"01234", **{"Upload-Checksum": f"sha1 {digest}"}).status_code == 204
    )
    unknown = patch(client, url, 5, b"5", **{"Upload-Checksum": "crc5 AAAA"})
    assert (unknown.status_code, "crc5" in unknown.json()["error"]) == (400, True)
    assert patch(client, url, 5, b"5", **{"Upload-Checksum": "sha1 !"}).status_code == 400


def test_what_came_before_a_cut_is_kept_and_what_was_not_settled_is_dropped(
    client: Any, draft: ImageImport
) -> None:
    create(client, draft)
    row = draft.files.get()
    pieces = iter([b"012", b"34"])

    def cut() -> bytes:
        piece = next(pieces, None)
        if piece is None:
            raise BodyCut
        return piece

    with pytest.raises(BodyCut):
        resumable.receive_part(row, 0, cut)
    row.refresh_from_db()
    assert row.bytes == 5
    with resumable.part_path(row).open("ab") as part:
        part.write(b"from a server that was killed")
    rest = iter([b"56789", b""])
    assert resumable.receive_part(row, 5, lambda: next(rest)) == 10
    assert stored(draft) == b"0123456789"


def test_more_than_announced_is_413(client: Any, draft: ImageImport) -> None:
    url = create(client, draft, length=4)["Location"]
    assert patch(client, url, 0, b"01234").status_code == 413
    assert client.head(url, headers=TUS)["Upload-Offset"] == "0"


def test_an_upload_over_the_limit_or_the_disk_is_refused_at_its_announcement(
    client: Any, draft: ImageImport, settings: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = 100
    assert create(client, draft, length=101).status_code == 413
    settings.MAX_UPLOAD_BYTES = 1 << 60
    full = create(client, draft, length=1 << 50)
    assert (full.status_code, "free" in full.json()["error"]) == (507, True)


def test_the_disk_is_looked_at_while_bytes_come(
    client: Any, draft: ImageImport, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create(client, draft)["Location"]
    monkeypatch.setattr(resumable, "SETTLE_EVERY", 1)
    settings.KEEP_FREE_BYTES = 1 << 60
    assert patch(client, url, 0, b"01").status_code == 507


def test_a_file_can_be_dropped(client: Any, draft: ImageImport) -> None:
    url = create(client, draft)["Location"]
    patch(client, url, 0, b"0123")
    part = resumable.part_path(draft.files.get())
    assert client.delete(url, headers=TUS).status_code == 204
    assert not part.exists()
    assert client.head(url, headers=TUS).status_code == 404


def test_an_import_starts_only_with_whole_files(client: Any, draft: ImageImport) -> None:
    url = create(client, draft)["Location"]
    patch(client, url, 0, b"0123")
    start = f"/projects/{draft.project_id}/imports/{draft.pk}/start/"
    early = client.post(start, headers={"Accept": "application/json"})
    assert early.status_code == 409
    assert early.json()["error"].startswith("big.zip: 4 B of 10 B have arrived.")
    patch(client, url, 4, b"456789")
    begun = client.post(start, {"split": "val"}, headers={"Accept": "application/json"})
    assert begun.status_code == 200
    draft.refresh_from_db()
    assert (draft.status, draft.split) == (Status.QUEUED, "val")
    late = patch(client, url, 10, b"x")
    assert late.status_code in {409, 413}


def test_the_protocols_manners(client: Any, draft: ImageImport) -> None:
    told = client.options(base(draft))
    assert told["Tus-Version"] == "1.0.0"
    assert told["Tus-Extension"] == "creation,checksum,termination,expiration"
    assert client.post(base(draft)).status_code == 412
    assert create(client, draft, length="many").status_code == 400
    assert create(client, draft, name="..").status_code == 400
    bad = {**TUS, "Upload-Length": "3", "Upload-Metadata": "filename !!"}
    assert client.post(base(draft), headers=bad).status_code == 400
    url = create(client, draft)["Location"]
    wrong_type = client.patch(
        url, b"x", content_type="text/plain", headers={**TUS, "Upload-Offset": "0"}
    )
    assert wrong_type.status_code == 415
    assert client.patch(url, b"x", content_type=PART, headers=TUS).status_code == 400
    assert client.get(url, headers=TUS).status_code == 405


def test_uploads_are_the_projects_own(
    client_of: Any, viewer: Any, stranger: Any, client: Any, draft: ImageImport
) -> None:
    url = create(client, draft)["Location"]
    for user, status in ((viewer, 403), (stranger, 404)):
        other = client_of(user)
        assert create(other, draft).status_code == status
        assert other.head(url, headers=TUS).status_code == status
        assert patch(other, url, 0, b"x").status_code == status
    wrong = url.replace(f"/imports/{draft.pk}/", f"/imports/{draft.pk + 1}/")
    assert client.head(wrong, headers=TUS).status_code == 404


def test_the_same_choice_of_files_goes_on_in_the_same_draft(
    client: Any, client_of: Any, owner: Any, project: Any
) -> None:
    asked = {"name": "trip", "files": 2, "bytes": 9, "fingerprint": "f-1"}
    url = f"/projects/{project.pk}/imports/new/"
    first = client.post(url, asked).json()
    row = ImageImport.objects.get(pk=first["id"])
    row.files.create(name="a.jpg", bytes=5)
    row.files.create(name="b.zip", bytes=2, declared_bytes=4)
    again = client.post(url, asked).json()
    assert again == {"id": first["id"], "name": "trip", "arrived": {"a.jpg": 5}}
    assert client.post(url, {**asked, "fingerprint": "f-2"}).json()["id"] != first["id"]
    assert client_of(owner).post(url, asked).json()["id"] != first["id"], "another user's"
    uploads.cancel(row)
    assert client.post(url, asked).json()["id"] != first["id"]
    assert connection.is_usable()
