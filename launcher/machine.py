"""What this machine has and lacks. Each check raises `Stop` with a sentence and the way out."""

import errno
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from launcher.stopping import Stop

GIB = 1024**3


def check_system() -> None:
    if os.name != "posix":
        raise Stop(
            "Boxloop runs on Linux and macOS. On Windows, run it inside WSL (wsl --install), "
            "where it works as on Linux."
        )


def check_venv_module() -> None:
    """Debian ships Python without the parts that make environments."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise Stop(
        f"This Python ({sys.executable}, {platform.python_version()}) lacks the venv module. "
        f"Install it (Debian, Ubuntu: apt install python{version}-venv), or name another Python "
        "in BOXLOOP_PYTHON."
    )


def check_disk(folder: Path, bytes_needed: int, purpose: str, variable: str) -> None:
    """`folder` need not exist yet; its nearest ancestor that does is looked at."""
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < bytes_needed:
        raise Stop(
            f"{purpose} needs about {bytes_needed / GIB:.0f} GB and {place} has "
            f"{free / GIB:.1f} GB free. Make room there, or set {variable} to a folder on a "
            "larger disk."
        )


def check_writable(folder: Path, variable: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(
            f"{folder} cannot be made ({error.strerror}). Set {variable} to a folder that this "
            "user may write."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Stop(
            f"{folder} cannot be written by this user. Change its owner, or set {variable} to "
            "another folder."
        )


def check_port(host: str, port: int) -> None:
    """Bind and let go, as the server will."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise Stop(
            f"--host {host} is not an address of this machine. Use 127.0.0.1 for this machine "
            "alone, or 0.0.0.0 for the whole network."
        ) from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            # Two may bind with SO_REUSEADDR; only one may listen.
            probe.listen(1)
        except OSError as error:
            raise Stop(_port_sentence(error, host, port)) from error


def _port_sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else port - 1
        return (
            f"Port {port} on {host} is in use by another program. Stop that one, or choose "
            f"another port: ./boxloop run --port {other}"
        )
    if error.errno == errno.EACCES:
        return (
            f"Port {port} is reserved for the administrator. Choose one above 1023, for "
            "instance: ./boxloop run --port 8000"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"--host {host} is not an address of this machine. Use 127.0.0.1 for this machine "
            "alone, or 0.0.0.0 for the whole network."
        )
    return f"Port {port} on {host} cannot be opened: {error.strerror}."


def nvidia_gpus() -> list[str]:
    """The names of the NVIDIA GPUs that the driver sees; empty where there is no driver."""
    program = shutil.which("nvidia-smi")
    if sys.platform != "linux" or not program:
        return []
    try:
        listing = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in listing.stdout.splitlines() if line.strip()]


def find_chromium() -> str | None:
    """A Chromium or Chrome for the browser tests: BOXLOOP_CHROMIUM, or a system one."""
    given = os.environ.get("BOXLOOP_CHROMIUM")
    if given:
        return shutil.which(given)
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    for name in names:
        if found := shutil.which(name):
            return found
    for application in ("Google Chrome", "Chromium"):
        path = f"/Applications/{application}.app/Contents/MacOS/{application}"
        if os.access(path, os.X_OK):
            return path
    return None
