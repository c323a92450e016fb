"""Cut times and days of anonymized rows to longer periods, in SQL.

The database triggers use this SQL. On SQLite it must therefore not need a function of this product,
which other programs that open the file do not have.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import DateField, DateTimeField, Field, Func

#: Modifiers of SQLite's date functions that lead to the start of a period.
_TO_START = {
    "day": "'start of day'",
    "week": "'start of day', '-6 days', 'weekday 1'",
    "month": "'start of month'",
}


class PeriodOf(Func):
    """The first day of the period of ERASURE_TIME_PRECISION that contains a day."""

    output_field = DateField()
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template=_day_on_sqlite("%(expressions)s"))

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template=_day_on_postgresql("%(expressions)s"))


def _day_on_sqlite(column: str, period: str = "") -> str:
    return f"date({column}, {_TO_START[period or settings.ERASURE_TIME_PRECISION]})"


def _day_on_postgresql(column: str, period: str = "") -> str:
    period = period or settings.ERASURE_TIME_PRECISION
    return f"date_trunc('{period}', {column}::timestamp)::date"


def starts(field: Field, column: str, vendor: str) -> list[str]:
    """Return SQL for the starts of the day, week and month that contain the value of a column.

    There may be more than one expression for a start: SQLite does not know the time zone. The
    expressions then differ by the offset of summer time.
    """
    if not isinstance(field, DateTimeField):
        cut = _day_on_sqlite if vendor == "sqlite" else _day_on_postgresql
        return [cut(column, period) for period in _TO_START]
    if vendor != "sqlite":
        return [f"date_trunc('{period}', {column}, '{settings.TIME_ZONE}')" for period in _TO_START]
    offsets = _offsets(settings.TIME_ZONE)
    return [
        f"datetime({column}, '{there:+d} minutes', {modifiers}, '{-back:+d} minutes')"
        for modifiers in _TO_START.values()
        for there in offsets
        for back in offsets
    ]


def _offsets(zone: str) -> list[int]:
    """Return the offsets of a time zone from UTC that have been in use since 2000, in minutes."""
    moments = (
        datetime(year, month, 1, tzinfo=UTC) for year in range(2000, 2038) for month in range(1, 13)
    )
    offsets = (moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in moments)
    return sorted({int(offset.total_seconds()) // 60 for offset in offsets if offset is not None})
