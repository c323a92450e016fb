"""The receipt of a consent as JSON, for the person who gave it.

The structure and the field names follow ISO/IEC TS 27560:2023, with its record, processing, party
and event sections. Where the standard leaves values open, terms of the W3C Data Privacy Vocabulary
are used. The receipt contains nothing that the person entered, so it can be shown to others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from anonymization.ledger.chain import subject_of
from sessions_app.models import ConsentEvent, Session
from webchat.models import DataController, WebChat

SCHEMA_VERSION = "ISO/IEC TS 27560:2023; mluvii-gdpr/1"
_CONTROLLER = "controller"
_DPV = "https://w3id.org/dpv#"
#: The kinds of data that a session may contain, and whether the person may leave them out.
_PII = {
    "name": False,
    "e-mail address": False,
    "phone number": False,
    "messages and files of the conversation": True,
    "IP address, browser and page from which the conversation was opened": False,
}
#: The value of fields that only the consented text defines.
_IN_THE_NOTICE = "as stated in the privacy notice"


@dataclass(frozen=True)
class Controller:
    """The data controller that Settings > GDPR names, otherwise the WebChat and its site."""

    name: str
    address: str
    contact: str
    site: str

    @classmethod
    def of(cls, webchat: WebChat) -> Controller:
        company = DataController.current()
        return cls(
            name=company.name or webchat.name,
            address=company.address,
            contact=company.contact,
            site=next(iter(webchat.origins), ""),
        )


def receipt_of(
    session: Session, given: ConsentEvent, *, notice: str, withdrawal: str
) -> dict[str, Any]:
    """Return the receipt of a consent.

    ``notice`` is the URL of the exact text, ``withdrawal`` is the URL of the withdrawal. The person
    is identified by the hash that the erasure ledger will contain when the session is erased. A
    person who kept the receipt can therefore have the erasure proved, and nobody can find the
    person by the hash.
    """
    person = subject_of(session.uid)
    return {
        "record": {
            "schema_version": SCHEMA_VERSION,
            "record_id": f"urn:uuid:{session.uid}",
            "pii_principal_id": person,
        },
        "processing": _processing(session, given, notice=notice, withdrawal=withdrawal),
        "party": [_party(Controller.of(session.webchat))],
        "event": [_event(person, "ConsentGiven", session.created_at)]
        + (
            [_event(person, "ConsentWithdrawn", session.withdrawn_at)]
            if session.withdrawn_at
            else []
        ),
    }


def _processing(
    session: Session, given: ConsentEvent, *, notice: str, withdrawal: str
) -> dict[str, Any]:
    text, days = given.text, session.webchat.retention_days
    return {
        "privacy_notice": notice,
        "privacy_notice_version": text.version.number,
        "privacy_notice_sha256": text.sha256,
        "language": text.language,
        "purposes": [
            {
                "purpose": text.label,
                "service": session.webchat.name,
                "lawful_basis": "https://w3id.org/dpv/legal/eu/gdpr#A6-1-a",
                "pii_information": [
                    {"pii_type": name, "pii_optional": optional} for name, optional in _PII.items()
                ],
                "pii_controllers": [_CONTROLLER],
                "collection_method": f"entry form before a conversation ({session.channel})",
                "processing_method": "conversation with staff of the controller",
                "storage_locations": _IN_THE_NOTICE,
                "retention_period": f"P{days}D" if days else _IN_THE_NOTICE,
                "jurisdiction": "EU",
                "recipient_third_parties": _IN_THE_NOTICE,
                "withdrawal_method": withdrawal,
                "privacy_rights": "https://eur-lex.europa.eu/eli/reg/2016/679/oj",
            }
        ],
    }


def _party(controller: Controller) -> dict[str, str]:
    return {
        "party_id": _CONTROLLER,
        "party_name": controller.name,
        "party_address": controller.address or _IN_THE_NOTICE,
        "party_contact": controller.contact or controller.site or _IN_THE_NOTICE,
        "party_url": controller.site,
        "party_role": f"{_DPV}DataController",
        "party_type": "PII controller",
    }


def _event(person: str, state: str, at: datetime) -> dict[str, str]:
    return {
        "event_time": timezone.localtime(at).isoformat(timespec="seconds"),
        "validity_duration": "until withdrawn" if state == "ConsentGiven" else "for good",
        "entity_id": person,
        "event_type": f"{_DPV}ExplicitlyExpressedConsent",
        "event_state": f"{_DPV}{state}",
    }
