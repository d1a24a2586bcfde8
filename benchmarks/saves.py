"""How fast edits are saved when many annotators save at once, on the embedded default (SQLite).

    python benchmarks/saves.py [--annotators 20] [--rate 5] [--seconds 60] [--boxes 30]
                               [--kill]

Starts the web server as `./boxloop run` does, on a state folder of its own. Every annotator has an
image of their own with so many boxes, and sends so many edits a second (a new box, a moved box, a
deleted box in turn). Prints a table with the bars; afterwards every box on the server is compared
with what its annotator drew. With --kill the server is killed half-way, as by `kill -9`, and
started again; what was not answered is sent again, as the editor does it.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "b" * 32
BAR_P95_MS = 50.0
WIDTH, HEIGHT = 4000, 3000


@dataclass
class Desk:
    """An annotator at work: their session, their image, and the boxes that ought to be there."""

    session: str
    image: int
    label: int
    revision: int
    boxes: dict[str, dict[str, Any]] = field(default_factory=dict)
    waits_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    unanswered: int = 0


@dataclass
class Result:
    """What a run measured."""

    waits_ms: list[float]
    errors: list[str]
    lost: int
    seconds: float
    cpu_seconds: float

    def percentile(self, share: float) -> float:
        ordered = sorted(self.waits_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def prepare(var: Path, annotators: int, boxes: int) -> list[Desk]:
    """Migrate a database in `var` and fill it; runs in a process of its own (see `main`)."""
    sys.path.insert(0, str(ROOT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return [_make_desk(number, boxes) for number in range(annotators)]


def _make_desk(number: int, boxes: int) -> Desk:
    from django.contrib import auth
    from django.contrib.sessions.backends.db import SessionStore

    from webapp.datasets.models import Image
    from webapp.labeling.edits import Edit, apply_edit
    from webapp.projects.models import Project

    user = auth.get_user_model().objects.create(username=f"annotator-{number}")
    user.set_unusable_password()
    user.save()
    project = Project.objects.first() or Project.objects.create(name="Saves", created_by=user)
    project.admit(user, "annotator")
    label = project.add_label("part").pk
    image = Image.objects.create(
        project=project, name=f"{number}.jpg", sha256=f"{number:064x}", format="jpeg",
        bytes=1, width=WIDTH, height=HEIGHT,
    )  # fmt: skip
    chance = random.Random(number)
    drawn = [new_box(chance, label) for _ in range(boxes)]
    rows = [{**box, "id": uuid.UUID(box["id"])} for box in drawn]
    image = apply_edit(image.pk, Edit(0, uuid.uuid4(), rows), user)
    session = SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return Desk(
        str(session.session_key), image.pk, label, image.revision, {b["id"]: b for b in drawn}
    )


def new_box(chance: random.Random, label: int) -> dict[str, Any]:
    x, y = chance.randrange(WIDTH - 200), chance.randrange(HEIGHT - 200)
    return {
        "id": str(uuid.UUID(int=chance.getrandbits(128))), "label_id": label,
        "xmin": x, "ymin": y, "xmax": x + 100, "ymax": y + 100, "status": "active",
        "source": "human", "score": None, "difficult": False, "truncated": False,
    }  # fmt: skip


class Server:
    """The web server, with the options of workers/services.py."""

    def __init__(self, var: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.var = var
        self.start()

    def start(self) -> None:
        sys.path.insert(0, str(ROOT))
        from workers.services import web

        service = web("127.0.0.1", self.port, self.var)
        with (self.var / "web.log").open("ab") as log:
            self.process = subprocess.Popen(
                service.command, cwd=ROOT, env={**os.environ, **service.env}, stdout=log, stderr=log
            )

    async def kill_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.process.kill()
        self.process.wait()
        self.start()


class Connection:
    """A kept-alive HTTP connection of one browser."""

    def __init__(self, port: int, session: str) -> None:
        self.port = port
        self.cookies = f"boxloop_session={session}; csrftoken={TOKEN}"
        self.reader: asyncio.StreamReader | None = None

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        if self.reader is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {self.cookies}\r\n"
            f"X-CSRFToken: {TOKEN}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        self.writer.write(head.encode() + content)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        lines = answer.split("\r\n")
        sizes = [line for line in lines if line.lower().startswith("content-length:")]
        text = await self.reader.readexactly(int(sizes[0].partition(":")[2])) if sizes else b""
        return int(lines[0].split()[1]), json.loads(text) if text.startswith((b"{", b"[")) else text


async def label_at(desk: Desk, port: int, rate: float, end: float, chance: random.Random) -> None:
    """Send edits at `rate` a second until `end`, each after the one before it was answered."""
    connection = Connection(port, desk.session)
    due = time.monotonic() + chance.random() / rate
    while due < end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await _save(desk, connection, chance)
        due = max(due + 1 / rate, time.monotonic())


async def _save(desk: Desk, connection: Connection, chance: random.Random) -> None:
    upserts, deletes = [], []
    turn = chance.randrange(4)
    if turn == 0 and len(desk.boxes) > 5:
        deletes = [chance.choice(list(desk.boxes))]
    elif turn == 1 and desk.boxes:
        moved = dict(chance.choice(list(desk.boxes.values())))
        upserts = [{**moved, "xmin": moved["xmin"] + 1, "xmax": moved["xmax"] + 1}]
    else:
        upserts = [new_box(chance, desk.label)]
    body = {
        "base_revision": desk.revision, "op_id": str(uuid.uuid4()),
        "upserts": upserts, "deletes": deletes,
    }  # fmt: skip
    start = time.perf_counter()
    status, answer = await _send(desk, connection, body)
    if status != 200:
        desk.errors.append(f"{status}: {str(answer)[:200]}")
        return
    desk.waits_ms.append(1000 * (time.perf_counter() - start))
    desk.revision = answer["revision"]
    desk.boxes.update((box["id"], box) for box in upserts)
    for pk in deletes:
        del desk.boxes[pk]


async def _send(desk: Desk, connection: Connection, body: Any) -> tuple[int, Any]:
    """The answer to an edit, which is sent until there is one."""
    while True:
        try:
            return await connection.ask("PATCH", f"/api/images/{desk.image}/annotations", body)
        except (OSError, EOFError):
            desk.unanswered += 1
            connection.reader = None
            await asyncio.sleep(0.2)


async def count_lost(desk: Desk, port: int) -> int:
    """How many boxes differ between the desk and the server."""
    _, image = await Connection(port, desk.session).ask("GET", f"/api/images/{desk.image}")
    there = {row["id"]: row["xmin"] for row in image["annotations"]}
    wanted = {pk: box["xmin"] for pk, box in desk.boxes.items()}
    return sum(there.get(pk) != wanted.get(pk) for pk in there.keys() | wanted.keys())


async def run(desks: list[Desk], server: Server, options: argparse.Namespace) -> None:
    end = time.monotonic() + options.seconds
    work = [
        label_at(desk, server.port, options.rate, end, random.Random(n))
        for n, desk in enumerate(desks)
    ]
    if options.kill:
        work.append(server.kill_after(options.seconds / 2))
    await asyncio.gather(*work)


def measure(var: Path, options: argparse.Namespace) -> Result:
    """Fill `var`, start a server on it, let everybody save, and compare what came of it.

    Sets BOXLOOP_VAR for this process, so that it is for once in a process only.
    """
    os.environ["BOXLOOP_VAR"] = str(var)
    for name in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "BOXLOOP_DEBUG"):
        os.environ.pop(name, None)
    desks = prepare(var, options.annotators, options.boxes)
    server = Server(var)
    try:
        _wait_for(server.port, server.process)
        # The first requests load the pages' code.
        asyncio.run(_count_all(desks, server.port))
        start, cpu = time.monotonic(), _cpu_seconds(server.process.pid)
        asyncio.run(run(desks, server, options))
        took = time.monotonic() - start
        used = _cpu_seconds(server.process.pid) - (0 if options.kill else cpu)
        lost = sum(asyncio.run(_count_all(desks, server.port)))
    finally:
        server.process.terminate()
        server.process.wait(10)
    waits = [wait for desk in desks for wait in desk.waits_ms]
    errors = [error for desk in desks for error in desk.errors]
    unanswered = sum(desk.unanswered for desk in desks)
    if unanswered and not options.kill:
        errors.append(f"{unanswered} edits were not answered")
    return Result(waits, errors, lost, took, used)


async def _count_all(desks: list[Desk], port: int) -> list[int]:
    return [await count_lost(desk, port) for desk in desks]


def _wait_for(port: int, server: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise SystemExit("The web server has ended; look at web.log in its folder.")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"The web server did not answer within {seconds:.0f} s.")


def _cpu_seconds(pid: int) -> float:
    """CPU time of a process so far; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def print_table(result: Result, options: argparse.Namespace) -> int:
    """Print what was measured beside its bars; 0 where all are met."""
    asked = options.annotators * options.rate
    rows = [
        ("saves", f"{len(result.waits_ms):,}", ""),
        ("saves a second", f"{len(result.waits_ms) / result.seconds:.1f}", f"{asked:.0f} asked"),
        ("median", f"{result.percentile(0.5):.1f} ms", ""),
        ("p95", f"{result.percentile(0.95):.1f} ms", f"<= {BAR_P95_MS:.0f} ms"),
        ("p99", f"{result.percentile(0.99):.1f} ms", ""),
        ("slowest", f"{max(result.waits_ms, default=0):.1f} ms", ""),
        ("errors", str(len(result.errors)), "0"),
        ("boxes that differ", str(result.lost), "0"),
        ("server's CPU", f"{result.cpu_seconds / result.seconds:.2f} cores", ""),
    ]
    print(
        f"{options.annotators} annotators, {options.rate:g} edits a second each, "
        f"{options.seconds:g} s, {options.boxes} boxes an image, {os.cpu_count()} cores\n"
    )
    for name, value, bar in rows:
        print(f"{name:<20}{value:>14}   {bar}")
    for error in result.errors[:5]:
        print(f"  {error}")
    met = result.percentile(0.95) <= BAR_P95_MS and not result.errors and not result.lost
    print("\nAll bars are met." if met else "\nA bar is not met.")
    return 0 if met else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--annotators", type=int, default=20)
    parser.add_argument("--rate", type=float, default=5, help="edits a second of each")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--boxes", type=int, default=30, help="boxes on each image at the start")
    parser.add_argument("--kill", action="store_true", help="kill the server half-way")
    options = parser.parse_args()
    var = Path(tempfile.mkdtemp(prefix="boxloop-saves-"))
    try:
        result = measure(var, options)
    finally:
        shutil.rmtree(var, ignore_errors=True)
    return print_table(result, options)


if __name__ == "__main__":
    sys.exit(main())
