"""Record, for the consents from before, what their receipts state: the settings of the upgrade.

From now on these receipts do not change any more. They say on which day this was recorded.
"""

import json

from django.conf import settings
from django.db import migrations
from django.utils import timezone

# Copies of the words of this release, because a migration must not change with the code.
_DPV = "https://w3id.org/dpv#"
_ARTICLE_6 = "https://w3id.org/dpv/legal/eu/gdpr#A6-1-"
_NOT_STATED = "not stated by the operator of this website"
_PII = (
    ("name", False),
    ("e-mail address", False),
    ("phone number", False),
    ("messages and files of the conversation", True),
    ("IP address, browser and page from which the conversation was opened", False),
)


def record_terms(apps, schema_editor):
    WebChat = apps.get_model("webchat", "WebChat")
    ReceiptTerms = apps.get_model("sessions_app", "ReceiptTerms")
    company = apps.get_model("webchat", "DataController").objects.first()
    asked = WebChat.objects.filter(consent_versions__kind="consent").distinct().order_by("pk")
    ReceiptTerms.objects.bulk_create(
        ReceiptTerms(
            webchat=webchat,
            content=json.dumps(_content(webchat, company), ensure_ascii=False),
            recorded_on=timezone.localdate(),
        )
        for webchat in asked
    )


def _content(webchat, company):
    def stated(field, setting=""):
        return getattr(company, field) if company else getattr(settings, setting, "")

    controller = {
        "party_id": "controller",
        "party_name": stated("name", "CONTROLLER_NAME") or _NOT_STATED,
        "party_address": stated("address", "CONTROLLER_ADDRESS") or _NOT_STATED,
        "party_contact": stated("contact", "CONTROLLER_CONTACT") or _NOT_STATED,
        "party_url": (webchat.site.split() or [""])[0].removesuffix("/"),
        "party_role": f"{_DPV}DataController",
        "party_type": "PII controller",
    }
    others = (
        ("dpo", stated("officer"), "DataProtectionOfficer", "data protection officer"),
        ("processors", stated("recipients"), "DataProcessor", "PII processor"),
        ("authority", stated("authority"), "DataProtectionAuthority", "supervisory authority"),
    )
    parties = [
        {"party_id": key, "party_name": name, "party_role": _DPV + role, "party_type": kind}
        for key, name, role, kind in others
        if name
    ]
    return {
        "site": settings.SITE_URL,
        "party": [controller, *parties],
        "purpose": _purpose(webchat, stated),
    }


def _purpose(webchat, stated):
    days, basis = webchat.retention_days, webchat.second_basis
    return {
        "service": webchat.name,
        "lawful_basis": f"{_ARTICLE_6}a",
        **({"lawful_basis_of_what_must_be_kept": _ARTICLE_6 + basis} if basis else {}),
        "pii_information": [{"pii_type": name, "pii_optional": free} for name, free in _PII],
        "pii_controllers": ["controller"],
        "processing_method": "conversation with staff of the controller",
        "storage_locations": stated("storage_location") or _NOT_STATED,
        "retention_period": f"P{days}D" if days else "no fixed period",
        **({"retention_period_begins": "end of the conversation"} if days else {}),
        "jurisdiction": "EU",
        "recipient_third_parties": stated("recipients") or _NOT_STATED,
        "privacy_rights": "https://eur-lex.europa.eu/eli/reg/2016/679/oj",
    }


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0030_receipt_terms"),
    ]

    operations = [
        migrations.RunPython(record_terms, migrations.RunPython.noop),
    ]
