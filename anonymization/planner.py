"""Keep personal data out of the planner statistics of PostgreSQL.

ANALYZE stores frequent values and the bounds of ranges of each column, as plain text. It replaces
them in the next run, but not if the table is then empty: the old values remain forever, even after
a rewrite. Statistics are therefore disabled for the columns of rows that an erasure deletes.
Anonymized records remain in their table, so that ANALYZE replaces their old values.

Statistics of keys, numbers, times and the random names of stored files are allowed. Without the
number of distinct values, the planner reads the whole table to find a few of them.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from anonymization.policy import registry

#: Columns of any other type may contain text of a person. DateTimeField is a subclass of DateField,
#: and primary keys are integers.
_HARMLESS = (
    models.BooleanField,
    models.DateField,
    models.DurationField,
    models.FileField,
    models.FloatField,
    models.ForeignKey,
    models.IntegerField,
    models.TimeField,
)


def columns() -> list[tuple[str, str]]:
    """Return the table and column of the values that must not be in the statistics."""
    return [
        (policy.model._meta.db_table, field.column)
        for policy in registry
        if policy.delete
        for field in policy.fields.values()
        if field.column and not isinstance(field, _HARMLESS)
    ]


def remembered(connection: BaseDatabaseWrapper) -> list[tuple[str, str, str]]:
    """Return the table, column and type of columns that still have statistics but must not.

    The list is empty on SQLite, which stores no values.
    """
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        # The default target is -1 up to PostgreSQL 16, and NULL in later versions.
        cursor.execute(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a "
            "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = current_schema() AND c.relname || '.' || a.attname = ANY(%s) "
            "AND coalesce(a.attstattarget, -1) <> 0 ORDER BY c.relname, a.attnum",
            [[f"{table}.{column}" for table, column in columns()]],
        )
        return cursor.fetchall()


def after_migrate(using: str, **_kwargs: Any) -> None:
    """Delete the statistics of these columns and disable them for the future.

    Changing a column to the type that it already has deletes its statistics. It rewrites neither
    the table nor an index.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    for table, column, kind in remembered(connection):
        alter = f"ALTER COLUMN {quote(column)}"
        with connection.cursor() as cursor:
            cursor.execute(
                f"ALTER TABLE {quote(table)} {alter} TYPE {kind}, {alter} SET STATISTICS 0"
            )
