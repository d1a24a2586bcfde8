"""`./boxloop test`: style, types, import rules, the editor's JavaScript, and pytest."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher import machine
from launcher.base_weights import detection_env
from launcher.node import path_with_node
from launcher.places import ROOT, bases_dir
from launcher.progress import duration
from launcher.subprocesses import end_group
from launcher.tether import tethered

BROWSER_TESTS = "tests/browser"
# Each may hold TensorFlow and a model, about 1.5 GB.
MOST_PROCESSES = 4

NO_CHROMIUM = """\
========================================================================
 NO BROWSER: the browser tests are SKIPPED.
 Install Chromium (Debian: apt install chromium) or Google Chrome, or
 name the program in BOXLOOP_CHROMIUM, then run ./boxloop test again.
========================================================================"""

NO_NODE = """\
========================================================================
 NO NODE: the tests of the editor's JavaScript are SKIPPED.
 Install Node.js 20 or newer, then run ./boxloop test again.
========================================================================"""

NO_AXE = """\
========================================================================
 NO AXE-CORE: the accessibility checks of the pages are SKIPPED.
 It comes from npm: run npm ci --ignore-scripts where the network is,
 then run ./boxloop test again.
========================================================================"""


@dataclass
class Check:
    """One line of the closing table."""

    name: str
    status: int | None
    seconds: float = 0.0
    note: str = ""

    def __str__(self) -> str:
        word = "skipped" if self.status is None else "FAILED" if self.status else "passed"
        text = f"{self.name:<14} {word:<8} {duration(self.seconds):>12}  {self.note}"
        return text.rstrip()


def run_tests(python: Path, pytest_arguments: list[str]) -> int:
    """Everything, or pytest alone where arguments for it are given. 0 where all passed."""
    state = Path(tempfile.mkdtemp(prefix="boxloop-test-"))
    # Tests never meet the state of a Boxloop that runs from this checkout; the bases they share.
    env = detection_env() | {"BOXLOOP_VAR": str(state), "BOXLOOP_BASES": str(bases_dir())}
    checks: list[Check] = []
    try:
        if not pytest_arguments:
            checks += [
                _check(name, [str(python), "-m", *arguments], env)
                for name, arguments in (
                    ("ruff", ["ruff", "check", "."]),
                    ("format", ["ruff", "format", "--check", "."]),
                    ("mypy", ["mypy"]),
                )
            ]
            checks.append(_check("import rules", _import_linter(python), env))
            checks.append(_check_javascript(env))
            checks += _check_all_tests(python, env)
        else:
            checks.append(_check_pytest("pytest", python, pytest_arguments, env))
    finally:
        shutil.rmtree(state, ignore_errors=True)
    print()
    for check in checks:
        print(check)
    failed = [check.name for check in checks if check.status]
    print("All passed." if not failed else f"Failed: {', '.join(failed)}.")
    return 1 if failed else 0


def _import_linter(python: Path) -> list[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return [str(python), "-c", program]


def _heading(name: str) -> None:
    print(f"\n--- {name}", flush=True)


def _check(name: str, command: list[str], env: Mapping[str, str]) -> Check:
    _heading(name)
    began = time.monotonic()
    status = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    return Check(name, status, time.monotonic() - began)


def _check_javascript(env: Mapping[str, str]) -> Check:
    files = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/js/**/*.test.*js"))
    if not files:
        return Check("javascript", None, note="tests/js has no tests")
    path = path_with_node()
    if path is None:
        print(NO_NODE)
        return Check("javascript", None, note="no Node.js")
    node = shutil.which("node", path=path) or "node"
    return _check("javascript", [node, "--test", *files], env)


def _check_all_tests(python: Path, env: dict[str, str]) -> list[Check]:
    """Files side by side, one a core; then the browser tests, which want the machine to themselves.

    One file's tests stay in one process, for they share what is dear to make: a trained model.
    """
    cores = min(os.cpu_count() or 1, MOST_PROCESSES)
    side_by_side = ["-n", str(cores), "--dist", "loadfile", f"--ignore={BROWSER_TESTS}"]
    first = _check_pytest("pytest", python, side_by_side, env)
    install_npm_packages(env)
    return [first, _check_pytest("browser", python, [BROWSER_TESTS], env)]


def install_npm_packages(env: Mapping[str, str]) -> bool:
    """What package-lock.json names, for tests alone, where it is not there yet; whether it is."""
    wanted = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    if all(_has_version(path, package["version"]) for path, package in wanted.items() if path):
        return True
    path = path_with_node()
    npm = shutil.which("npm", path=path) if path else None
    if npm is not None:
        _heading("npm ci")
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ran = subprocess.run(command, cwd=ROOT, env={**env, "PATH": path or ""}, check=False)
        if ran.returncode == 0:
            return True
    print(NO_AXE, flush=True)
    return False


def _has_version(path: str, version: str) -> bool:
    try:
        return bool(json.loads((ROOT / path / "package.json").read_text())["version"] == version)
    except (OSError, ValueError, KeyError):
        return False


def _check_pytest(name: str, python: Path, arguments: list[str], env: dict[str, str]) -> Check:
    _heading(name)
    chromium = machine.find_chromium()
    if chromium:
        env = env | {"BOXLOOP_CHROMIUM": chromium}
    else:
        print(NO_CHROMIUM, flush=True)
    began = time.monotonic()
    command = [str(python), "-m", "pytest"]
    if sys.stdout.isatty():
        command.append("--color=yes")
    status, output = _run_and_keep([*command, *arguments], env)
    if not chromium:
        print(NO_CHROMIUM, flush=True)
    return Check(name, status, time.monotonic() - began, pytest_summary(output))


def _run_and_keep(command: list[str], env: Mapping[str, str]) -> tuple[int, str]:
    """Run `command`, show its output as it comes, and return the end of it."""
    process = subprocess.Popen(
        tethered(command),
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    kept = b""
    try:
        while chunk := os.read(process.stdout.fileno(), 65536):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            kept = (kept + chunk)[-20_000:]
        return process.wait(), kept.decode(errors="replace")
    finally:
        end_group(process)


def pytest_summary(output: str) -> str:
    """Pytest's own last line without its rule: "312 passed, 2 skipped in 80.1s"."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    found = re.findall(r"^=*\s*(.*\bin [\d.]+s\b.*?)\s*=*$", plain, re.MULTILINE)
    return found[-1] if found else ""
