"""The supply chain: every package pinned with hashes, no address of an index anywhere."""

import re

import pytest

from launcher.places import ROOT

LOCKS = sorted(path.name for path in ROOT.glob("requirements*.txt"))


def pins(name: str) -> dict[str, set[str]]:
    """Package -> the versions that a lock pins (more than one where markers tell them apart)."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(
        r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE
    ):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE | re.IGNORECASE)
    entries = [entry for entry in entries if entry.strip() and not entry.startswith("#")]
    assert entries
    for entry in entries:
        assert re.match(r"[\w.\-\[\],]+==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


@pytest.mark.parametrize("name", LOCKS)
def test_no_index_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "index-url" not in text


def test_locks_agree_on_what_they_share() -> None:
    main = pins("requirements.txt")
    for name in ("requirements-gpu.txt", "requirements-dev.txt"):
        for package, versions in pins(name).items():
            if package in main:
                assert versions == main[package], f"{name}: {package}"


def test_one_tensorflow_a_platform() -> None:
    text = (ROOT / "requirements.txt").read_text()
    assert re.search(r"^tensorflow-cpu==.*platform_machine == 'x86_64'", text, re.MULTILINE)
    assert "nvidia-" not in text
    gpu = pins("requirements-gpu.txt")
    assert "tensorflow-cpu" not in gpu
    assert any(package.startswith("nvidia-cudnn") for package in gpu)
