"""End conversations that nobody ended: the visitor is gone, or nobody has written for a day.

A room that a browser shows gives a life sign every minute (``LifeSign``): the process of the event
streams for all streams together, or the page that polls. ``sweep`` ends a conversation as
*abandoned* if

- the visitor has given no sign for the WebChat's ``abandon_minutes``; or
- nobody has written for ``SILENT_AFTER``.

The first rule needs the process of the event streams, which calls ``sweep`` every minute. After a
downtime all life signs are old. ``trusted_since`` is therefore the time since which signs have been
written without a gap, and a silence is counted from that time at the earliest. Without that
process, ``anonymize_expired`` ends conversations by the second rule alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import DateTimeField, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from sessions_app.conversation import end_locked
from sessions_app.lock import SessionClosed, give_life_signs, lock_writable
from sessions_app.models import Attachment, LifeSign, Message, Party, Session, Status
from webchat.models import WebChat

logger = logging.getLogger(__name__)

#: The time without a message after which any conversation is abandoned.
SILENT_AFTER = timedelta(hours=24)
#: The interval of life signs.
INTERVAL = timedelta(minutes=1)
#: The maximum number of conversations that one sweep of the event streams ends.
SWEEP_LIMIT = 200


def give_sign(session: Session) -> None:
    """Store a life sign of a room whose page was requested, at most once per interval.

    Load the session with ``life_sign``, so that a request without a new sign costs no query.
    """
    now = timezone.now()
    sign: LifeSign | None = getattr(session, "life_sign", None)
    if session.is_open and (sign is None or sign.at <= now - INTERVAL):
        try:
            give_life_signs([session.pk], at=now)
        except DatabaseError:
            # The page only reads, so it works while nothing can be written.
            logger.exception("session %d: the life sign was not stored", session.pk)


def abandoned(*, now: datetime, trusted_since: datetime | None) -> QuerySet[Session]:
    """Return the open conversations that are abandoned, each annotated with its ``last_sign``.

    Without ``trusted_since`` only the rule about messages applies.
    """
    # Rows without a message have no maximum, and SQLite's MAX(a, b) is NULL if one value is.
    sessions = Session.objects.exclude(status=Status.CLOSED).annotate(
        visitor_sign=_latest(
            Coalesce("life_sign__at", "created_at"),
            _newest(Message, Party.VISITOR),
            _newest(Attachment, Party.VISITOR),
        ),
        last_message=_latest("created_at", _newest(Message), _newest(Attachment)),
    )
    sessions = sessions.annotate(last_sign=_latest("visitor_sign", "last_message", "accepted_at"))
    silent = Q(created_at__lt=now - SILENT_AFTER, last_message__lt=now - SILENT_AFTER)
    if trusted_since is None:
        return sessions.filter(silent)
    rules = list(_left(now, trusted_since))
    if trusted_since < now - SILENT_AFTER:
        rules.append(silent)
    return sessions.filter(reduce(or_, rules)) if rules else sessions.none()


def _left(now: datetime, trusted_since: datetime) -> Iterator[Q]:
    """Yield one condition for each period that WebChats have chosen."""
    by_minutes: dict[int, list[int]] = {}
    for pk, minutes in WebChat.objects.values_list("pk", "abandon_minutes"):
        by_minutes.setdefault(minutes, []).append(pk)
    for minutes, webchats in by_minutes.items():
        before = now - timedelta(minutes=minutes)
        if trusted_since < before:
            # The first condition reads an index and spares most rows the subqueries.
            yield Q(created_at__lt=before, webchat__in=webchats, visitor_sign__lt=before)


def _latest(*times: Any) -> Greatest:
    return Greatest(*(Coalesce(time, "created_at") for time in times))


def _newest(model: type[Message] | type[Attachment], sender: Party | None = None) -> Subquery:
    rows = model._base_manager.filter(session=OuterRef("pk"))
    if sender is not None:
        rows = rows.filter(sender=sender)
    newest = rows.order_by().values("session").annotate(newest=Max("at")).values("newest")
    return Subquery(newest, output_field=DateTimeField())


def sweep(*, now: datetime, trusted_since: datetime | None, limit: int | None = None) -> list[int]:
    """End the abandoned conversations, the oldest first, and return the keys of the ended ones.

    Each conversation is ended in its own transaction, under the session lock, and only if it is
    then still abandoned. Do not call it within a transaction.
    """
    found = abandoned(now=now, trusted_since=trusted_since).order_by("created_at", "pk")
    sessions = list(found.only("pk")[:limit])
    return [s.pk for s in sessions if _end(s, now=now, trusted_since=trusted_since)]


@transaction.atomic
def _end(session: Session, *, now: datetime, trusted_since: datetime | None) -> bool:
    try:
        locked = lock_writable(session)
    except SessionClosed:
        return False
    # A message or a life sign may have been stored before the lock.
    still = abandoned(now=now, trusted_since=trusted_since).filter(pk=locked.pk)
    last_sign = next(iter(still.values_list("last_sign", flat=True)), None)  # type: ignore[misc]
    if last_sign is None:
        return False
    locked.save(update_fields=end_locked(locked, by=Party.SYSTEM, at=last_sign))
    return True
