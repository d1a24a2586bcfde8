"""manage.py up: a whole Boxloop in the foreground, or the workers of one."""

import io
import json
import os
import sys
import webbrowser
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import OperationalError, connections

from launcher import instance, machine
from launcher.places import ROOT
from launcher.progress import Steps
from launcher.stopping import Stop
from launcher.subprocesses import tail
from webapp.environment import broker_socket
from workers import broker, services
from workers.supervisor import Service, StartFailed, Supervisor

BROKER_SECONDS, WEB_SECONDS = 60, 60


class Command(BaseCommand):
    help = (
        "Migrate, start the embedded broker, the web server, the workers and the sweeper, and "
        "keep them running until Ctrl-C. BOXLOOP_VAR chooses the state folder."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--open", action="store_true", help="open the page in the browser")
        parser.add_argument("--verbose", action="store_true", help="show all that the parts log")
        parser.add_argument("--first-step", type=int, default=1, help="number of the first step")
        parser.add_argument("--steps", type=int, default=2, help="number of the last step")
        parser.add_argument("--workers-only", metavar="QUEUES", help="start only these workers")

    def handle(self, *args: Any, **options: Any) -> None:
        # The children start elsewhere: a relative path must mean the same to them.
        os.environ["BOXLOOP_VAR"] = str(settings.VAR_DIR)
        log_dir = Path(settings.VAR_DIR) / "log"
        supervisor = Supervisor(ROOT, options["verbose"])
        supervisor.take_signals()
        try:
            if options["workers_only"]:
                _work(supervisor, options["workers_only"], log_dir)
            else:
                _serve(supervisor, log_dir, options)
        except (Stop, StartFailed) as error:
            raise SystemExit(f"boxloop: {error}") from error


def _serve(supervisor: Supervisor, log_dir: Path, options: dict[str, Any]) -> None:
    host, port = options["host"], options["port"]
    address = services.address(host, port)
    machine.check_port(host, port)
    steps = Steps(options["steps"], options["first_step"])
    with instance.hold(Path(settings.VAR_DIR), address):
        with steps.step("Database") as step:
            step.outcome = prepare_database()
            collect_static_files()
        try:
            with steps.step("Services") as step:
                _start_all(supervisor, log_dir, host, port)
                step.outcome = "web, workers, broker"
            if not supervisor.stopping:
                _announce(address, options["open"])
            supervisor.run()
        except StartFailed as error:
            raise StartFailed(f"{tail(error.log)}\n{error}", error.log) from error
        finally:
            supervisor.stop()
            if uses_embedded_broker():
                broker.remove_leftovers(Path(settings.VAR_DIR))
    print("Boxloop has stopped.", flush=True)


def _start_all(supervisor: Supervisor, log_dir: Path, host: str, port: int) -> None:
    if uses_embedded_broker():
        supervisor.start([broker.embedded_broker(Path(settings.VAR_DIR), log_dir)])
        supervisor.wait_ready("broker", BROKER_SECONDS)
    else:
        broker.check_external(os.environ["REDIS_URL"])
    # The page first: it is what someone waits for.
    supervisor.start([services.web(host, port, log_dir)])
    supervisor.wait_ready("web", WEB_SECONDS)
    if not supervisor.stopping:
        supervisor.start(services.workers(services.QUEUES, log_dir))
        supervisor.start([services.sweeper(log_dir, ROOT)])


def _work(supervisor: Supervisor, queues: str, log_dir: Path) -> None:
    names = list(dict.fromkeys(name.strip() for name in queues.split(",") if name.strip()))
    unknown = [name for name in names if name not in services.QUEUES]
    if unknown or not names:
        raise Stop(
            f"There is no queue {', '.join(unknown) or repr(queues)}. "
            f"The queues are: {', '.join(services.QUEUES)}."
        )
    if not uses_embedded_broker():
        broker.check_external(os.environ["REDIS_URL"])
    elif not broker.answers(broker_socket(Path(settings.VAR_DIR))):
        raise Stop(
            "No Boxloop runs here for the workers to help. Start ./boxloop run first, or, for "
            "another machine, set REDIS_URL, DATABASE_URL and STORAGE_URL "
            '(docs/operating.md, "More machines").'
        )
    found: list[Service] = services.workers(names, log_dir, prefix=f"worker-{os.getpid()}-")
    try:
        supervisor.start(found)
        print(
            f"Workers for {', '.join(names)} are running. Ctrl-C stops them. Logs: {log_dir}",
            flush=True,
        )
        supervisor.run()
    finally:
        supervisor.stop()


def uses_embedded_broker() -> bool:
    return not os.environ.get("REDIS_URL", "").strip()


def prepare_database() -> str:
    """Check that the web application loads, and apply the migrations. Returns what was done."""
    # Also imports every view: better one traceback here than one for each request.
    call_command("check", stdout=io.StringIO(), stderr=io.StringIO())
    applied = io.StringIO()
    try:
        call_command("migrate", interactive=False, stdout=applied)
    except OperationalError as error:
        raise Stop(f"The database does not answer: {str(error).strip()} {_way_out()}") from error
    # This process keeps no connection: it only watches from now on.
    connections.close_all()
    count = applied.getvalue().count("... OK")
    return f"{count} migrations" if count else "up to date"


def _way_out() -> str:
    if os.environ.get("DATABASE_URL"):
        return "Check DATABASE_URL and that its server runs."
    return f"Check that {settings.VAR_DIR} can be written and its disk is not full."


def collect_static_files() -> None:
    """Gather and compress the static files where they or the packages' have changed."""
    marker = Path(settings.STATIC_ROOT) / ".collected"
    lock = (ROOT / "requirements.txt").stat()
    state = json.dumps([settings.STATIC_URL, lock.st_size, lock.st_mtime_ns])
    if marker.exists() and marker.read_text() == state:
        return
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(state)


def _announce(address: str, open_page: bool) -> None:
    """One line: where Boxloop is, and the first time the link that makes the first account."""
    link = io.StringIO()
    call_command("setup_link", stdout=link)
    connections.close_all()
    path = link.getvalue().strip()
    page = f"{address}{path}"
    if path:
        print(f"\nBoxloop is running. Make the first account (this link works once): {page}")
    else:
        print(f"\nBoxloop is running: {page}")
    if sys.stdout.isatty():
        print("Ctrl-C stops it.")
    sys.stdout.flush()
    if open_page:
        webbrowser.open(page)
