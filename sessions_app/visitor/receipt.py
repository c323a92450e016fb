"""The receipts of a consent and of its withdrawal as JSON, for the person who gave the consent.

The structure and the field names follow ISO/IEC TS 27560:2023, with its record, processing, party
and event sections. Where the standard leaves values open, terms of the W3C Data Privacy Vocabulary
are used. A receipt contains nothing that the person entered. It contains the person's link.

A receipt is the same bytes whenever it is fetched. Everything in it is fixed: the consent text, the
stored terms of the consent, times in UTC, and addresses at the site that the terms name.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from django.urls import reverse

from anonymization.ledger.chain import subject_of
from sessions_app.models import ConsentEvent, ReceiptTerms, Session
from sessions_app.receipt_terms import DPV, terms_of

SCHEMA_VERSION = "ISO/IEC TS 27560:2023; mluvii-gdpr/2"


def consent_receipt(session: Session, given: ConsentEvent, *, token: str) -> bytes:
    """Return the receipt of a consent. ``token`` is the secret of the person's link.

    The person is identified by the hash that the erasure ledger will contain when the session is
    erased. A person who kept the receipt can therefore have the erasure proved, and nobody can find
    the person by the hash.
    """
    terms = terms_of(session)
    content = json.loads(terms.content)
    withdraw = content["site"] + reverse("withdraw_consent", args=[token])
    purpose = {
        "purpose": given.text.label,
        **content["purpose"],
        "collection_method": f"entry form before a conversation ({session.channel})",
        "withdrawal_method": withdraw,
    }
    event = _event(session, "ConsentGiven", session.created_at)
    return _as_bytes(
        {
            "record": {
                "schema_version": SCHEMA_VERSION,
                "receipt_id": _receipt_id(token, "consent"),
                **_record(session),
                "terms_recorded": _recorded(terms),
            },
            "processing": _notice(given, content["site"]) | {"purposes": [purpose]},
            "party": content["party"],
            "event": [event | {"validity_duration": "until withdrawn"}],
        }
    )


def withdrawal_receipt(
    session: Session, given: ConsentEvent, *, via: str, token: str, at: datetime
) -> bytes:
    """Return the receipt of a withdrawal, which refers to the receipt of the consent.

    ``via`` is the way of the withdrawal (``ConsentEvent.Via``). The parties are those of the
    consent.
    """
    terms = terms_of(session)
    content = json.loads(terms.content)
    withdrawn = _event(session, "ConsentWithdrawn", at)
    return _as_bytes(
        {
            "record": {
                "schema_version": SCHEMA_VERSION,
                "receipt_id": _receipt_id(token, "withdrawal"),
                "consent_receipt_id": _receipt_id(token, "consent"),
                **_record(session),
                "terms_recorded": _recorded(terms),
            },
            "processing": _notice(given, content["site"]),
            "party": content["party"],
            "event": [
                withdrawn
                | {
                    "validity_duration": "permanent",
                    "withdrawal_channel": _VIA.get(via, "not recorded"),
                    "erasure_of_all_data_requested": session.wants_erasure,
                }
            ],
        }
    )


#: The ways of a withdrawal. Withdrawals of earlier releases have none.
_VIA: dict[str, str] = {
    ConsentEvent.Via.LINK: "the person's link",
    ConsentEvent.Via.CONVERSATION: "the conversation, recorded by staff",
}


def _receipt_id(token: str, kind: str) -> str:
    """Return the identifier of a receipt, which nobody without the person's link can compute.

    The database has only a hash of the link's secret. The identifier is a UUID of version 8, whose
    bits RFC 9562 leaves to the application.
    """
    message = f"mluvii-gdpr/receipt/1/{kind}".encode()
    number = int.from_bytes(hmac.digest(token.encode(), message, hashlib.sha256)[:16], "big")
    number = number & ~(0xF << 76) & ~(0b11 << 62) | (8 << 76) | (0b10 << 62)
    return uuid.UUID(int=number).urn


def _record(session: Session) -> dict[str, str]:
    return {
        "record_id": f"urn:uuid:{session.uid}",
        "pii_principal_id": subject_of(session.uid),
    }


def _recorded(terms: ReceiptTerms) -> str:
    """Return when the parties and the terms of the processing were recorded."""
    if terms.recorded_on is None:
        return "at the time of the consent"
    return f"on {terms.recorded_on:%Y-%m-%d}, after the consent; they may differ from those before"


def _notice(given: ConsentEvent, site: str) -> dict[str, Any]:
    text = given.text
    return {
        "privacy_notice": site + text.get_absolute_url(),
        "privacy_notice_version": text.version.number,
        "privacy_notice_sha256": text.sha256,
        "language": text.language,
    }


def _event(session: Session, state: str, at: datetime) -> dict[str, Any]:
    return {
        "event_time": at.astimezone(UTC).isoformat(timespec="seconds"),
        "entity_id": subject_of(session.uid),
        "event_type": f"{DPV}ExplicitlyExpressedConsent",
        "event_state": DPV + state,
    }


def _as_bytes(receipt: dict[str, Any]) -> bytes:
    return json.dumps(receipt, indent=2, ensure_ascii=False).encode()
