"""The parts of a video call that a chat does not have: ICE servers and signals between browsers."""

from __future__ import annotations

import base64
import hmac
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from sessions_app.conversation import NotTheirs
from sessions_app.lock import SessionClosed, lock_writable
from sessions_app.models import (
    Channel,
    Party,
    Session,
    Signal,
)


def has_call(session: Session) -> bool:
    """Return whether the pages of the session show a video call."""
    return session.channel == Channel.AV and session.is_open


def ice_servers(now: float) -> list[dict[str, Any]]:
    """Return the ICE servers for a browser, with a TURN credential valid for ``TURN_TTL`` seconds.

    The credential follows the REST API for TURN services (draft-uberti-behave-turn-rest), which
    coturn implements as ``use-auth-secret``. Its user name is the expiry time and identifies
    nobody.
    """
    stun = [url for url in settings.ICE_SERVERS if url.startswith("stun")]
    turn = [url for url in settings.ICE_SERVERS if url.startswith("turn")]
    servers: list[dict[str, Any]] = [{"urls": stun}] if stun else []
    if turn:
        username = str(int(now) + settings.TURN_TTL)
        # The protocol requires SHA-1, which is still secure when used in a MAC.
        digest = hmac.digest(settings.TURN_SECRET.encode(), username.encode(), "sha1")
        servers.append(
            {"urls": turn, "username": username, "credential": base64.b64encode(digest).decode()}
        )
    return servers


def newest_signal(session: Session) -> int:
    """Return the key of the newest signal; a page that is rendered now reads only later signals.

    Signals of an earlier call are irrelevant to the new page.
    """
    newest = (
        session.signals.order_by("-pk").values_list("pk", flat=True).first()
        if has_call(session)
        else None
    )
    return newest or 0


def signals_for(session: Session, side: str, *, after: int) -> list[dict[str, Any]]:
    """Return the other side's signals after a key, and both sides' READY signals.

    A READY signal of the own side may come from another tab.
    """
    heard = Q(kind=Signal.Kind.READY) | ~Q(sender=side)
    rows = session.signals.filter(heard, pk__gt=after).order_by("pk")
    return [
        {"id": row.pk, "sender": row.sender, "kind": row.kind, "body": row.body} for row in rows
    ]


#: The age at which a signal is deleted: with the next signal of any call, or by cron, which runs
#: every five minutes.
SIGNAL_MAX_AGE = timedelta(minutes=5)
#: The maximum number of signals per session. When it is reached, a new signal replaces the oldest
#: one. A call needs about thirty signals to connect.
MAX_SIGNALS = 100


class NoCall(Exception):
    """The session is not a video call."""


@transaction.atomic
def post_signal(
    session: Session, *, sender: Party, kind: str, body: str, author: User | None = None
) -> Signal:
    """Store a signal for the other browser. If the session is at its limit, delete the oldest ones.

    Raises:
        SessionClosed: The conversation has ended or the session was anonymized.
        NoCall: The session is not a video call.
        NotTheirs: The operator has not taken the call.
    """
    locked = lock_writable(session)
    require_call(locked, operator=author)
    newest = locked.signals.order_by("-pk").values("pk")
    locked.signals.filter(pk__lte=newest[MAX_SIGNALS - 1 : MAX_SIGNALS]).delete()
    return Signal.objects.create(session=locked, sender=sender, kind=kind, body=body)


@transaction.atomic
def forget_signals(
    session: Session, *, sender: Party, up_to: int, reader: User | None = None
) -> None:
    """Delete the signals that one side sent, up to a key, because the other side is connected.

    Later signals are kept, for example a new offer because a camera was just switched off.

    Raises:
        SessionClosed: The conversation has ended or the session was anonymized.
        NoCall: The session is not a video call.
        NotTheirs: The operator has not taken the call.
    """
    locked = lock_writable(session)
    require_call(locked, operator=reader)
    locked.signals.filter(sender=sender, pk__lte=up_to).delete()


def require_call(session: Session, *, operator: User | None = None) -> None:
    """Check that the session is an open call and, if given, that the operator has taken it.

    Raises:
        NoCall: The session is not a video call.
        SessionClosed: The conversation has ended, or consent was withdrawn.
        NotTheirs: The operator has not taken the call.
    """
    if session.channel != Channel.AV:
        raise NoCall
    if not session.is_open or session.withdrawn_at is not None:
        raise SessionClosed(_("This conversation has ended."))
    if operator is not None and session.operator_id != operator.pk:
        raise NotTheirs(_("Another operator is handling this conversation."))


def old_signals() -> QuerySet[Signal]:
    """Return the signals of all sessions that are too old to be of use."""
    return Signal.objects.filter(at__lt=timezone.now() - SIGNAL_MAX_AGE)


def delete_old_signals(*, wait: bool = False) -> int:
    """Delete the old signals of all sessions and return their number.

    Each session is processed in its own transaction and locked, as every writer does, because an
    erasure counts the signals that it deletes. Sessions that another transaction has locked are
    skipped; with ``wait`` the function waits for them. Do not call it within a transaction.
    """
    sessions = old_signals().order_by("session").values_list("session", flat=True).distinct()
    return sum(_delete_old_signals_of(session, wait=wait) for session in list(sessions))


@transaction.atomic
def _delete_old_signals_of(session: int, *, wait: bool) -> int:
    held = (
        Session.objects.select_for_update(skip_locked=not wait)
        .filter(pk=session)
        .values_list("pk", flat=True)
    )
    return old_signals().filter(session__in=list(held)).delete()[0]
