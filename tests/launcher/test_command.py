"""`./boxloop` as a user meets it: help, wrong words, what a machine lacks."""

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from launcher import instance, machine
from launcher.commands import COMMANDS, HELP
from launcher.places import ROOT
from launcher.stopping import Stop


def boxloop(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "boxloop"), *arguments],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command() -> None:
    told = boxloop("--help")
    assert told.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in told.stdout
    assert max(len(line) for line in HELP.splitlines()) <= 80


def test_no_command_is_a_call_for_help() -> None:
    assert boxloop().stdout == HELP


def test_unknown_command_suggests_the_nearest(tmp_path: Path) -> None:
    told = boxloop("trian", BOXLOOP_VAR=str(tmp_path))
    assert told.returncode == 2
    assert told.stderr == (
        "boxloop: there is no command 'trian'. Did you mean ./boxloop train? "
        "./boxloop --help lists them.\n"
    )


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_wrong_port(port: str, tmp_path: Path) -> None:
    told = boxloop("run", "--port", port, BOXLOOP_VAR=str(tmp_path))
    assert told.returncode == 2
    assert f"'{port}' is no port; it is a number from 1 to 65535" in told.stderr


def test_port_in_use_names_the_port_and_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = boxloop("run", "--port", str(port), BOXLOOP_VAR=str(tmp_path))
    assert told.returncode == 1
    assert told.stderr == (
        f"boxloop: Port {port} on 127.0.0.1 is in use by another program. Stop that one, or "
        f"choose another port: ./boxloop run --port {port + 1 if port < 65535 else port - 1}\n"
    )


def test_host_that_is_not_ours(tmp_path: Path) -> None:
    told = boxloop("run", "--host", "192.0.2.1", BOXLOOP_VAR=str(tmp_path))
    assert told.returncode == 1
    assert "--host 192.0.2.1 is not an address of this machine" in told.stderr


def test_too_old_a_python(tmp_path: Path) -> None:
    """A PATH on which every Python says that it is 3.9."""
    for name in ("python3", "python"):
        old = tmp_path / name
        # Exit status 1 is the answer to "are you new enough?".
        old.write_text(
            '#!/bin/sh\ncase "$2" in *exit*) exit 1;; esac\necho "python3 here is 3.9.2"\n'
        )
        old.chmod(old.stat().st_mode | stat.S_IXUSR)
    for name in ("sh", "readlink", "dirname"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if name == "sh" else f"/usr/bin/{name}")
    told = boxloop("run", PATH=str(tmp_path), BOXLOOP_PYTHON="")
    assert told.returncode == 1
    assert told.stderr == (
        "boxloop: Boxloop needs Python 3.11, 3.12 or 3.13; python3 here is 3.9.2. Install one "
        "(Debian: apt install python3 python3-venv), or name it in BOXLOOP_PYTHON.\n"
    )


def test_named_python_that_does_not_suit() -> None:
    told = boxloop("run", BOXLOOP_PYTHON="/bin/false")
    assert told.returncode == 1
    assert "BOXLOOP_PYTHON is /bin/false, which is not a Python from 3.11 to 3.13" in told.stderr


def test_works_through_a_link_from_another_folder(tmp_path: Path) -> None:
    link = tmp_path / "bl"
    link.symlink_to(ROOT / "boxloop")
    told = subprocess.run(
        [link, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert told.stdout == HELP


def test_unwritable_state_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = boxloop("run", BOXLOOP_VAR=str(tmp_path / "file" / "var"))
    assert told.returncode == 1
    assert "Set BOXLOOP_VAR to a folder that this user may write" in told.stderr


def test_disk_too_small(tmp_path: Path) -> None:
    with pytest.raises(Stop, match=r"The environment needs about 1000000 GB and .* GB free"):
        machine.check_disk(tmp_path / "a" / "b", 10**6 * machine.GIB, "The environment", "VAR")


def test_missing_venv_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Stop, match=r"lacks the venv module.*apt install python3\.\d+-venv"):
        machine.check_venv_module()


def test_second_boxloop_on_the_same_state(tmp_path: Path) -> None:
    with instance.hold(tmp_path, "http://127.0.0.1:8000"):
        assert instance.running_address(tmp_path) == "http://127.0.0.1:8000"
        told = boxloop("run", "--port", "1", BOXLOOP_VAR=str(tmp_path))
        assert told.returncode == 1
        assert told.stderr == (
            f"boxloop: Boxloop already runs with {tmp_path} (process {os.getpid()}, "
            "http://127.0.0.1:8000). Use that one or stop it; for a second one set BOXLOOP_VAR "
            "to another folder and choose another --port.\n"
        )
    instance.check_free(tmp_path)
    assert instance.running_address(tmp_path) is None


def test_unknown_benchmark(tmp_path: Path) -> None:
    told = boxloop("bench", "no_such", BOXLOOP_VAR=str(tmp_path))
    assert told.returncode == 2
    assert "there is no benchmark 'no_such'" in told.stderr
