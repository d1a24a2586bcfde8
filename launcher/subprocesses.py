"""Set-up's child processes: their output goes to a log, and they end when `./boxloop` does."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.tether import tethered

TAIL_LINES = 12


def run_logged(
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> int:
    """Run `command`, append all that it prints to `log`, and return its exit status.

    Each line also goes to `on_line`, for progress.
    """
    with log.open("a", encoding="utf-8", errors="replace") as file:
        file.write(f"$ {' '.join(command)}\n")
        process = subprocess.Popen(
            tethered(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                file.flush()
                if on_line:
                    on_line(line.rstrip())
            return process.wait()
        finally:
            end_group(process)


def end_group(process: "subprocess.Popen[Any]") -> None:
    """Kill what is left of a child that leads its own session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, indented, to be shown beside a failure."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:] if line.strip())
