"""Sign the evidence of consent with a key that is not in the database.

The key is EVIDENCE_KEY or, without it, SECRET_KEY. A signature that a former key made remains valid
while that key is in EVIDENCE_KEY_FALLBACKS or SECRET_KEY_FALLBACKS. SECRET_KEY itself is accepted
too, because it made the signatures before EVIDENCE_KEY was set.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.utils.crypto import constant_time_compare

from anonymization.ledger.chain import canonical

#: What to do if no key made a signature, which is more often a missing key than a forgery.
MISSING_KEY = (
    "If a key was changed, add the former one to EVIDENCE_KEY_FALLBACKS: docs/operate/keys.md."
)
#: Names of what is signed. They keep one kind of signature from being used as another.
_EVENT, _ANCHOR = "mluvii-gdpr/consent-event/1", "mluvii-gdpr/evidence-anchor/1"


class Statement(NamedTuple):
    """The signed values of a consent event; ``sha256`` is the hash of the text's bytes."""

    session: int
    text: int
    sha256: str
    kind: str
    day: str
    channel: str
    via: str

    @property
    def canonical(self) -> bytes:
        return canonical(self._asdict())


def sign_event(statement: Statement) -> str:
    """Return the HMAC of a consent event, in hexadecimal digits."""
    return _hmac(_EVENT, statement.canonical, settings.EVIDENCE_KEY or settings.SECRET_KEY)


def is_event_signed(statement: Statement, signature: str) -> bool:
    """Return whether one of the keys made the HMAC of the event."""
    return _is_signed(_EVENT, statement.canonical, signature)


def sign_anchor(digest: str) -> str:
    """Return the HMAC of the hash of an anchor, in hexadecimal digits."""
    return _hmac(_ANCHOR, digest.encode(), settings.EVIDENCE_KEY or settings.SECRET_KEY)


def is_anchor_signed(digest: str, signature: str) -> bool:
    """Return whether one of the keys made the HMAC of the anchor."""
    return _is_signed(_ANCHOR, digest.encode(), signature)


def _keys() -> Iterator[str]:
    if settings.EVIDENCE_KEY:
        yield settings.EVIDENCE_KEY
    yield from settings.EVIDENCE_KEY_FALLBACKS
    yield settings.SECRET_KEY
    yield from settings.SECRET_KEY_FALLBACKS


def _is_signed(name: str, signed: bytes, signature: str) -> bool:
    return any(constant_time_compare(_hmac(name, signed, key), signature) for key in _keys())


def _hmac(name: str, signed: bytes, key: str) -> str:
    """Return what ``salted_hmac`` of Django returns, which takes three times as long."""
    return hmac.digest(_derived(name, key), signed, "sha256").hex()


@lru_cache(maxsize=32)
def _derived(name: str, key: str) -> bytes:
    return hashlib.sha256(name.encode() + key.encode()).digest()
