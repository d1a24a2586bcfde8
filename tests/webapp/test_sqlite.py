"""The SQLite backend: connections that threads hand on, and writers that take turns."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.db.utils import ConnectionHandler, OperationalError

from webapp.environment import SQLITE_OPTIONS


@pytest.fixture
def file(tmp_path: Path, django_db_blocker: Any) -> Iterator[Any]:
    """A fresh handler of one database in a file."""
    options = {**SQLITE_OPTIONS, "timeout": 1}
    name = str(tmp_path / "test.sqlite3")
    handler = ConnectionHandler(
        {"default": {"ENGINE": "webapp.sqlite", "NAME": name, "OPTIONS": options}}
    )
    with django_db_blocker.unblock():
        with handler["default"].cursor() as cursor:
            cursor.execute("CREATE TABLE notes (n INTEGER)")
        yield handler
        handler.close_all()


def in_thread(run: Any) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(run()))
    thread.start()
    thread.join(10)
    return results[0]


def test_the_next_thread_gets_the_connection_that_was_closed(file: Any) -> None:
    def use() -> int:
        connection = file["default"]
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO notes VALUES (1)")
        opened = id(connection.connection)
        connection.close()
        return opened

    assert in_thread(use) == in_thread(use)
    assert use() != in_thread(lambda: id(file["default"].cursor().connection))


def test_one_that_was_closed_in_the_middle_is_not_handed_on(file: Any) -> None:
    def leave_open() -> int:
        connection = file["default"]
        connection.set_autocommit(False)
        connection.cursor().execute("INSERT INTO notes VALUES (1)")
        opened = id(connection.connection)
        connection.close()
        return opened

    in_thread(leave_open)

    def count() -> int:
        with file["default"].cursor() as cursor:
            return int(cursor.execute("SELECT count(*) FROM notes").fetchone()[0])

    assert in_thread(count) == 0


def test_a_file_that_was_put_in_its_place_is_opened_anew(file: Any) -> None:
    name = Path(file["default"].settings_dict["NAME"])
    in_thread(lambda: file["default"].cursor() and file["default"].close())
    file["default"].close()
    for path in name.parent.iterdir():
        path.unlink()
    name.touch()

    def count_tables() -> int:
        with file["default"].cursor() as cursor:
            return int(cursor.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])

    assert in_thread(count_tables) == 0


def test_writers_take_turns(file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "get_connection", lambda using=None: file["default"])
    errors: list[Exception] = []

    def write() -> None:
        try:
            for _ in range(20):
                with transaction.atomic(), file["default"].cursor() as cursor:
                    (n,) = cursor.execute("SELECT count(*) FROM notes").fetchone()
                    cursor.execute("INSERT INTO notes VALUES (%s)", [n])
        except OperationalError as error:
            errors.append(error)
        finally:
            file["default"].close()

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors
    with file["default"].cursor() as cursor:
        rows = cursor.execute("SELECT n FROM notes ORDER BY n").fetchall()
    assert [n for (n,) in rows] == list(range(120)), "nobody read what another was writing"


def test_an_error_gives_the_turn_back(file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "get_connection", lambda using=None: file["default"])

    def fail() -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            raise ZeroDivisionError

    fail()
    in_thread(fail)
    assert file["default"]._turn is None


def test_a_child_does_not_use_its_parents_connections(file: Any) -> None:
    in_thread(lambda: file["default"].cursor() and file["default"].close())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        from webapp.sqlite import base

        os.write(writer, str(len(base._process._idle)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"0"
