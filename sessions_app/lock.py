"""The lock of a session. Every writer of personal data locks the row and then reads its state."""

from __future__ import annotations

from typing import NewType

from django.utils.translation import gettext as _

from sessions_app.models import (
    Session,
)

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
