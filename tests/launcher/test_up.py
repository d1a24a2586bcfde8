"""The whole product as processes: it starts, answers, and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.places import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
START_SECONDS, STOP_SECONDS = 90, 6


class Product:
    """A started `manage.py up`, in a session of its own, on its own state folder."""

    def __init__(self, var: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.var = var
        self.screen = var.with_name("screen.txt")
        with self.screen.open("w") as screen:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(self.port)],
                env=os.environ | {"BOXLOOP_VAR": str(var), "REDIS_URL": "", "DATABASE_URL": ""},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, pattern: str, file: Path, seconds: float = START_SECONDS) -> re.Match[str]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = file.read_text() if file.exists() else ""
            if found := re.search(pattern, text):
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        pytest.fail(f"{pattern!r} did not appear in {file}:\n{text}")

    def wait_until_up(self) -> None:
        self.wait_for("Boxloop is running", self.screen)
        for queue in ("default", "gpu", "detect"):
            self.wait_for(r"ready\.", self.var / "log" / f"{queue}.log")

    def processes(self) -> dict[int, str]:
        """pid -> command line of everything that was started with this state folder."""
        mark = f"BOXLOOP_VAR={self.var}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                started_by_us = mark in (folder / "environ").read_bytes().split(b"\0")
                # The broker writes its title over its environment, but works in its folder.
                if started_by_us or (folder / "cwd").readlink().is_relative_to(self.var):
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    # A zombie has no command line: it is dead, and only unread by its parent.
                    if command:
                        found[int(folder.name)] = command
            except OSError:
                continue
        return found

    def assert_nothing_left(self, seconds: float = STOP_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.processes() == {}

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    product = Product(tmp_path / "var")
    yield product
    product.end()


def test_starts_answers_restarts_the_dead_and_stops(product: Product) -> None:
    product.wait_until_up()
    link = product.wait_for(r"this link works once\): (http://\S+)", product.screen).group(1)
    assert link.startswith(f"http://127.0.0.1:{product.port}/")
    assert urllib.request.urlopen(link, timeout=10).status == 200
    commands = " ".join(product.processes().values())
    for part in ("uvicorn", "valkey-server", "-Q default", "-Q gpu", "-Q detect", "sweep"):
        assert part in commands

    # A part that dies is started again.
    web = next(pid for pid, command in product.processes().items() if "uvicorn" in command)
    os.kill(web, signal.SIGKILL)
    product.wait_for(r"web +ended \(killed by SIGKILL\)", product.screen)
    deadline = time.monotonic() + 30
    while not _answers(link) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _answers(link)

    # A second one on the same state says so.
    second = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(product.port + 1)],
        env=os.environ | {"BOXLOOP_VAR": str(product.var)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert (
        f"Boxloop already runs with {product.var} (process {product.process.pid}," in second.stderr
    )

    product.process.send_signal(signal.SIGINT)
    assert product.process.wait(STOP_SECONDS) == 0
    product.assert_nothing_left(0)
    assert "Boxloop has stopped." in product.screen.read_text()


def _answers(link: str) -> bool:
    try:
        return urllib.request.urlopen(link, timeout=5).status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_kill_of_the_parent_leaves_nothing(product: Product) -> None:
    product.wait_until_up()
    assert len(product.processes()) >= 7
    product.process.kill()
    product.process.wait()
    product.assert_nothing_left()


def test_kill_of_a_worker_takes_its_pool_with_it(product: Product) -> None:
    product.wait_until_up()
    pool = {pid for pid, command in product.processes().items() if "-Q default" in command}
    main = min(pool, key=lambda pid: _parent(pid) != product.process.pid)
    assert len(pool) == 3
    os.kill(main, signal.SIGKILL)
    deadline = time.monotonic() + STOP_SECONDS
    while pool & product.processes().keys() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not pool & product.processes().keys()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
