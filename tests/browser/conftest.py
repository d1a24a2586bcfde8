"""The whole product, started as `./boxloop run` starts it, and a real Chromium before it.

Skips, saying why, where there is no browser or the base's weights are not on this machine.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
]  # fmt: skip
BASE = "ssdlite_mobilenet_v2_coco"


def find_browser() -> str | None:
    installed = filter(None, map(shutil.which, BROWSERS))
    return os.environ.get("BOXLOOP_CHROMIUM") or next(installed, None)


def bases_folder() -> Path:
    return Path(os.environ.get("BOXLOOP_BASES") or ROOT / "var" / "bases")


@dataclass
class Product:
    """A running Boxloop: its address, its state folder and its supervisor."""

    url: str
    var: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def manage(self, *arguments: str) -> str:
        """What `manage.py ARGUMENTS` prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def shell(self, code: str) -> str:
        """What a piece of Python prints inside the product's Django."""
        return self.manage("shell", "--no-imports", "-c", code).strip()

    def processes(self, needle: str) -> list[int]:
        """Ids of the product's processes whose command line holds `needle`."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if needle in command and f"BOXLOOP_VAR={self.var}".encode() in environment:
                found.append(int(folder.name))
        return found

    def wait_for(self, condition: Callable[[], Any], seconds: float, what: str) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.2)
        raise AssertionError(f"After {seconds:.0f} s: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/login/", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """Boxloop on a free port, with a state folder of its own and this machine's bases.

    One for all: each test makes its own people and projects, and what a test kills comes back.
    """
    if not (bases_folder() / BASE).exists():
        pytest.skip(
            f"The weights of {BASE} are not on this machine. "
            f"Fetch them: ./boxloop bases --fetch {BASE}"
        )
    # A short path: the broker's socket lies in it.
    var = Path(tempfile.mkdtemp(prefix="boxloop-"))
    port = free_port()
    environment = {
        **os.environ,
        "BOXLOOP_VAR": str(var),
        "BOXLOOP_BASES": str(bases_folder()),
        "PYTHONUNBUFFERED": "1",
    }
    for name in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "DJANGO_SETTINGS_MODULE"):
        environment.pop(name, None)
    log = (var / "up.log").open("wb")
    for command in (["migrate", "-v0"], ["collectstatic", "--no-input", "-v0"]):
        manage = [sys.executable, "manage.py", *command]
        subprocess.run(manage, cwd=ROOT, env=environment, check=True, stderr=log)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--port", str(port)],
        cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    running = Product(f"http://127.0.0.1:{port}", var, environment, process)
    try:
        running.wait_for(lambda: answers(running.url), 40, f"no answer; see {var}/up.log")
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()
        shutil.rmtree(var, ignore_errors=True)


@pytest.fixture(scope="session")
def web() -> Iterator[Product]:
    """The web server alone, with a state folder of its own: no workers, no weights."""
    var = Path(tempfile.mkdtemp(prefix="boxloop-"))
    port = free_port()
    # Static files are taken from where they lie, not collected.
    environment = {**os.environ, "BOXLOOP_VAR": str(var), "BOXLOOP_DEBUG": "1"}
    environment["BOXLOOP_BASES"] = str(bases_folder())
    for name in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "DJANGO_SETTINGS_MODULE"):
        environment.pop(name, None)
    migrate = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
    with (var / "web.log").open("wb") as log:
        command = [sys.executable, "-m", "uvicorn", "webapp.asgi:application", "--lifespan", "off"]
        process = subprocess.Popen(
            [*command, "--port", str(port), "--timeout-graceful-shutdown", "1"],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    running = Product(f"http://127.0.0.1:{port}", var, environment, process)
    try:
        running.wait_for(lambda: answers(running.url), 40, f"no answer; see {var}/web.log")
        yield running
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(var, ignore_errors=True)


@pytest.fixture
def team(chromium: Any, web: Product) -> Iterator[Any]:
    """Opens browser windows of two people on one fresh project (team.py)."""
    from tests.browser.team import Team

    made = Team(chromium, web)
    yield made
    made.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    path = find_browser()
    if path is None:
        pytest.skip(
            "No Chromium or Chrome is on this machine, so no page was tried in a real browser. "
            "Install one (Debian: apt-get install chromium), or name it in BOXLOOP_CHROMIUM."
        )
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, product: Product) -> Iterator[Any]:
    """A fresh browser window; the test fails on any error that its console shows."""
    context = chromium.new_context(base_url=product.url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(15_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()
    assert not errors, f"the console shows {errors}"


@pytest.fixture
def desks(chromium: Any, web: Product) -> Iterator[Any]:
    """Opens browser windows of one person on one fresh project (desk.py)."""
    from tests.browser.desk import Desks

    made = Desks(chromium, web)
    yield made
    made.close()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last, and of them the newcomer's loop first, then all of the product.

    While Playwright drives a browser, an event loop runs in the tests' own thread, in which Django
    refuses its database; and only an empty product lets the newcomer make the first account.
    """
    here = Path(__file__).parent
    items.sort(
        key=lambda item: (
            here in item.path.parents,
            item.path.name != "test_main_job.py",
            "product" not in getattr(item, "fixturenames", ()),
        ),
    )
