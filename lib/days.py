"""Days of the installation's time zone."""

from __future__ import annotations

from datetime import date, datetime, time

from django.utils import timezone


def start_of_day(day: date) -> datetime:
    """Return when a day begins: at midnight, or where the clocks skip it, at the first moment after."""
    return timezone.make_aware(datetime.combine(day, time.min))
