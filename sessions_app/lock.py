"""The lock of a session. Every writer of personal data takes it first and reads the state again."""

from __future__ import annotations

from typing import NewType

from django.utils.translation import gettext as _

from sessions_app.models import (
    Session,
)

#: A session whose row this transaction has locked, as it is now. Only ``lock_writable`` returns one.
LockedSession = NewType("LockedSession", Session)


class SessionClosed(Exception):
    """The conversation has ended or was anonymized; nothing was stored."""


class ConsentWithdrawn(SessionClosed):
    """The person has withdrawn their consent; nothing is stored with the session any more."""


def lock_writable(session: Session, *, even_ended: bool = False) -> LockedSession:
    """Lock the session row and return the fresh instance.

    Every writer of personal data calls this first, in its own transaction. An erasure then either sees what was
    written, or it came first and the writer is refused. ``tests/test_writers.py`` finds writers that do not call it.

    Raises:
        SessionClosed: it was anonymized, or has ended and ``even_ended`` does not allow for that.
        ConsentWithdrawn: nothing is added any more, whatever ``even_ended`` says.
    """
    locked = Session.objects.select_for_update().get(pk=session.pk)
    if locked.anonymized_at is not None:
        raise SessionClosed(_("This session was anonymized."))
    if locked.withdrawn_at is not None:
        raise ConsentWithdrawn(_("Consent was withdrawn, so nothing more can be stored in this session."))
    if not (locked.is_open or even_ended):
        raise SessionClosed(_("This conversation has ended."))
    return LockedSession(locked)
