"""The parts that make up a running Boxloop: which programs, with which options."""

import http.client
import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from launcher import machine
from workers.supervisor import Service

QUEUES = ("default", "gpu", "detect")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def web(host: str, port: int, log_dir: Path) -> Service:
    """The web server: one process, for SQLite's writers wait for one another anyway."""
    command = [sys.executable, "-m", "uvicorn", "webapp.asgi:application"]
    command += ["--host", host, "--port", str(port), "--lifespan", "off", "--ws", "none"]
    command += ["--timeout-graceful-shutdown", "1", "--no-server-header"]
    env = {"PYTHONUNBUFFERED": "1", "CUDA_VISIBLE_DEVICES": ""}
    if not os.environ.get("BOXLOOP_HOSTS"):
        env["BOXLOOP_HOSTS"] = ",".join(host_names(host))
    return Service("web", command, log_dir / "web.log", env, lambda: web_answers(host, port))


def sweeper(log_dir: Path, root: Path) -> Service:
    command = [sys.executable, str(root / "manage.py"), "sweep"]
    env = {"PYTHONUNBUFFERED": "1", "CUDA_VISIBLE_DEVICES": ""}
    return Service("sweeper", command, log_dir / "sweeper.log", env)


def workers(queues: Iterable[str], log_dir: Path, prefix: str = "") -> list[Service]:
    """Celery workers. `default` has two processes; `gpu` is one worker a device, each with one
    run at a time; `detect` is one process that keeps its detectors loaded, on the first device."""
    found: list[Service] = []
    for queue in queues:
        if queue == "gpu":
            found += _gpu_workers(log_dir, prefix)
        elif queue == "default":
            pool = ["--pool", "prefork", "--concurrency", "2"]
            env = {"CUDA_VISIBLE_DEVICES": ""}
            found.append(_worker("default", queue, pool, env, log_dir, prefix))
        else:
            env = {"CUDA_VISIBLE_DEVICES": _gpus()[0] if _gpus() else ""}
            found.append(_worker(queue, queue, ["--pool", "solo"], env, log_dir, prefix))
    return found


def _gpu_workers(log_dir: Path, prefix: str) -> list[Service]:
    """`solo`, because training runs in a child process of its own: the worker only watches it,
    and hears at once when it is to stop."""
    pool = ["--pool", "solo"]
    if _are_gpus_off():
        return [_worker("gpu", "gpu", pool, {"CUDA_VISIBLE_DEVICES": ""}, log_dir, prefix)]
    devices = _gpus()
    if len(devices) < 2:
        return [_worker("gpu", "gpu", pool, {}, log_dir, prefix)]
    return [
        _worker(f"gpu-{device}", "gpu", pool, {"CUDA_VISIBLE_DEVICES": device}, log_dir, prefix)
        for device in devices
    ]


def _are_gpus_off() -> bool:
    return os.environ.get("BOXLOOP_GPU", "").strip().lower() in {"0", "false", "no", "off"}


def _gpus() -> list[str]:
    """The devices that CUDA_VISIBLE_DEVICES would name, one by one; none where they are off."""
    if _are_gpus_off():
        return []
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",") if given else [str(n) for n in range(len(machine.nvidia_gpus()))]


def _worker(
    name: str, queue: str, pool: list[str], env: dict[str, str], log_dir: Path, prefix: str
) -> Service:
    command = [sys.executable, "-m", "celery", "-A", "workers.celery", "worker"]
    # The pid keeps two workers of one machine apart.
    command += ["-Q", queue, "-n", f"{name}-{os.getpid()}@%h", *pool, "--loglevel", "INFO"]
    command += ["--without-gossip", "--without-mingle"]
    common = {"PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    log = log_dir / f"{prefix}{name}.log"
    return Service(name, command, log, common | env, stops_on_quit=True)


def web_answers(host: str, port: int) -> bool:
    """Whether the server answers anything at all, be it a refusal."""
    connection = http.client.HTTPConnection(reachable_host(host), port, timeout=5)
    try:
        connection.request("HEAD", "/", headers={"Host": "localhost"})
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def reachable_host(host: str) -> str:
    """Where a server that listens on `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def address(host: str, port: int) -> str:
    """The web address to show. For a server open to the network, this machine's name in it."""
    shown = network_address() or "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host
    if ":" in shown:
        shown = f"[{shown}]"
    return f"http://{shown}" if port == 80 else f"http://{shown}:{port}"


def host_names(host: str) -> list[str]:
    """The names by which a server that listens on `host` may be addressed."""
    names = ["localhost", "127.0.0.1", "[::1]"]
    if host in LOOPBACK:
        return names
    if host in {"0.0.0.0", "::", ""}:
        own = socket.gethostname()
        names += [own, f"{own}.local", socket.getfqdn(), network_address() or ""]
    else:
        names.append(f"[{host}]" if ":" in host else host)
    return list(dict.fromkeys(name.lower() for name in names if name))


def network_address() -> str | None:
    """This machine's address in its network; asks the routing table, sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # An address of the documentation range (RFC 5737): nothing is sent to it.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])
