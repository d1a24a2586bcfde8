"""The engine without the web: `python -m detection COMMAND`, which is `./boxloop COMMAND`."""

from __future__ import annotations

import argparse
import importlib
import sys

COMMANDS = ("train", "evaluate", "detect", "export", "convert", "check", "bases")


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Exit status: 0 done, 1 failed (said in words), 2 not understood."""
    parser = argparse.ArgumentParser(prog="boxloop", description="Train, evaluate, detect, export.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"detection.cli.{name}").add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
