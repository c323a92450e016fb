"""The signed ticket in every entry form. It records what was shown, where and in which language.

The ticket contains the primary key and the hash of the consent text, so that the session records
the text that was *shown*. Its nonce has two uses: a repeated submit returns the same session, and
the room's secret is derived from it. The ticket contains nothing about the visitor.
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
    """The ticket is forged, altered or expired, or belongs to another form."""


@dataclass(frozen=True)
class Ticket:
    """The content of a ticket. ``text`` is None and ``sha256`` empty if no consent was required."""

    webchat: str
    channel: str
    language: str
    text: int | None
    sha256: str
    nonce: str

    @property
    def entry_key(self) -> str:
        """Return the SHA-256 of the nonce, which the session stores."""
        return _digest(self.nonce)

    @property
    def room_token(self) -> str:
        """Return the secret of the room's URL: 256 bits that only the server can derive."""
        return self._room_token(settings.SECRET_KEY)

    def room_token_of(self, key: str | None) -> str:
        """Return the room secret whose hash is ``key``.

        ``SECRET_KEY`` may have changed since the form was submitted. Therefore the function also
        tries the fallback keys.
        """
        tokens = map(self._room_token, [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
        return next((token for token in tokens if room_key(token) == key), self.room_token)

    def _room_token(self, secret: str) -> str:
        return salted_hmac(
            "sessions_app.room", self.nonce, secret=secret, algorithm="sha256"
        ).hexdigest()

    def shows(self, text: ConsentText | None) -> bool:
        """Return whether the form showed exactly this text."""
        return (self.text, self.sha256) == ((text.pk, text.sha256) if text else (None, ""))


def issue(webchat: WebChat, *, channel: str, language: str, text: ConsentText | None) -> str:
    """Return a signed ticket for a form that is about to be shown."""
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
    """Verify the ticket of a submitted form and return its content.

    Raises:
        TicketRefused: The ticket was not issued by this server, was altered, has expired, or
            belongs to another WebChat or channel.
    """
    try:
        ticket = Ticket(**signing.loads(signed, salt=_SALT, max_age=settings.TICKET_MAX_AGE))
    except (signing.BadSignature, ValueError, TypeError):
        raise TicketRefused from None
    if (ticket.webchat, ticket.channel) != (webchat.public_id, channel):
        raise TicketRefused
    return ticket


def room_key(token: str) -> str:
    """Return the SHA-256 of a room's secret, which the session stores."""
    return _digest(token)


def consent_token(room_token: str) -> str:
    """Return the secret of the page "My consent", derived from the room's secret.

    The room's secret cannot be derived from it. The derivation does not use ``SECRET_KEY``, so the
    link works for years and the room shows the same link, even after the key was changed.
    """
    return hmac.new(room_token.encode(), b"sessions_app.consent", hashlib.sha256).hexdigest()


def consent_key(token: str) -> str:
    """Return the SHA-256 of the secret of "My consent", which the session stores."""
    return _digest(token)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
