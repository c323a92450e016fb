"""What PostgreSQL's planner remembers of a column: frequent values and the bounds of ranges, in the clear.

ANALYZE writes it again, but not of a table that it finds empty: what was remembered then stays for ever, also through a
rewrite. So nothing is remembered of the columns of rows that an erasure deletes. Rows that are emptied stay, and
ANALYZE sees them.

Keys, numbers and times may be remembered, and the random names of stored files: unless it knows how many different
ones there are, the planner reads the whole table for a few of them.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from anonymization.policy import registry

#: Whatever else a column holds may be words of a person. Times are a kind of date, and keys are numbers.
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
    """Return table and column of what must not be remembered."""
    return [
        (policy.model._meta.db_table, field.column)
        for policy in registry
        if policy.delete
        for field in policy.fields.values()
        if field.column and not isinstance(field, _HARMLESS)
    ]


def remembered(connection: BaseDatabaseWrapper) -> list[tuple[str, str, str]]:
    """Return table, column and type of what ANALYZE looks at and must not; nothing on SQLite, which keeps no values."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        # Up to PostgreSQL 16 the usual target is -1, later NULL.
        cursor.execute(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a "
            "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = current_schema() AND c.relname || '.' || a.attname = ANY(%s) "
            "AND coalesce(a.attstattarget, -1) <> 0 ORDER BY c.relname, a.attnum",
            [[f"{table}.{column}" for table, column in columns()]],
        )
        return cursor.fetchall()


def after_migrate(using: str, **_kwargs: Any) -> None:
    """Forget what must not be remembered, and have it never looked at again.

    A change to the type that a column has drops what is remembered, and rewrites neither the table nor an index.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    for table, column, kind in remembered(connection):
        alter = f"ALTER COLUMN {quote(column)}"
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {quote(table)} {alter} TYPE {kind}, {alter} SET STATISTICS 0")
