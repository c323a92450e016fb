"""Round times for anonymization: SQL expressions for use in an UPDATE.

Django's ``Trunc`` is made for reading. It returns a local time without a time zone, which an UPDATE
would store as UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, Func

from lib.days import start_of

#: The values to which a duration is rounded, in minutes. For example, 7 and 14 minutes become 5.
BANDS = (0, 5, 15, 30, 60)

_SQLITE_FUNCTION = "mluvii_gdpr_start_of"


class StartOf(Func):
    """The start of the time's local day, week or month (setting ERASURE_TIME_PRECISION)."""

    output_field = DateTimeField()
    arity = 1

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        function = _SQLITE_FUNCTION if connection.vendor == "sqlite" else "date_trunc"
        template = f"{function}('{settings.ERASURE_TIME_PRECISION}', %(expressions)s, '{settings.TIME_ZONE}')"
        return super().as_sql(compiler, connection, template=template, **extra)


class NextStart(StartOf):
    """The start of the day, week or month that follows the time."""

    def __init__(self, expression: Any, **extra: Any) -> None:
        # This always falls into the following period, also when clocks change and in short months.
        within = {
            "day": timedelta(hours=36),
            "week": timedelta(days=8),
            "month": timedelta(days=32),
        }
        start = ExpressionWrapper(StartOf(expression), output_field=DateTimeField())
        super().__init__(start + within[settings.ERASURE_TIME_PRECISION], **extra)


class Band(Func):
    """A duration rounded down to 0, 5, 15, 30 or 60 minutes.

    SQLite stores a duration as microseconds, PostgreSQL as an interval.
    """

    output_field = DurationField()
    arity = 1

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        sql, params = compiler.compile(self.source_expressions[0])
        bounds = [_literal(minutes, connection.vendor) for minutes in reversed(BANDS)]
        cases = " ".join(f"WHEN {sql} >= {bound} THEN {bound}" for bound in bounds)
        return f"(CASE {cases} END)", params * len(bounds)


def _literal(minutes: int, vendor: str) -> str:
    return str(minutes * 60_000_000) if vendor == "sqlite" else f"interval '{minutes} minutes'"


def register_sqlite_function(connection: Any, **_kwargs: Any) -> None:
    """Add a function to a new SQLite connection that works like ``date_trunc`` with a time zone."""
    if connection.vendor == "sqlite":
        connection.connection.create_function(
            _SQLITE_FUNCTION, 3, _start_of_text, deterministic=True
        )


def _start_of_text(precision: str, text: str | None, zone: str) -> str | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return start_of(precision, moment, zone).strftime("%Y-%m-%d %H:%M:%S")
