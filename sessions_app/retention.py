"""Anonymize the sessions whose WebChat's retention period is over.

Expiry is decided by local days (``Session.objects.expired``). The work is done in chunks, the
oldest sessions first. Each chunk is a separate transaction, so that no other writer waits for long.
An interrupted run loses nothing: the next run continues after the last completed chunk.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from anonymization import redo, runs
from anonymization.batch import erase_batch
from anonymization.held import held
from anonymization.ledger.recording import Requester, note
from anonymization.models import Erasure, Hold, Job, Note
from sessions_app.abandonment import abandoned
from sessions_app.models import RetentionRun, Session, SessionQuerySet, oldest_kept
from webchat.figures import RetentionPreview
from webchat.models import ConsentVersion, WebChat

#: The number of sessions in one transaction: the initial and the maximum number.
FIRST_CHUNK, LARGEST_CHUNK = 200, 1000
#: The target duration of a transaction. After a longer one, the next transaction is smaller. On
#: SQLite all other writers wait while it runs.
CHUNK_SECONDS = {"sqlite": 0.1, "postgresql": 0.18}
#: SQLite allows one writer at a time, and a waiting writer retries every 50 ms. The pause between
#: chunks is longer than that, so that a waiting writer gets its turn.
PAUSE_ON_SQLITE = 0.06
#: A run tries locked sessions again: the number of passes, and the seconds between two. Another
#: run or a writer holds its locks for less than a second.
PASSES, PASS_PAUSE = 3, 1.0
#: A count of a summary: an earlier run began and had not finished when this one began.
_UNFINISHED = "unfinished runs"
#: If the last completed run seems longer ago than this, the clock is assumed to be ahead. Cron runs
#: daily. A machine may be off over a long weekend. A clock that is ahead by less anonymizes nothing
#: that would not be due within a week.
QUIET_FOR = timedelta(days=7)
#: The permitted difference between the clocks of several machines.
TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True)
class Chunk:
    """The result of one transaction: the numbers of anonymized and of skipped sessions.

    Sessions are skipped if another transaction has locked them, or if they are no longer due.
    """

    webchat: int
    anonymized: int
    skipped: int


def expired(webchat: WebChat, *, days: int | None, on: date) -> SessionQuerySet:
    """Return the sessions of a WebChat older than ``days`` days on day ``on``.

    Without a retention period (None) the result is empty.
    """
    sessions = Session.objects.filter(webchat=webchat)
    return sessions.none() if days is None else sessions.expired(days=days, on=on)


def _erasable(webchat: WebChat, *, days: int | None, on: date) -> SessionQuerySet:
    return expired(webchat, days=days, on=on).without_holds()


def preview(webchat: WebChat, *, days: int) -> RetentionPreview:
    """Count the existing sessions that a retention period of ``days`` days would anonymize.

    Changes nothing.
    """
    today = timezone.localdate()
    now = _erasable(webchat, days=days, on=today).count()
    week = _erasable(webchat, days=days, on=today + timedelta(days=7)).count()
    return RetentionPreview(days=days, now=now, week=week - now)


def webchats_with_retention() -> list[WebChat]:
    """Return every WebChat with a retention period, including archived ones."""
    return list(WebChat.objects.exclude(retention_days=None).order_by("pk"))


def due(*, on: date) -> dict[int, int]:
    """Return the number of sessions due on a day, by WebChat, for every WebChat with a period.

    Sessions under a legal hold are not due.
    """
    return {
        webchat.pk: _erasable(webchat, days=webchat.retention_days, on=on).count()
        for webchat in webchats_with_retention()
    }


def held_and_old(*, on: date) -> int:
    """Return the number of sessions that would be due on a day without a legal hold."""
    if not Hold.objects.active().exists():
        return 0
    webchats = webchats_with_retention()
    found = (expired(webchat, days=webchat.retention_days, on=on) for webchat in webchats)
    return sum(sessions.filter(held(Session)).count() for sessions in found)


def due_if_ended(*, now: datetime) -> int:
    """Return the number of abandoned sessions that are due as soon as they are ended."""
    today, old = timezone.localdate(now), Q()
    for webchat in webchats_with_retention():
        oldest = oldest_kept(webchat.retention_days or 0, on=today)
        old |= Q(webchat=webchat, last_sign__lt=oldest)
    return abandoned(now=now, trusted_since=None).filter(old).count() if old else 0


def anonymize_expired(*, now: datetime, limit: int | None = None) -> Iterator[Chunk]:
    """Anonymize the sessions that are due, at most ``limit`` of them. Yield after each chunk.

    Completes interrupted erasures first, even if nothing is due.

    ``now`` is the clock time that passed the clock check. It is used for the whole run. It is
    stored for the next runs when this run is completed: when nothing more is due or the limit is
    reached.

    Several runs may overlap. On PostgreSQL each run skips sessions that another run has locked, and
    tries them again at its end. On SQLite each run waits for the other. No session is anonymized
    twice. Sessions under a legal hold are skipped.

    Raises:
        ErasureRefused: The ledger cannot be written. The current chunk was rolled back; earlier
            chunks are committed.
    """
    earlier = runs.begin(Job.RETENTION)
    redo.carry_out()
    done: dict[int, int] = {}
    for _pass in range(PASSES):
        skipped = 0
        for webchat in webchats_with_retention():
            left = None if limit is None else limit - sum(done.values())
            for chunk in _anonymize(webchat, left, on=timezone.localdate(now)):
                done[webchat.pk] = done.get(webchat.pk, 0) + chunk.anonymized
                skipped += chunk.skipped
                yield chunk
        if not skipped:
            break
        time.sleep(PASS_PAUSE)
    _note_run(done, unfinished=earlier is not None)
    # An earlier time than the stored one is stored too. This corrects the row after a clock that
    # was ahead was set right.
    RetentionRun.objects.update_or_create(pk=1, defaults={"began_at": now})
    runs.record(Job.RETENTION)


def _note_run(done: dict[int, int], *, unfinished: bool) -> None:
    """Append a summary of the run to the ledger: numbers and the period in force, by WebChat.

    A run that anonymized nothing has no summary, unless an earlier run has not finished: only the
    next summary can say so. The numbers are facts of the record: they are forgotten when its period
    is over, because they would single out sessions.
    """
    if not any(done.values()) and not unfinished:
        return
    counts = {_UNFINISHED: 1} if unfinished else {}
    for webchat in WebChat.objects.filter(pk__in=[pk for pk, count in done.items() if count]):
        counts[f"webchat {webchat.pk} sessions"] = done[webchat.pk]
        counts[f"webchat {webchat.pk} days"] = webchat.retention_days or 0
    note(Note.RETENTION_RUN, requester=Requester.retention(), counts=counts)


def summary_in_words(counts: Mapping[str, int]) -> list[str]:
    """Return one line for each WebChat of a summary, in the order of their numbers."""
    line = _("WebChat %(number)s – sessions: %(sessions)s, retention in days: %(days)s")
    numbers = sorted({int(name.split()[1]) for name in counts if name != _UNFINISHED})
    lines = [
        line
        % {
            "number": number,
            "sessions": counts[f"webchat {number} sessions"],
            "days": counts[f"webchat {number} days"],
        }
        for number in numbers
    ]
    if _UNFINISHED in counts:
        lines.append(
            _(
                "An earlier run did not finish. The sessions that it anonymized are not counted here."
            )
        )
    return lines


def _anonymize(webchat: WebChat, left: int | None, *, on: date) -> Iterator[Chunk]:
    size, after = FIRST_CHUNK, None
    while left is None or left > 0:
        # The period is read again for each chunk, because an administrator may have extended it.
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
    return (
        Session.objects.filter(webchat=webchat)
        .without_holds()
        .first_expired(days=webchat.retention_days, on=on, after=after, limit=limit)
    )


def _erase(webchat: WebChat, pks: list[int], *, on: date) -> list[Erasure]:
    due = expired(webchat, days=webchat.retention_days, on=on)
    return erase_batch(pks, among=due, requester=Requester.retention())


def _next_size(size: int, done: int, took: float) -> int:
    """Return the size of the next transaction, calculated from the duration of this one."""
    if not done:
        return size
    fitting = int(done * CHUNK_SECONDS[connection.vendor] / took)
    return max(1, min(fitting, 2 * size, LARGEST_CHUNK))


def clock_problem(now: datetime) -> str:
    """Return why the clock seems wrong, or an empty string if it seems right. Change nothing.

    The check matters because anonymization cannot be undone. The clock is behind if it is earlier
    than the newest record of the ledger or the last completed run. It is ahead if that run is
    longer ago than ``QUIET_FOR``. After the first run, only the last run counts for the second
    check: after a clock jumped, everything is stored with wrong times, except that no run is
    completed.
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
    """Return the latest time known to an installation in which retention has never run.

    Sessions and erasures count only if they are older than ``before``. Visitors and programs may
    also create some immediately after the clock has jumped.
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
