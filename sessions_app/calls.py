"""What a call needs besides the conversation: devices, the servers that help two browsers meet, and their signals."""

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
    """Say whether the page of a session shows a call."""
    return session.channel == Channel.AV and session.is_open


def ice_servers(now: float) -> list[dict[str, Any]]:
    """Return what a browser needs to find its way: servers, and a credential that holds for ``TURN_TTL`` seconds.

    The credential is that of the REST API for TURN services (draft-uberti-behave-turn-rest), as coturn knows it by
    ``use-auth-secret``. Its user name is the time at which it ends and names nobody.
    """
    stun = [url for url in settings.ICE_SERVERS if url.startswith("stun")]
    turn = [url for url in settings.ICE_SERVERS if url.startswith("turn")]
    servers: list[dict[str, Any]] = [{"urls": stun}] if stun else []
    if turn:
        username = str(int(now) + settings.TURN_TTL)
        # SHA-1 is what the protocol asks for; as a MAC it is sound.
        digest = hmac.digest(settings.TURN_SECRET.encode(), username.encode(), "sha1")
        servers.append({"urls": turn, "username": username, "credential": base64.b64encode(digest).decode()})
    return servers


def newest_signal(session: Session) -> int:
    """Return the key behind which a page that is shown now begins: a call of before is none of its business."""
    newest = (
        session.signals.order_by("-pk").values_list("pk", flat=True).first() if has_call(session) else None
    )
    return newest or 0


def signals_for(session: Session, side: str, *, after: int) -> list[dict[str, Any]]:
    """Return what the other side has sent, and that one's own side was ready: in another tab, it may be."""
    heard = Q(kind=Signal.Kind.READY) | ~Q(sender=side)
    rows = session.signals.filter(heard, pk__gt=after).order_by("pk")
    return [{"id": row.pk, "sender": row.sender, "kind": row.kind, "body": row.body} for row in rows]


#: When a signal of a call is old. It goes with the next one of any call, or by cron, which runs every five minutes.
SIGNAL_MAX_AGE = timedelta(minutes=5)
#: How many signals a session holds; a newer one takes the oldest one's place. A call needs some thirty to connect.
MAX_SIGNALS = 100


class NoCall(Exception):
    """The session is no video call."""


@transaction.atomic
def post_signal(
    session: Session, *, sender: Party, kind: str, body: str, author: User | None = None
) -> Signal:
    """Store what one side's browser tells the other's. What is too much goes with it.

    Raises:
        SessionClosed, NoCall
        NotTheirs: the operator has not taken the call.
    """
    locked = lock_writable(session)
    require_call(locked, operator=author)
    newest = locked.signals.order_by("-pk").values("pk")
    locked.signals.filter(pk__lte=newest[MAX_SIGNALS - 1 : MAX_SIGNALS]).delete()
    return Signal.objects.create(session=locked, sender=sender, kind=kind, body=body)


@transaction.atomic
def forget_signals(session: Session, *, sender: Party, up_to: int, reader: User | None = None) -> None:
    """Delete what one side sent up to a key: the other side is connected, and needs it no longer.

    Not what came since, such as the offer of somebody who has just switched their camera off.

    Raises:
        SessionClosed, NoCall, NotTheirs
    """
    locked = lock_writable(session)
    require_call(locked, operator=reader)
    locked.signals.filter(sender=sender, pk__lte=up_to).delete()


def require_call(session: Session, *, operator: User | None = None) -> None:
    """Refuse what belongs to an open call in another session, and to an operator who has not taken it.

    Raises:
        NoCall, SessionClosed, NotTheirs
    """
    if session.channel != Channel.AV:
        raise NoCall
    if not session.is_open or session.withdrawn_at is not None:
        raise SessionClosed(_("This conversation has ended."))
    if operator is not None and session.operator_id != operator.pk:
        raise NotTheirs(_("Another operator is handling this conversation."))


def old_signals() -> QuerySet[Signal]:
    """Return the signals that nobody waits for any more, of all sessions."""
    return Signal.objects.filter(at__lt=timezone.now() - SIGNAL_MAX_AGE)


def delete_old_signals(*, wait: bool = False) -> int:
    """Delete the signals that nobody waits for any more, of all sessions, and return how many.

    In a transaction for each session, which it locks as every writer does: an erasure counts what it deletes.
    Sessions that somebody else holds are passed over; with ``wait`` they are waited for. Not within a transaction.
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
