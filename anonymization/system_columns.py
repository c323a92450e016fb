"""Remove the traces of erasures from PostgreSQL's system columns and from the order of the rows.

All rows that one transaction writes have the same ``xmin``, and their new versions lie next to each
other in the table. Both tell any SQL client which rows one erasure anonymized. A rewrite of the
table keeps ``xmin``, also of frozen rows.

SQLite has neither: it stores rows in the order of their keys and has no transaction numbers.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from anonymization.policy import Policy, registry
from lib.days import period_of

#: SQLSTATE: the role does not own the table.
_INSUFFICIENT_PRIVILEGE = "42501"


def unite_finished_periods() -> list[date]:
    """Give all anonymized rows of each finished period the same ``xmin``; return these periods.

    Each period is one transaction, which updates the rows without a change. A period whose rows
    already have the same ``xmin`` is skipped. Nothing needs to be remembered, and a row that gets
    an old mark later, for example by a replay, is united with the others again. The rows are locked
    until the commit. They are sealed, so that no other writer waits for them.
    """
    found = _divided_periods(before=period_of(timezone.localdate()))
    for period in found:
        with transaction.atomic(), connection.cursor() as cursor:
            for table, mark in _marked():
                cursor.execute(
                    f'UPDATE "{table}" SET "{mark}" = "{mark}" WHERE "{mark}" = %s',  # noqa: S608
                    [period],
                )
    return found


def _divided_periods(*, before: date) -> list[date]:
    """Return the finished periods whose rows were written by several transactions."""
    writers = " UNION ".join(
        f'SELECT "{mark}" AS period, xmin::text FROM "{table}" WHERE "{mark}" < %s'  # noqa: S608
        for table, mark in _marked()
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT period FROM ({writers}) AS writer GROUP BY period HAVING count(*) > 1 ORDER BY period",  # noqa: S608
            [before] * len(_marked()),
        )
        return [period for (period,) in cursor.fetchall()]


def _marked() -> list[tuple[str, str]]:
    """Return the table and the column of the mark of each policy that has one."""
    marks: list[tuple[str, Any]] = [
        (policy.model._meta.db_table, policy.fields[policy.mark])
        for policy in registry
        if policy.mark
    ]
    return [(table, mark.column) for table, mark in marks]


def order_by_key(policy: Policy) -> bool:
    """Rewrite a table in the order of its primary key, and return whether the role may do so.

    CLUSTER is the same rewrite as VACUUM FULL: it takes the same lock and leaves out the same old
    versions. Only the owner of the table may run it.
    """
    table = policy.model._meta.db_table
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
        key = next(name for name, found in constraints.items() if found["primary_key"])
        quote = connection.ops.quote_name
        try:
            cursor.execute(f"CLUSTER {quote(table)} USING {quote(key)}")
        except ProgrammingError as error:
            if getattr(error.__cause__, "sqlstate", "") != _INSUFFICIENT_PRIVILEGE:
                raise
            return False
    return True
