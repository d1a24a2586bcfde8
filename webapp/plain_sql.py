"""What every save asks and writes, as SQL that is composed once: composing it takes Django longer
than answering it takes the database. Only SQL that SQLite and PostgreSQL read alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from django.db import connection, models

# What a column of ids holds; a database refuses to compare it with more.
LARGEST_ID = 2**63 - 1

Row = dict[str, Any]


def select(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query as the database gives them; `%s` stands for a parameter."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def change(sql: str, parameters: Sequence[Any]) -> None:
    """Run a statement that answers nothing."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


class Table:
    """Some columns of a model's table. A row is a dict by column name (`label_id`, not `label`),
    its values as the model would have them."""

    def __init__(self, model: type[models.Model], columns: Sequence[str]) -> None:
        fields = {field.attname: field for field in model._meta.concrete_fields}
        self._fields = [fields[name] for name in columns]
        self._columns = {field.attname: f'"{field.column}"' for field in self._fields}
        self._names = ", ".join(self._columns.values())
        self.name = model._meta.db_table

    @classmethod
    @cache
    def of(cls, model: type[models.Model]) -> "Table":
        """The model's table with all its columns."""
        return cls(model, [field.attname for field in model._meta.concrete_fields])

    def select(self, column: str, values: Sequence[Any]) -> list[Row]:
        """The rows in which `column`, one of these, has one of `values`."""
        if not values:
            return []
        prepare = self._field(column).get_db_prep_value
        places = ", ".join(["%s"] * len(values))
        found = select(
            f"SELECT {self._names} FROM {self.name} WHERE {self._columns[column]} IN ({places})",
            [prepare(value, connection) for value in values],
        )
        return [self._row(values) for values in found]

    def insert(self, rows: Iterable[Mapping[str, Any]], or_update: Sequence[str] = ()) -> None:
        """Add the rows; with `or_update`, one whose id is there gets those columns' new values."""
        changed = [self._columns[name] for name in or_update]
        changes = ", ".join(f"{column} = EXCLUDED.{column}" for column in changed)
        sql = f"{self._insertion} ON CONFLICT (id) DO UPDATE SET {changes}"
        prepared = [
            [field.get_db_prep_save(row[field.attname], connection) for field in self._fields]
            for row in rows
        ]
        if prepared:
            with connection.cursor() as cursor:
                cursor.executemany(sql if changes else self._insertion, prepared)

    def delete(self, ids: Iterable[Any]) -> None:
        prepare = self._field("id").get_db_prep_value
        with connection.cursor() as cursor:
            cursor.executemany(
                f"DELETE FROM {self.name} WHERE id = %s", [[prepare(pk, connection)] for pk in ids]
            )

    def _field(self, column: str) -> Any:
        return next(field for field in self._fields if field.attname == column)

    @cached_property
    def _insertion(self) -> str:
        places = ", ".join(["%s"] * len(self._columns))
        return f"INSERT INTO {self.name} ({self._names}) VALUES ({places})"

    @cached_property
    def _converters(self) -> list[tuple[str, Any, list[Callable[..., Any]]]]:
        """How the database's values become the model's: (column, expression, functions)."""
        found = []
        for field in self._fields:
            read = field.get_col(self.name)
            found.append(
                (
                    field.attname,
                    read,
                    [*connection.ops.get_db_converters(read), *field.get_db_converters(connection)],
                )
            )
        return found

    def _row(self, values: Sequence[Any]) -> Row:
        row = {}
        for value, (name, read, functions) in zip(values, self._converters, strict=True):
            for function in functions:
                value = function(value, read, connection)
            row[name] = value
        return row
