"""A SQLite file of one's own, for what would fill the memory; gone when nobody refers to it."""

from __future__ import annotations

import sqlite3


def open_private_database(schema: str, cache_kib: int) -> sqlite3.Connection:
    """An empty database with the tables of ``schema``, in a transaction that nobody need commit.

    It keeps ``cache_kib`` KiB in memory. For use by one thread at a time, not always the same.
    """
    # An empty name: a temporary file of SQLite's own, deleted as soon as it is closed.
    db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
    db.executescript(
        f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{cache_kib};"
        f"{schema}; BEGIN"
    )
    return db
