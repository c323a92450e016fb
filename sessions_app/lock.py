"""The lock of a session. Every writer of personal data locks the row and then reads its state."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NewType

from django.db import transaction
from django.utils.translation import gettext as _

from lib.arrays import in_keys
from sessions_app.models import LifeSign, Session, Status

#: A freshly read session whose row is locked by the current transaction. Only ``lock_writable``
#: returns one.
LockedSession = NewType("LockedSession", Session)


class SessionClosed(Exception):
    """The conversation has ended or the session was anonymized. Nothing was stored."""


class ConsentWithdrawn(SessionClosed):
    """The person withdrew their consent. Nothing more may be stored in the session."""


def lock_writable(session: Session, *, even_ended: bool = False) -> LockedSession:
    """Lock the session row and return the fresh instance.

    Every writer of personal data must call this first, in its own transaction. A later erasure then
    sees the new data. If the erasure was first, the writer is refused. ``tests/test_writers.py``
    finds writers that do not call this function.

    Raises:
        SessionClosed: The session was anonymized, or the conversation has ended and ``even_ended``
            is false.
        ConsentWithdrawn: Consent was withdrawn; ``even_ended`` makes no difference.
    """
    locked = Session.objects.select_for_update().get(pk=session.pk)
    if locked.anonymized_in is not None:
        raise SessionClosed(_("This session was anonymized."))
    if locked.withdrawn_at is not None:
        raise ConsentWithdrawn(
            _("Consent was withdrawn, so nothing more can be stored in this session.")
        )
    if not (locked.is_open or even_ended):
        raise SessionClosed(_("This conversation has ended."))
    return LockedSession(locked)


@transaction.atomic
def give_life_signs(sessions: Collection[int], *, at: datetime) -> None:
    """Store a life sign for each of these sessions that is open, in two statements.

    Sessions that another transaction has locked are skipped: their writer is busy with them, and
    the next sign follows within a minute. The function therefore never waits, and an erasure that
    comes later finds the sign and deletes it.
    """
    open_ones = (
        Session.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(pk__in=in_keys(sessions), anonymized_in=None)
        .exclude(status=Status.CLOSED)
        .order_by("pk")
    )
    signs = [LifeSign(session_id=pk, at=at) for pk in open_ones.values_list("pk", flat=True)]
    LifeSign.objects.bulk_create(
        signs, update_conflicts=True, unique_fields=["session"], update_fields=["at"]
    )
