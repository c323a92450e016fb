"""What is left of times after anonymization: SQL expressions that cut them, for use in an UPDATE.

Django's ``Trunc`` is made for reading: it yields a local time without its zone, which an UPDATE would store as UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import DateTimeField, DurationField, Func

_SQLITE_FUNCTION = "mluvii_gdpr_start_of"


class StartOf(Func):
    """The moment at which the time's local day, week or month began (setting ERASURE_TIME_PRECISION)."""

    output_field = DateTimeField()
    arity = 1

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        function = _SQLITE_FUNCTION if connection.vendor == "sqlite" else "date_trunc"
        template = f"{function}('{settings.ERASURE_TIME_PRECISION}', %(expressions)s, '{settings.TIME_ZONE}')"
        return super().as_sql(compiler, connection, template=template, **extra)


class WholeMinutes(Func):
    """A duration cut to whole minutes. SQLite keeps it as microseconds, PostgreSQL as an interval."""

    output_field = DurationField()
    arity = 1

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        if connection.vendor == "sqlite":
            template = "(%(expressions)s / 60000000 * 60000000)"
        else:
            template = "(floor(extract(epoch FROM %(expressions)s) / 60) * interval '1 minute')"
        return super().as_sql(compiler, connection, template=template, **extra)


def start_of(precision: str, moment: datetime, zone: str) -> datetime:
    """Return, in UTC, when the day, week or month began in which the moment lies in the zone."""
    local = moment.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if precision == "week":
        local -= timedelta(days=local.weekday())
    elif precision == "month":
        local = local.replace(day=1)
    return local.astimezone(UTC)


def register_sqlite_function(connection: Any, **_kwargs: Any) -> None:
    """Give a new SQLite connection what PostgreSQL's ``date_trunc`` with a time zone does."""
    if connection.vendor == "sqlite":
        connection.connection.create_function(_SQLITE_FUNCTION, 3, _start_of_text, deterministic=True)


def _start_of_text(precision: str, text: str | None, zone: str) -> str | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return start_of(precision, moment, zone).strftime("%Y-%m-%d %H:%M:%S")
