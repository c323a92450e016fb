"""Anonymization of the sessions that are older than their WebChat keeps them.

What expires is decided by local days (``Session.objects.expired``). The work is done in chunks, the oldest sessions
first, each chunk a transaction of its own, so that nobody waits for long and a run that was killed loses nothing:
the next one goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.formats import date_format

from anonymization.batch import erase_batch
from anonymization.ledger.recording import Requester
from anonymization.models import Erasure, Source
from sessions_app.models import RetentionRun, Session, SessionQuerySet, Status, oldest_kept
from webchat.figures import RetentionPreview
from webchat.models import ConsentVersion, WebChat

#: Sessions in one transaction: to begin with, and at most.
FIRST_CHUNK, LARGEST_CHUNK = 200, 1000
#: How long a transaction should take; one that takes longer makes the next one smaller. On SQLite every other writer
#: waits for it.
CHUNK_SECONDS = {"sqlite": 0.1, "postgresql": 0.18}
#: SQLite has one writer at a time, and who waits looks every 50 ms: so long it is left to others between chunks.
PAUSE_ON_SQLITE = 0.06
#: How long no run may have been completed before a clock that says so is not believed. Cron runs daily: a machine that
#: was off over a long weekend is forgiven, and a clock that is ahead takes nothing that isn't due within a week.
QUIET_FOR = timedelta(days=7)
#: Clocks of several machines differ a little.
TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True)
class Chunk:
    """What one transaction did in a WebChat: sessions anonymized, and left out because another one held them."""

    webchat: int
    anonymized: int
    held: int


def expired(webchat: WebChat, *, days: int | None, on: date) -> SessionQuerySet:
    """Return the sessions of a WebChat that a period of so many days has reached on a day; without a period none."""
    sessions = Session.objects.filter(webchat=webchat)
    return sessions.none() if days is None else sessions.expired(days=days, on=on)


def preview(webchat: WebChat, *, days: int) -> RetentionPreview:
    """Count what keeping sessions for so many days would take, of the sessions that exist. Changes nothing."""
    today = timezone.localdate()
    now = expired(webchat, days=days, on=today).count()
    week = expired(webchat, days=days, on=today + timedelta(days=7)).count()
    return RetentionPreview(days=days, now=now, week=week - now)


def webchats_with_retention() -> list[WebChat]:
    """Return every WebChat that keeps sessions for a limited time, archived ones too."""
    return list(WebChat.objects.exclude(retention_days=None).order_by("pk"))


def due(*, on: date) -> dict[int, int]:
    """Return how many sessions are due on a day, by WebChat, of each that has a period."""
    return {
        webchat.pk: expired(webchat, days=webchat.retention_days, on=on).count()
        for webchat in webchats_with_retention()
    }


def open_and_old(*, on: date) -> int:
    """Return how many sessions would be due on a day if their conversation had ended."""
    old = Q()
    for webchat in webchats_with_retention():
        old |= Q(webchat=webchat, created_at__lt=oldest_kept(webchat.retention_days or 0, on=on))
    return Session.objects.exclude(status=Status.CLOSED).filter(old).count() if old else 0


def anonymize_expired(*, now: datetime, limit: int | None = None) -> Iterator[Chunk]:
    """Anonymize what is due, at most ``limit`` sessions, and yield after each chunk.

    ``now`` is what the clock said when it was believed. It decides for the whole run, and is noted for the next ones
    when this one is completed: by the end of the work or by its limit.

    Several runs at once share the work: on PostgreSQL each leaves out what another one holds, on SQLite each waits
    for its turn. No session is anonymized twice.

    Raises:
        ErasureRefused: the ledger can't be written; the chunk was rolled back, those before it stay.
    """
    left = limit
    for webchat in webchats_with_retention():
        for chunk in _anonymize(webchat, left, on=timezone.localdate(now)):
            if left is not None:
                left -= chunk.anonymized
            yield chunk
    # Also an earlier moment than the one that stands there: a clock that was ahead is put right so.
    RetentionRun.objects.update_or_create(pk=1, defaults={"began_at": now})


def _anonymize(webchat: WebChat, left: int | None, *, on: date) -> Iterator[Chunk]:
    size, after = FIRST_CHUNK, None
    while left is None or left > 0:
        # Asked again for each chunk: an administrator may lengthen the period meanwhile.
        webchat.refresh_from_db(fields=["retention_days"])
        found = _next(webchat, after, size if left is None else min(size, left), on=on)
        if not found:
            return
        began = time.monotonic()
        done = len(_erase(webchat, [pk for _end, pk in found], on=on))
        size = _next_size(size, done, time.monotonic() - began)
        left = None if left is None else left - done
        after = found[-1]
        yield Chunk(webchat.pk, done, len(found) - done)
        if connection.vendor == "sqlite":
            time.sleep(PAUSE_ON_SQLITE)


def _next(
    webchat: WebChat, after: tuple[datetime, int] | None, limit: int, *, on: date
) -> list[tuple[datetime, int]]:
    if webchat.retention_days is None:
        return []
    return Session.objects.filter(webchat=webchat).first_expired(
        days=webchat.retention_days, on=on, after=after, limit=limit
    )


def _erase(webchat: WebChat, pks: list[int], *, on: date) -> list[Erasure]:
    due = expired(webchat, days=webchat.retention_days, on=on)
    return erase_batch(pks, among=due, requester=Requester(Source.RETENTION))


def _next_size(size: int, done: int, took: float) -> int:
    """Return how many sessions the next transaction takes, by how long this one took."""
    if not done:
        return size
    fitting = int(done * CHUNK_SECONDS[connection.vendor] / took)
    return max(1, min(fitting, 2 * size, LARGEST_CHUNK))


def clock_problem(now: datetime) -> str:
    """Return why the clock is not believed, since what it makes expire is gone for good; nothing when it is.

    Behind: it stands before the newest record of the ledger or the last completed run. Ahead: that run is longer ago
    than ``QUIET_FOR``. After the first run nothing else tells: a clock that jumped dates whatever happens after it,
    but no run. Changes nothing.
    """
    last = _newest(RetentionRun.objects.all(), "began_at")
    known = {
        "the newest record of the ledger": _newest(Erasure.objects.all(), "created_at"),
        "the last run": last,
    }
    for name, moment in known.items():
        if moment and moment > now + TOLERANCE:
            return f"The clock says {_said(now)}, but {name} is of {_said(moment)}. Set the clock right."
    return _ahead(now, last)


def _ahead(now: datetime, last: datetime | None) -> str:
    what = "the last run" if last else "the newest thing known to have happened"
    moment = last or _newest_known(before=now - timedelta(days=1))
    if moment is None or moment >= now - QUIET_FOR:
        return ""
    return (
        f"The clock says {_said(now)}, but {what} is of {_said(moment)}, "
        f"more than {QUIET_FOR.days} days ago. Is the clock right?"
    )


def _newest_known(*, before: datetime) -> datetime | None:
    """Return the latest that an installation without a run knows of.

    Sessions and erasures only of ``before``, since visitors and programs come at once after a jump as well.
    """
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
