"""What a call needs besides the conversation: devices, the servers that help two browsers meet, and their signals."""

from __future__ import annotations

import base64
import hmac
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http.response import HttpResponseBase

from sessions_app.models import Channel, Session, Signal

#: A page may ask for camera and microphone, itself alone: within a site's frame, if that lets it too.
ALLOWED = "camera=(self), display-capture=(), geolocation=(), microphone=(self)"


def has_call(session: Session) -> bool:
    """Say whether the page of a session shows a call."""
    return session.channel == Channel.AV and session.is_open


def let_use_devices(response: HttpResponseBase) -> None:
    """Let a page ask for camera and microphone; no other may, by ``mluvii_gdpr.middleware.Devices``."""
    response.headers["Permissions-Policy"] = ALLOWED


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
