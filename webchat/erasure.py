"""Declare the data of this app: the settings of the company's chats, and who published a text."""

from django.utils.translation import gettext_noop as _

from anonymization import policy
from webchat.models import (
    ConsentText,
    ConsentVersion,
    DataController,
    Retirement,
    SettingChange,
    WebChat,
)

_SETTING = _("A chat setting of the company.")
_EVIDENCE = _(
    "The company's own published text: evidence of what consent was asked for (GDPR Art. 7(1))."
)

policy.register(
    WebChat,
    impersonal=dict.fromkeys(
        (
            "id",
            "name",
            "public_id",
            "site",
            "entry_form",
            "showroom_form",
            "none_confirmed_at",
            "second_basis",
            "languages",
            "default_language",
            "phone_region",
            "colour",
            "logo",
            "chat_button",
            "showroom_button",
            "button_position",
            "abandon_minutes",
            "retention_days",
            "on_withdrawal",
            "created_at",
            "archived_at",
        ),
        _SETTING,
    ),
)

policy.register(
    ConsentVersion,
    append_only=True,
    keep={
        "published_by": _(
            "Accountability (GDPR Art. 5(2)): the staff member who published the text."
        ),
    },
    impersonal=dict.fromkeys(
        ("id", "webchat", "kind", "number", "published_at", "filled_from"), _EVIDENCE
    ),
)

policy.register(
    ConsentText,
    append_only=True,
    impersonal=dict.fromkeys(
        (
            "id",
            "version",
            "language",
            "label",
            "body",
            "written_label",
            "written_body",
            "document",
            "sha256",
        ),
        _EVIDENCE,
    ),
)

policy.register(
    Retirement,
    append_only=True,
    keep={
        "retired_by": _(
            "Accountability (GDPR Art. 5(2)): the staff member who retired the version."
        ),
    },
    impersonal=dict.fromkeys(("id", "version", "reason", "retired_at"), _EVIDENCE),
)

policy.register(
    DataController,
    keep=dict.fromkeys(
        ("name", "contact", "officer", "agreement_contact"),
        _(
            "The company's own contact data, which it must publish (GDPR Art. 13(1)). May name its data "
            "protection officer; contains no data of visitors."
        ),
    ),
    impersonal=dict.fromkeys(
        (
            "id",
            "address",
            "recipients",
            "storage_location",
            "authority",
            "agreement_with",
            "agreement_signed_on",
        ),
        _("Statements of the company about itself."),
    ),
)

policy.register(
    SettingChange,
    append_only=True,
    keep={
        "changed_by": _(
            "Accountability (GDPR Art. 5(2)): the staff member who changed the setting."
        ),
        **dict.fromkeys(
            ("before", "after"),
            _(
                "Settings of the company; the GDPR data may name its own contacts and its data protection "
                "officer. Contains no data of visitors."
            ),
        ),
    },
    impersonal=dict.fromkeys(
        ("id", "uid", "webchat", "field", "changed_at"),
        _("Which setting of the company was changed, and when; random identifier."),
    ),
)
