"""The signed ticket in every entry form that was shown: what was shown, where, in which language.

It names the consent text and its digest, so that the session records the text that was *shown*; its nonce makes a
repeated submit answer with the same session and yields the room's secret. It holds nothing about the visitor.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass

from django.conf import settings
from django.core import signing
from django.utils.crypto import salted_hmac

from webchat.models import ConsentText, WebChat

_SALT = "sessions_app.ticket"


class TicketRefused(Exception):
    """The ticket is forged, altered, expired, or belongs to another form."""


@dataclass(frozen=True)
class Ticket:
    """What one shown form stands for. ``text`` and ``sha256`` are empty where no consent was asked."""

    webchat: str
    channel: str
    language: str
    text: int | None
    sha256: str
    nonce: str

    @property
    def entry_key(self) -> str:
        """Return what a session stores of the nonce: its SHA-256."""
        return _digest(self.nonce)

    @property
    def room_token(self) -> str:
        """Return the secret of the room's URL: 256 bits that only the server can derive from the nonce."""
        return self._room_token(settings.SECRET_KEY)

    def room_token_of(self, key: str | None) -> str:
        """Return the secret whose digest a session stores: SECRET_KEY may have changed since the form was sent."""
        tokens = map(self._room_token, [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
        return next((token for token in tokens if room_key(token) == key), self.room_token)

    def _room_token(self, secret: str) -> str:
        return salted_hmac("sessions_app.room", self.nonce, secret=secret, algorithm="sha256").hexdigest()

    def shows(self, text: ConsentText | None) -> bool:
        """Say whether the form showed exactly this text."""
        return (self.text, self.sha256) == ((text.pk, text.sha256) if text else (None, ""))


def issue(webchat: WebChat, *, channel: str, language: str, text: ConsentText | None) -> str:
    """Return a signed ticket for a form about to be shown."""
    ticket = Ticket(
        webchat=webchat.public_id,
        channel=channel,
        language=language,
        text=text.pk if text else None,
        sha256=text.sha256 if text else "",
        nonce=secrets.token_urlsafe(18),
    )
    return signing.dumps(asdict(ticket), salt=_SALT)


def read(signed: str, *, webchat: WebChat, channel: str) -> Ticket:
    """Return the ticket that a submit brought.

    Raises:
        TicketRefused: it was not issued here, was altered, is too old, or is of another WebChat or channel.
    """
    try:
        ticket = Ticket(**signing.loads(signed, salt=_SALT, max_age=settings.TICKET_MAX_AGE))
    except (signing.BadSignature, ValueError, TypeError):
        raise TicketRefused from None
    if (ticket.webchat, ticket.channel) != (webchat.public_id, channel):
        raise TicketRefused
    return ticket


def room_key(token: str) -> str:
    """Return what a session stores of its room's secret: the SHA-256."""
    return _digest(token)


def consent_token(room_token: str) -> str:
    """Return the secret of the page "my consent": whoever holds the room's can derive it, and nobody the other way.

    No SECRET_KEY is in it: the link works, and the room shows the same one, for years, whatever key signs by then.
    """
    return hmac.new(room_token.encode(), b"sessions_app.consent", hashlib.sha256).hexdigest()


def consent_key(token: str) -> str:
    """Return what a session stores of the secret of "my consent": the SHA-256."""
    return _digest(token)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
