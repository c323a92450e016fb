"""What the receipt of a consent states about the companies and the processing, frozen at the gate.

The settings that a receipt repeats may change later: retention, data controller, recipients. A
session therefore refers to the stored terms of its consent (``ReceiptTerms``). Their content is the
literal part of the receipt, so that a later release that words receipts differently changes no
receipt of an earlier consent.

The words are not translated: a receipt must not depend on the language of its reader.
"""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.utils import timezone

from sessions_app.models import ReceiptTerms, Session
from webchat.models import DataController, WebChat

DPV = "https://w3id.org/dpv#"
#: The value of a mandatory member that the settings leave empty.
NOT_STATED = "not stated by the operator of this website"
_ARTICLE_6 = "https://w3id.org/dpv/legal/eu/gdpr#A6-1-"
#: The kinds of data that a session may contain, and whether the person may leave them out.
_PII = {
    "name": False,
    "e-mail address": False,
    "phone number": False,
    "messages and files of the conversation": True,
    "IP address, browser and page from which the conversation was opened": False,
}
#: The fields of the company that a receipt repeats.
_STATED = (
    "name", "address", "contact", "officer", "recipients", "storage_location", "authority",
)  # fmt: skip


def with_terms(webchats: QuerySet[WebChat]) -> QuerySet[WebChat]:
    """Add the values that ``store_terms`` needs, in the statement that reads the WebChat."""
    newest = ReceiptTerms.objects.filter(webchat=OuterRef("pk"), recorded_on=None).order_by("-pk")
    company = DataController.objects.filter(pk=DataController.KEY)
    return webchats.annotate(
        company=Subquery(company.values(row=JSONObject(**{name: name for name in _STATED}))),
        terms_key=Subquery(newest.values("pk")[:1]),
        terms_content=Subquery(newest.values("content")[:1]),
    )


def store_terms(webchat: Any) -> int:
    """Return the key of the terms that a consent has now. They are inserted if they are new.

    ``webchat`` was read by ``with_terms``. Two concurrent consents may insert the same terms twice,
    which is harmless.
    """
    company = DataController(**(webchat.company or _initial()))
    content = content_of(webchat, company)
    if content == webchat.terms_content:
        key: int = webchat.terms_key
        return key
    return ReceiptTerms.objects.create(webchat=webchat, content=content).pk


def terms_of(session: Session) -> ReceiptTerms:
    """Return the terms of the session's consent.

    For a consent that is older than receipt terms, these are the terms that the upgrade recorded.
    Without them, they are those of today, not stored. ``recorded_on`` is set in both cases.
    """
    if session.receipt_terms is not None:
        return session.receipt_terms
    recorded = ReceiptTerms.objects.filter(webchat=session.webchat_id, recorded_on__isnull=False)
    return recorded.order_by("pk").first() or ReceiptTerms(
        webchat=session.webchat,
        content=content_of(session.webchat, DataController.current()),
        recorded_on=timezone.localdate(),
    )


def content_of(webchat: WebChat, company: DataController) -> str:
    """Return what a receipt states, as the settings have it now."""
    content = {
        "site": settings.SITE_URL,
        "party": list(_parties(webchat, company)),
        "purpose": _purpose(webchat, company),
    }
    return json.dumps(content, ensure_ascii=False)


def _initial() -> dict[str, Any]:
    initial = DataController.initial_values()
    return {name: initial[name] for name in _STATED if name in initial}


def _parties(webchat: WebChat, company: DataController) -> list[dict[str, str]]:
    controller = {
        "party_id": "controller",
        "party_name": company.name or NOT_STATED,
        "party_address": company.address or NOT_STATED,
        "party_contact": company.contact or NOT_STATED,
        "party_url": next(iter(webchat.origins), ""),
        "party_role": f"{DPV}DataController",
        "party_type": "PII controller",
    }
    others = (
        ("dpo", company.officer, "DataProtectionOfficer", "data protection officer"),
        ("processors", company.recipients, "DataProcessor", "PII processor"),
        ("authority", company.authority, "DataProtectionAuthority", "supervisory authority"),
    )
    return [
        controller,
        *(
            {"party_id": key, "party_name": name, "party_role": DPV + role, "party_type": kind}
            for key, name, role, kind in others
            if name
        ),
    ]


def _purpose(webchat: WebChat, company: DataController) -> dict[str, Any]:
    days, basis = webchat.retention_days, webchat.second_basis
    return {
        "service": webchat.name,
        "lawful_basis": f"{_ARTICLE_6}a",
        **({"lawful_basis_of_what_must_be_kept": _ARTICLE_6 + basis} if basis else {}),
        "pii_information": [
            {"pii_type": name, "pii_optional": optional} for name, optional in _PII.items()
        ],
        "pii_controllers": ["controller"],
        "processing_method": "conversation with staff of the controller",
        "storage_locations": company.storage_location or NOT_STATED,
        "retention_period": f"P{days}D" if days else "no fixed period",
        **({"retention_period_begins": "end of the conversation"} if days else {}),
        "jurisdiction": "EU",
        "recipient_third_parties": company.recipients or NOT_STATED,
        "privacy_rights": "https://eur-lex.europa.eu/eli/reg/2016/679/oj",
    }
