"""Limits on how often something may happen within a window of time.

The counters are rows in the database, so that all processes on all hosts share them. One statement
counts and returns the new number, so that parallel requests cannot pass a limit. Count before the
transaction of the work, not in it: a counter stays locked until the commit.

Windows are fixed: a window of a minute begins with each minute, whatever was counted before. A
limit may therefore be reached twice within its length, around the change of the window.
"""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from sessions_app.models import LimitCounter

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600

_COUNT = (
    "INSERT INTO sessions_app_limitcounter (key, count, ends_at) VALUES (%s, %s, %s) "
    "ON CONFLICT (key) DO UPDATE SET count = sessions_app_limitcounter.count + EXCLUDED.count "
    "RETURNING count"
)


class TooOften(Exception):
    """The limit is reached. ``retry_after`` is the number of seconds until the window ends."""

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


@dataclass(frozen=True)
class Limit:
    """At most ``most`` within each window of ``seconds``. 0 means that there is no limit."""

    name: str
    most: int
    seconds: int = MINUTE

    def count(self, subject: str = "", *, amount: int = 1) -> None:
        """Count for a subject, for example an address, which is stored as a keyed hash only.

        Raises:
            TooOften: The subject, or everybody without one, has reached the limit.
        """
        if not self.most:
            return
        now = timezone.now()
        ends_at = self._end(now)
        key = self._key(subject, ends_at)
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [key, amount, connection.ops.adapt_datetimefield_value(ends_at)])
            (number,) = cursor.fetchone()
        if number == amount:
            delete_ended(now)
        if number > self.most:
            raise TooOften(math.ceil((ends_at - now).total_seconds()))

    def give_back(self, subject: str = "") -> None:
        """Undo one count of the current window, because nothing happened in the end."""
        key = self._key(subject, self._end(timezone.now()))
        LimitCounter.objects.filter(key=key, count__gt=0).update(count=F("count") - 1)

    def _end(self, now: datetime) -> datetime:
        window = int(now.timestamp()) // self.seconds
        return datetime.fromtimestamp((window + 1) * self.seconds, tz=UTC)

    def _key(self, subject: str, ends_at: datetime) -> str:
        """Return the digest of a subject, under a key that only this limit and window have."""
        window = f"sessions_app.limits {self.name} {ends_at.isoformat()}"
        key = hmac.digest(settings.SECRET_KEY.encode(), window.encode(), "sha256")
        return hmac.digest(key, subject.encode(), "sha256").hex()


@transaction.atomic
def delete_ended(now: datetime) -> None:
    """Delete the counters whose window has ended. A row that another transaction locks is skipped."""
    ended = LimitCounter.objects.select_for_update(skip_locked=True).filter(ends_at__lte=now)
    LimitCounter.objects.filter(pk__in=ended.values("pk")).delete()
