"""The few queries that every save asks, written out: Django would take longer to compose one of
them than the database to answer. Only SQL that SQLite and PostgreSQL read alike."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

# What a column of ids holds; a database refuses to compare it with more.
LARGEST_ID = 2**63 - 1


def select(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query as the database gives them; `%s` stands for a parameter."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
