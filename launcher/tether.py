"""Ties a process to the one that started it, so that a `kill -9` of the parent leaves nothing.

As a command, `python tether.py PARENT_PID PROGRAM ARGS...` becomes PROGRAM with that tie
(Linux), or starts it and watches (elsewhere). It is run by its path with `-S -E`: a few
milliseconds, nothing but the standard library.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.3


def tethered(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` tied to the calling process.

    On Linux the tie is to the calling *thread*: start such children from the main thread.
    """
    return [sys.executable, "-S", "-E", __file__, str(os.getpid()), *command]


def die_with_parent(parent: int | None = None) -> None:
    """Have this process killed when its parent dies; `parent` is the pid that must still be it."""
    parent = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_exit_without, args=(parent,), daemon=True).start()
    # The parent may have died before the tie held.
    if os.getppid() != parent:
        os._exit(1)


def _exit_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int, command: list[str]) -> int:
    """Run `command`, pass signals on to it, and kill it when `parent` is gone."""
    child = subprocess.Popen(command)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, lambda received, frame: child.send_signal(received))
    while True:
        try:
            return child.wait(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                # The child leads no group of its own: its workers are in ours.
                os.killpg(0, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        die_with_parent(parent)
        try:
            os.execv(command[0], command)
        except OSError as error:
            print(f"{command[0]} cannot be started: {error.strerror}.", file=sys.stderr)
            return 127
    return _watch(parent, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
