"""Files that become durable together."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from webapp.file_batch import FileBatch
from webapp.storage import local_path


@pytest.fixture
def folder() -> Iterator[Path]:
    path = local_path("test-batch")
    assert path is not None
    yield path
    shutil.rmtree(path)


def stored(name: str) -> bytes:
    with default_storage.open(name, "rb") as file:
        return bytes(file.read())


def test_saves_and_replaces(folder: Path) -> None:
    with FileBatch() as batch:
        for data in (b"one", b"other"):
            batch.save("test-batch/photo", data)
            batch.save_same("test-batch/photo.preview", "test-batch/photo", data)
            batch.settle()
            assert stored("test-batch/photo") == stored("test-batch/photo.preview") == data
        batch.save("test-batch/photo", b"new")
    assert stored("test-batch/photo.preview") == b"other", "a file is replaced, not written into"
    assert sorted(path.name for path in folder.iterdir()) == ["photo", "photo.preview"]


def test_copies_where_there_are_no_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    with FileBatch() as batch:
        batch.save("test-batch/photo", b"bytes")
        batch.save_same("test-batch/photo.preview", "test-batch/photo", b"bytes")
        batch.settle()
    assert stored("test-batch/photo.preview") == b"bytes"
    assert len(list(folder.iterdir())) == 2
