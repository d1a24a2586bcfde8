"""People who save at the same moment, before the real server and a database in a file."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_many_save_at_once_and_nothing_is_lost() -> None:
    """A short run of benchmarks/saves.py, the server killed half-way; how fast it is, is not asked
    here."""
    command = [sys.executable, "benchmarks/saves.py", "--annotators", "12", "--seconds", "2"]
    command.append("--kill")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO", "PYTEST"))}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    told = dict(re.findall(r"^(saves|errors|boxes that differ) +([\d,]+)", run.stdout, re.M))
    assert told, run.stdout + run.stderr
    assert (told["errors"], told["boxes that differ"]) == ("0", "0"), run.stdout
    assert int(told["saves"].replace(",", "")) >= 12, run.stdout
