"""Keep personal data out of the planner statistics of PostgreSQL.

ANALYZE stores frequent values and the bounds of ranges of each column, as plain text. An erasure
does not remove them from there: the next ANALYZE does, and not even that if the table is then
empty. Statistics are therefore disabled for the columns with words or addresses that an erasure
deletes or clears, and for the random identifiers of anonymized records.

Statistics of keys, numbers, times, enumerations and the random names of stored files are allowed.
Without the number of distinct values, the planner reads the whole table to find a few of them.

For a column without statistics, PostgreSQL ignores the option ``n_distinct`` and assumes 200
distinct values. That is enough: the lookups of guests by their match keys still use the indexes.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from anonymization.policy import Policy, registry

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
        for field in _erased(policy)
        if field.column and not isinstance(field, _HARMLESS)
    ]


def _erased(policy: Policy) -> list[models.Field]:
    """Return the fields of deleted rows, or the erased fields that are not enumerations."""
    if policy.delete:
        return list(policy.fields.values())
    random = ["uid"] if policy.mark else []
    return [
        field
        for name, field in policy.fields.items()
        if name in [*policy.erase, *random] and not field.choices
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

    Changing a column to the type that it already has deletes its statistics. It does not rewrite
    the table. Of the indexes, it rebuilds only partial ones, once for each table.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    for table, found in groupby(remembered(connection), key=itemgetter(0)):
        altered = [
            f"ALTER COLUMN {quote(column)} TYPE {kind}, ALTER COLUMN {quote(column)} SET STATISTICS 0"
            for _table, column, kind in found
        ]
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {quote(table)} {', '.join(altered)}")
