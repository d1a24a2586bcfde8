"""Entry point of `./boxloop`, run by path as `python launcher ARGS`."""

import sys
from pathlib import Path

# Run by path, Python puts this folder first; the package lies one above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from launcher.commands import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
