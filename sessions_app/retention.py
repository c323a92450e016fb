"""Anonymization of the sessions that are older than their WebChat keeps them.

What expires is decided by local days (``Session.objects.expired``). The work is done in chunks, the oldest sessions
first, each chunk a transaction of its own, so that nobody waits for long and a run that was killed loses nothing:
the next one goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.formats import date_format

from anonymization.batch import erase_batch
from anonymization.engine import Requester
from anonymization.models import Door, Erasure
from sessions_app.models import Session, SessionQuerySet, Status, oldest_kept
from webchat.models import ConsentVersion, WebChat

#: Sessions in one transaction: to begin with, and at most.
FIRST_CHUNK, LARGEST_CHUNK = 200, 1000
#: How long a transaction should take; one that takes longer makes the next one smaller. On SQLite every other writer
#: waits for it.
CHUNK_SECONDS = {"sqlite": 0.1, "postgresql": 0.18}
#: SQLite has one writer at a time, and who waits looks every 50 ms: so long it is left to others between chunks.
PAUSE_ON_SQLITE = 0.06
#: How long the installation may have been quiet before a clock that says so is not believed.
QUIET_FOR = timedelta(days=30)
#: Clocks of several machines differ a little.
TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True)
class Chunk:
    """What one transaction did in a WebChat: sessions anonymized, and left out because another one held them."""

    webchat: int
    anonymized: int
    held: int


def expired(webchat: WebChat) -> SessionQuerySet:
    """Return the sessions of a WebChat that are due today; none where no period is set."""
    sessions = Session.objects.filter(webchat=webchat)
    if webchat.retention_days is None:
        return sessions.none()
    return sessions.expired(days=webchat.retention_days, on=timezone.localdate())


def webchats_with_retention() -> list[WebChat]:
    """Return every WebChat that keeps sessions for a limited time, archived ones too."""
    return list(WebChat.objects.exclude(retention_days=None).order_by("pk"))


def due() -> dict[int, int]:
    """Return how many sessions are due today, by WebChat, of each that has a period."""
    return {webchat.pk: expired(webchat).count() for webchat in webchats_with_retention()}


def open_and_old() -> int:
    """Return how many sessions would be due if their conversation had ended."""
    old = Q()
    for webchat in webchats_with_retention():
        old |= Q(
            webchat=webchat, created_at__lt=oldest_kept(webchat.retention_days or 0, on=timezone.localdate())
        )
    return Session.objects.exclude(status=Status.CLOSED).filter(old).count() if old else 0


def anonymize_expired(*, limit: int | None = None) -> Iterator[Chunk]:
    """Anonymize what is due, at most ``limit`` sessions, and yield after each chunk.

    Several runs at once share the work: on PostgreSQL each leaves out what another one holds, on SQLite each waits
    for its turn. No session is anonymized twice.

    Raises:
        ErasureRefused: the ledger can't be written; the chunk was rolled back, those before it stay.
    """
    left = limit
    for webchat in webchats_with_retention():
        for chunk in _anonymize(webchat, left):
            if left is not None:
                left -= chunk.anonymized
            yield chunk


def _anonymize(webchat: WebChat, left: int | None) -> Iterator[Chunk]:
    size, after = FIRST_CHUNK, None
    while left is None or left > 0:
        # Asked anew for each chunk: an administrator may lengthen the period meanwhile.
        webchat.refresh_from_db(fields=["retention_days"])
        found = _next(webchat, after, size if left is None else min(size, left))
        if not found:
            return
        began = time.monotonic()
        done = len(_erase(webchat, [pk for _end, pk in found]))
        size = _next_size(size, done, time.monotonic() - began)
        left = None if left is None else left - done
        after = found[-1]
        yield Chunk(webchat.pk, done, len(found) - done)
        if connection.vendor == "sqlite":
            time.sleep(PAUSE_ON_SQLITE)


def _next(webchat: WebChat, after: tuple[datetime, int] | None, limit: int) -> list[tuple[datetime, int]]:
    if webchat.retention_days is None:
        return []
    return Session.objects.filter(webchat=webchat).first_expired(
        days=webchat.retention_days, on=timezone.localdate(), after=after, limit=limit
    )


def _erase(webchat: WebChat, pks: list[int]) -> list[Erasure]:
    return erase_batch(pks, among=expired(webchat), requester=Requester(Door.RETENTION))


def _next_size(size: int, done: int, took: float) -> int:
    """Return how many sessions the next transaction takes, by how long this one took."""
    if not done:
        return size
    fitting = int(done * CHUNK_SECONDS[connection.vendor] / took)
    return max(1, min(fitting, 2 * size, LARGEST_CHUNK))


def clock_problem() -> str:
    """Return why the clock is not believed, since what it makes expire is gone for good; nothing when it is.

    Behind: it stands before the newest record of the ledger. Ahead: for ``QUIET_FOR`` nothing is known to have
    happened. A clock that jumped dates what happens after it too, so of sessions and erasures those of the last day
    don't count; what staff did (log in, publish, add a WebChat) does.
    """
    now = timezone.now()
    newest = _newest(Erasure.objects.all(), "created_at")
    if newest and newest > now + TOLERANCE:
        return (
            f"The clock says {_said(now)}, but the newest record of the ledger is of {_said(newest)}. "
            "Set the clock right."
        )
    known = _newest_known(before=now - timedelta(days=1))
    if known and known < now - QUIET_FOR:
        return (
            f"The clock says {_said(now)}, but the newest thing known to have happened is of {_said(known)}, "
            f"more than {QUIET_FOR.days} days ago. Is the clock right?"
        )
    return ""


def _newest_known(*, before: datetime) -> datetime | None:
    known = [
        _newest(Session.objects.filter(created_at__lt=before), "created_at"),
        _newest(Erasure.objects.filter(created_at__lt=before), "created_at"),
        _newest(User.objects.all(), "last_login"),
        _newest(ConsentVersion.objects.all(), "published_at"),
        _newest(WebChat.objects.all(), "created_at"),
    ]
    return max((moment for moment in known if moment), default=None)


def _newest(rows: Any, name: str) -> datetime | None:
    moment: datetime | None = rows.aggregate(newest=Max(name))["newest"]
    return moment


def _said(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "Y-m-d H:i")
