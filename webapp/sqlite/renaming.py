"""Rename columns that earlier versions made under names that PostgreSQL keeps for itself."""

from typing import Any

from django.db import migrations

# Of every table in PostgreSQL: which transactions made and ended a row.
OLD_TO_NEW = {"xmin": "x_min", "xmax": "x_max"}


def rename_corners(table: str) -> migrations.RunPython:
    """A migration's step: `xmin` and `xmax` become `x_min` and `x_max`, where they are there.

    Only a SQLite database can have them. It stands before each step that was there already, for
    those rebuild the table by the names that the models have now.
    """

    def rename(apps: Any, schema_editor: Any) -> None:
        connection = schema_editor.connection
        if connection.vendor != "sqlite":
            return
        with connection.cursor() as cursor:
            columns = connection.introspection.get_table_description(cursor, table)
        for column in columns:
            if column.name in OLD_TO_NEW:
                schema_editor.execute(
                    f'ALTER TABLE "{table}" RENAME COLUMN "{column.name}" '
                    f'TO "{OLD_TO_NEW[column.name]}"'
                )

    return migrations.RunPython(rename, migrations.RunPython.noop)
