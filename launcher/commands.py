"""`./boxloop COMMAND`: which commands there are, and what each hands over to."""

import argparse
import difflib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from launcher import base_weights, environment, instance, machine, testing
from launcher.places import ROOT, make_absolute, var_dir, venv_dir
from launcher.progress import Steps
from launcher.stopping import Stop

HELP = """\
Boxloop: label photos, train a detector, detect. On your own machine.

usage: ./boxloop COMMAND [OPTIONS]

Start and check
  run         start Boxloop and print its address; sets up what is not there yet
  test        all checks and tests; with arguments, pytest alone with these
  worker      only workers, for a machine that helps the one that runs Boxloop

The engine, without the web
  train       fine-tune a base on your images, from the command line
  evaluate    COCO metrics of a model on a split
  detect      boxes, labels and confidences for images
  export      a trained model as SavedModel or LiteRT
  convert     annotations from one format to another
  check       will this train? what is wrong with a folder of images, and fixes
  bases       list the pretrained bases, or fetch one

For developers
  bench       run a program of benchmarks/; without a name, list them
  manage      Django's manage.py

./boxloop COMMAND --help tells a command's options. Settings are environment
variables; docs/operating.md lists them. The first start needs the network
and about 3 GB of disk; after that Boxloop works offline.
"""

Arguments = list[str]


def main(arguments: Arguments) -> int:
    """Run one command; return the exit status: 0 done, 1 failed, 2 not understood."""
    signal.signal(signal.SIGTERM, _end)
    try:
        return _dispatch(arguments)
    except Stop as stop:
        print(f"boxloop: {stop}", file=sys.stderr)
        return stop.status
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


def _end(number: int, frame: FrameType | None) -> None:
    """As with Ctrl-C, so that children are ended on the way out."""
    raise SystemExit(128 + number)


def _dispatch(arguments: Arguments) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(HELP, end="")
        return 0
    name, rest = arguments[0], arguments[1:]
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f" Did you mean ./boxloop {near[0]}?" if near else ""
        raise Stop(f"there is no command {name!r}.{hint} ./boxloop --help lists them.", status=2)
    machine.check_system()
    make_absolute()
    machine.check_writable(var_dir(), "BOXLOOP_VAR")
    return command(name, rest)


def _run(name: str, arguments: Arguments) -> int:
    parser = argparse.ArgumentParser(
        prog="./boxloop run",
        description="Set Boxloop up where that is needed, and start it. Ctrl-C stops it.",
    )
    parser.add_argument("--port", type=_port, default=8000, help="port of the web page (8000)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (127.0.0.1: this machine alone; 0.0.0.0: the whole network)",
    )
    _add_accelerator(parser)
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument(
        "--verbose", action="store_true", help="show all that the parts log, not only errors"
    )
    options = parser.parse_args(arguments)
    # Said before minutes of set-up, not after.
    instance.check_free(var_dir())
    machine.check_port(options.host, options.port)
    steps = Steps(5)
    python = environment.ensure(steps, options.accelerator)
    warning = base_weights.fetch(steps, python)
    if warning:
        print(warning, file=sys.stderr, flush=True)
    command = ["up", "--port", str(options.port), "--host", options.host]
    command += ["--first-step", str(steps.number), "--steps", str(steps.total)]
    command += ["--open"] * options.open + ["--verbose"] * options.verbose
    _use_accelerator(options.accelerator)
    _become([str(python), str(ROOT / "manage.py"), *command], ROOT)


def _worker(name: str, arguments: Arguments) -> int:
    parser = argparse.ArgumentParser(
        prog="./boxloop worker",
        description=(
            "Start workers only. On another machine than the one that runs Boxloop, DATABASE_URL, "
            "REDIS_URL and STORAGE_URL say where the shared services are (docs/operating.md, "
            '"More machines").'
        ),
    )
    parser.add_argument(
        "--queues",
        default="gpu",
        help="comma-separated: gpu (training), detect, default (imports, exports); gpu if left out",
    )
    _add_accelerator(parser)
    parser.add_argument("--verbose", action="store_true", help="show all that the workers log")
    options = parser.parse_args(arguments)
    steps = Steps(3)
    python = environment.ensure(steps, options.accelerator)
    warning = base_weights.fetch(steps, python)
    if warning:
        print(warning, file=sys.stderr, flush=True)
    _use_accelerator(options.accelerator)
    command = ["up", "--workers-only", options.queues] + ["--verbose"] * options.verbose
    _become([str(python), str(ROOT / "manage.py"), *command], ROOT)


def _test(name: str, arguments: Arguments) -> int:
    if arguments in (["-h"], ["--help"]):
        print(
            "usage: ./boxloop test [PYTEST ARGUMENTS]\n\n"
            "Without arguments: ruff, mypy, the import rules, the JavaScript tests and pytest,\n"
            "browser tests included. With arguments, pytest alone with these, for instance\n"
            "./boxloop test tests/detection -k voc\n"
        )
        return 0
    steps = Steps(3)
    python = environment.ensure(steps, "kept", dev=True)
    warning = base_weights.fetch(steps, python)
    if warning:
        print(warning, file=sys.stderr, flush=True)
    return testing.run_tests(python, arguments)


def _detection(name: str, arguments: Arguments) -> int:
    python = _ready_python()
    os.environ.update(base_weights.detection_env())
    # -P: a folder named "detection" where the user stands must not hide ours.
    _become([str(python), "-P", "-m", "detection", name, *arguments], None)


def _manage(name: str, arguments: Arguments) -> int:
    _become([str(_ready_python()), str(ROOT / "manage.py"), *arguments], None)


def _bench(name: str, arguments: Arguments) -> int:
    programs = sorted(
        path.stem for path in (ROOT / "benchmarks").glob("*.py") if not path.stem.startswith("_")
    )
    listing = "\n".join(f"  {program}" for program in programs) or "  (none yet)"
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(f"usage: ./boxloop bench NAME [OPTIONS]\n\nBenchmarks:\n{listing}")
        return 0
    if arguments[0] not in programs:
        raise Stop(f"there is no benchmark {arguments[0]!r}. There are:\n{listing}", status=2)
    python = _ready_python(dev=True)
    os.environ.update(base_weights.detection_env())
    _become([str(python), str(ROOT / "benchmarks" / f"{arguments[0]}.py"), *arguments[1:]], None)


def _ready_python(dev: bool = False) -> Path:
    """The environment's Python, made first where needed; silent where it is ready, because
    standard output belongs to the command (`--json`)."""
    if environment.is_ready(dev=dev):
        return environment.python_in(venv_dir())
    return environment.ensure(Steps(2, stream=sys.stderr), "kept", dev=dev)


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; it is a number from 1 to 65535")
    return number


def _add_accelerator(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--cpu",
        dest="accelerator",
        action="store_const",
        const="cpu",
        help="use no GPU, although there is one",
    )
    group.add_argument(
        "--gpu",
        dest="accelerator",
        action="store_const",
        const="gpu",
        help="use the NVIDIA GPU (without either: when one is there)",
    )


def _use_accelerator(asked: str | None) -> None:
    """Tell the hand-over what was chosen on the command line."""
    if asked:
        os.environ["BOXLOOP_GPU"] = "1" if asked == "gpu" else "0"


def _become(command: list[str], folder: Path | None) -> NoReturn:
    """Replace this process: whoever kills `./boxloop` kills the real thing, and its status is
    the command's."""
    sys.stdout.flush()
    sys.stderr.flush()
    if folder:
        os.chdir(folder)
    os.execv(command[0], command)


COMMANDS: dict[str, Callable[[str, Arguments], int]] = {
    "run": _run,
    "test": _test,
    "worker": _worker,
    "bench": _bench,
    "manage": _manage,
    **dict.fromkeys(
        ("train", "evaluate", "detect", "export", "convert", "check", "bases"),
        _detection,
    ),
}
