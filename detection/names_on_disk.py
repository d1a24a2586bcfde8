"""Names of a data set's files, kept on disk: a list of a million would fill a worker's memory.

Each of these lies in a private SQLite file, which is gone when nobody refers to it any more, with
a small cache. For use by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar, overload

from detection.private_database import open_private_database

Value = TypeVar("Value", str, int)
_CACHE_KIB = 256
_BATCH = 1000


def _stored(value: Any) -> Any:
    # As bytes: names from a disk may hold what is no Unicode text.
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def _given(value: Any) -> Any:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


class NameList(Sequence[str]):
    """Names in the order in which they were appended."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._db = open_private_database(
            "CREATE TABLE names (number INTEGER PRIMARY KEY, name BLOB)", _CACHE_KIB
        )
        self._size = 0
        self.extend(names)

    def append(self, name: str) -> None:
        self._db.execute("INSERT INTO names VALUES (?, ?)", (self._size, _stored(name)))
        self._size += 1

    def extend(self, names: Iterable[str]) -> None:
        for name in names:
            self.append(name)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        return self.starting_at(0)

    def starting_at(self, number: int) -> Iterator[str]:
        """The names from that one on."""
        sql = f"SELECT name FROM names WHERE number >= ? ORDER BY number LIMIT {_BATCH}"
        while rows := self._db.execute(sql, (number,)).fetchall():
            for (name,) in rows:
                yield _given(name)
            number += len(rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(self._size))]
        if index < 0:
            index += self._size
        row = self._db.execute("SELECT name FROM names WHERE number = ?", (index,)).fetchone()
        if row is None:
            raise IndexError(index)
        return str(_given(row[0]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(
            one == two for one, two in zip(self, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"NameList({self._size:,} names)"


def names_from(names: Sequence[str], number: int) -> Iterator[str]:
    """The names from that one on, of any sequence."""
    if isinstance(names, NameList):
        return names.starting_at(number)
    return islice(iter(names), number, None)


class NameMap(MutableMapping[str, Value], Generic[Value]):
    """A text or a number by name, in the order in which names came."""

    def __init__(self) -> None:
        self._db = open_private_database(
            "CREATE TABLE items (number INTEGER PRIMARY KEY, name BLOB UNIQUE, value)", _CACHE_KIB
        )
        self._size = 0

    def add(self, name: str, value: Value) -> bool:
        """Set it, unless it is there already: then False."""
        row = (_stored(name), _stored(value))
        done = self._db.execute("INSERT OR IGNORE INTO items (name, value) VALUES (?, ?)", row)
        self._size += done.rowcount
        return done.rowcount > 0

    def __setitem__(self, name: str, value: Value) -> None:
        if not self.add(name, value):
            row = (_stored(value), _stored(name))
            self._db.execute("UPDATE items SET value = ? WHERE name = ?", row)

    def setdefault(self, name: str, default: Value) -> Value:
        return default if self.add(name, default) else self[name]

    def __getitem__(self, name: str) -> Value:
        sql = "SELECT value FROM items WHERE name = ?"
        row = self._db.execute(sql, (_stored(name),)).fetchone()
        if row is None:
            raise KeyError(name)
        found: Value = _given(row[0])
        return found

    def __delitem__(self, name: str) -> None:
        done = self._db.execute("DELETE FROM items WHERE name = ?", (_stored(name),))
        if not done.rowcount:
            raise KeyError(name)
        self._size -= 1

    def __contains__(self, name: object) -> bool:
        sql = "SELECT 1 FROM items WHERE name = ?"
        return self._db.execute(sql, (_stored(name),)).fetchone() is not None

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        for name, _ in self.pairs():
            yield name

    def pairs(self) -> Iterator[tuple[str, Value]]:
        """``items()`` in few queries. What is added meanwhile comes, too."""
        number = 0
        sql = "SELECT number, name, value FROM items WHERE number > ? ORDER BY number LIMIT "
        while rows := self._db.execute(f"{sql}{_BATCH}", (number,)).fetchall():
            for _, name, value in rows:
                yield _given(name), _given(value)
            number = rows[-1][0]


class NamesByKey:
    """All the names that share a key, in the order in which they came. Fill it, then ask it."""

    def __init__(self, keyed: Iterable[tuple[str, str]] = ()) -> None:
        self._db = open_private_database("CREATE TABLE names (key BLOB, name BLOB)", _CACHE_KIB)
        self._is_indexed = False
        self._db.executemany(
            "INSERT INTO names VALUES (?, ?)",
            ((_stored(key), _stored(name)) for key, name in keyed),
        )

    def get(self, key: str) -> list[str]:
        if not self._is_indexed:
            self._db.execute("CREATE INDEX names_by_key ON names (key)")
            self._is_indexed = True
        rows = self._db.execute(
            "SELECT name FROM names WHERE key = ? ORDER BY rowid", (_stored(key),)
        )
        return [_given(name) for (name,) in rows]
