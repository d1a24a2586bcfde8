"""Databases made before the boxes' columns got names that PostgreSQL allows."""

from typing import Any

import pytest
from django.db import connection, migrations

from webapp.sqlite.renaming import rename_corners

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite took the old names"),
]


def test_old_names_are_changed_once() -> None:
    step = rename_corners("old_boxes")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE old_boxes (xmin REAL, ymin REAL, xmax REAL CHECK(xmin < xmax))"
        )
        cursor.execute("INSERT INTO old_boxes VALUES (1, 2, 3)")
    try:
        for _ in range(2):
            _run(step)
        with connection.cursor() as cursor:
            cursor.execute("SELECT x_min, ymin, x_max FROM old_boxes")
            assert cursor.fetchall() == [(1, 2, 3)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE old_boxes")


def _run(step: migrations.RunPython) -> Any:
    with connection.schema_editor() as editor:
        step.code(None, editor)
