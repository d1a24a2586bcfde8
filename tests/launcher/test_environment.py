"""When the environment is made anew, added to, or left alone. Nothing is installed here."""

import io
import os
import sys
from pathlib import Path

import pytest

from launcher import environment, machine
from launcher.environment import Marker, choose_accelerator, is_ready, lock_hash
from launcher.progress import Steps, duration
from launcher.stopping import Stop
from launcher.testing import pytest_summary


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bones of an environment, without a marker."""
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "lib" / f"python{version}").mkdir(parents=True)
    monkeypatch.setenv("BOXLOOP_VENV", str(folder))
    monkeypatch.setenv("BOXLOOP_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("BOXLOOP_GPU", raising=False)
    monkeypatch.setattr(machine, "nvidia_gpus", list)
    return folder


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What set-up would run; each succeeds."""
    run: list[list[str]] = []

    def record(command: list[str], log: Path, **options: object) -> int:
        run.append(command)
        return 0

    monkeypatch.setattr(environment, "run_logged", record)
    return run


def marker(*locks: str, complete: bool = True, accelerator: str = "cpu") -> Marker:
    version = f"{sys.version_info.major}.{sys.version_info.minor}.0"
    return Marker(complete, accelerator, version, {name: lock_hash(name) for name in locks})


def ensure(**options: object) -> str:
    screen = io.StringIO()
    environment.ensure(Steps(5, stream=screen), **options)  # type: ignore[arg-type]
    return screen.getvalue()


def test_complete_environment_is_left_alone(venv: Path, commands: list[list[str]]) -> None:
    marker("requirements.txt").write(venv)
    assert is_ready()
    screen = ensure()
    assert commands == []
    assert screen.count("ready") == 2


def test_changed_lock_is_installed_on_top(venv: Path, commands: list[list[str]]) -> None:
    Marker(True, "cpu", marker().python, {"requirements.txt": "an older hash"}).write(venv)
    assert not is_ready()
    ensure()
    (install,) = commands
    assert "--require-hashes" in install
    assert install[-1].endswith("requirements.txt")
    assert is_ready()
    assert not is_ready(dev=True)


def test_tests_add_their_lock(venv: Path, commands: list[list[str]]) -> None:
    marker("requirements.txt").write(venv)
    ensure(dev=True)
    assert [part for part in commands[0] if part.endswith("-dev.txt")]
    assert is_ready(dev=True)


def test_interrupted_environment_is_made_anew(venv: Path, commands: list[list[str]]) -> None:
    marker("requirements.txt", complete=False).write(venv)
    (venv / "leftover").touch()
    ensure()
    assert commands[0][1:3] == ["-m", "venv"]
    assert not (venv / "leftover").exists()


def test_environment_made_by_hand_is_never_wiped(venv: Path, commands: list[list[str]]) -> None:
    (venv / "mine").touch()
    ensure()
    assert (venv / "mine").exists()
    assert [command[1:4] for command in commands] == [["-m", "pip", "install"]]


def test_failed_install_shows_the_end_of_its_log(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str], log: Path, **options: object) -> int:
        log.write_text("ERROR: No space left on device\n")
        return 1

    monkeypatch.setattr(environment, "run_logged", fail)
    marker().write(venv)
    with pytest.raises(Stop, match=r"(?s)No space left on device.*could not be installed"):
        ensure()
    assert not is_ready()


def test_gpu_environment_on_a_machine_with_a_gpu(
    venv: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    marker("requirements.txt").write(venv)
    monkeypatch.setattr(machine, "nvidia_gpus", lambda: ["NVIDIA T4"])
    monkeypatch.setattr(machine, "check_disk", lambda *about: None)
    assert choose_accelerator("cpu", None) == "cpu"
    assert choose_accelerator("kept", Marker.read(venv)) == "cpu"
    ensure()
    assert commands[0][1:3] == ["-m", "venv"]
    assert commands[1][-1].endswith("requirements-gpu.txt")


@pytest.mark.parametrize(("setting", "chosen"), [("0", "cpu"), ("1", "gpu"), ("auto", "cpu")])
def test_gpu_setting(
    setting: str, chosen: str, venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOXLOOP_GPU", setting)
    assert choose_accelerator(None, None) == chosen


def test_wrong_gpu_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOXLOOP_GPU", "maybe")
    with pytest.raises(Stop, match=r"BOXLOOP_GPU is 'maybe'\. Set it to 1, 0 or auto\."):
        choose_accelerator(None, None)


def test_durations() -> None:
    assert [duration(s) for s in (0.04, 14.2, 125)] == ["0.0 s", "14 s", "2 min 05 s"]


def test_pytest_summary_is_found_in_colour() -> None:
    output = (
        "\x1b[32m===== \x1b[32m\x1b[1m3 passed\x1b[0m, 1 skipped\x1b[32m in 2.41s =====\x1b[0m\n"
    )
    assert pytest_summary("x in 1.0s y\n" + output) == "3 passed, 1 skipped in 2.41s"


def test_relative_folders_stay_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from launcher.places import make_absolute

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOXLOOP_VAR", "state")
    make_absolute()
    assert os.environ["BOXLOOP_VAR"] == str(tmp_path / "state")
