"""Days in the installation's time zone, and the periods that erasures round times to."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _


def start_of_day(day: date) -> datetime:
    """Return the first moment of a day.

    That is midnight, or the next existing time if a clock change skips midnight.
    """
    return timezone.make_aware(datetime.combine(day, time.min))


def start_of(precision: str, moment: datetime, zone: str) -> datetime:
    """Return, in UTC, the start of the local day, week or month that contains the moment."""
    local = moment.astimezone(ZoneInfo(zone)).replace(
        hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    if precision == "week":
        local -= timedelta(days=local.weekday())
    elif precision == "month":
        local = local.replace(day=1)
    return local.astimezone(UTC)


def period_of(day: date) -> date:
    """Return the first day of the period of ERASURE_TIME_PRECISION that contains the day."""
    if settings.ERASURE_TIME_PRECISION == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday() if settings.ERASURE_TIME_PRECISION == "week" else 0)


def next_period(day: date) -> date:
    """Return the first day of the period that follows the period of a day."""
    within = {"day": 1, "week": 7, "month": 32}[settings.ERASURE_TIME_PRECISION]
    return period_of(period_of(day) + timedelta(days=within))


class RoundedDay(date):
    """The first day of a period that a time was rounded to.

    The setting ERASURE_TIME_PRECISION is the length of the period.
    """

    def isoformat(self) -> str:
        """Return the period in ISO 8601 form: 2026-11-25, 2026-W48 or 2026-11."""
        precision: str = settings.ERASURE_TIME_PRECISION
        return self.strftime({"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}[precision])

    def in_words(self) -> str:
        """Return the period in the reader's language, for example "November 2026"."""
        if settings.ERASURE_TIME_PRECISION == "month":
            return date_format(self, "YEAR_MONTH_FORMAT")
        day = date_format(self, "SHORT_DATE_FORMAT")
        return (
            _("week of %(day)s") % {"day": day}
            if settings.ERASURE_TIME_PRECISION == "week"
            else day
        )

    @property
    def is_month(self) -> bool:
        precision: str = settings.ERASURE_TIME_PRECISION
        return precision == "month"

    @classmethod
    def of(cls, day: date) -> RoundedDay:
        return cls(day.year, day.month, day.day)
