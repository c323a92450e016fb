"""The GDPR duties of the company that runs the chat, and the product's answers. No legal advice."""

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Duty(NamedTuple):
    """One duty: the demand of an article, the product's answer, and the URL name of its page."""

    article: str | Promise
    title: str | Promise
    asks: str | Promise
    answer: str | Promise
    url_name: str = ""
    link_label: str | Promise = ""
    permission: str = ""


DUTIES = [
    Duty(
        _("Art. 6(1), 7(1)"),
        _("Lawful basis and proof of consent"),
        _(
            "You need a legal basis to use somebody's data. If it is consent, you must be able to prove it."
        ),
        _(
            "With the GDPR entry form, no conversation starts until the visitor ticks the box. "
            "Each session stores the version and language of the text shown. Published texts "
            "can't be changed or deleted."
        ),
        "webchats",
        _("Consent texts"),
        "webchat.manage_settings",
    ),
    Duty(
        _("Art. 7(3)"),
        _("Withdrawal"),
        _(
            "Withdrawing consent must be as easy as giving it, and people must be told so in advance."
        ),
        _(
            "From the conversation or a saved link, people can see what they agreed to and "
            "withdraw it with two clicks, without logging in. The conversation ends. Depending on"
            " the WebChat's settings, the session is anonymized immediately or your data "
            "protection officer decides. The default consent text explains this."
        ),
        "withdrawals",
        _("Withdrawals"),
        "sessions_app.anonymize_session",
    ),
    Duty(
        _("Art. 13"),
        _("Transparency"),
        _(
            "People must be told in plain language who uses their data, why, for how long, and "
            "what rights they have."
        ),
        _(
            "A link right below the checkbox label opens the full text in the visitor's language."
            " Forms without consent link to the privacy notice. Every version has a permanent "
            "address."
        ),
        "webchats",
        _("Consent texts"),
        "webchat.manage_settings",
    ),
    Duty(
        _("Art. 15"),
        _("Access"),
        _("People can ask what data you hold about them and get a copy."),
        _(
            "A guest's page shows all their sessions; a session's page shows the transcript, "
            "files, entered details and consent. There is no export of one person's data as a "
            "file yet."
        ),
    ),
    Duty(
        _("Art. 17"),
        _("Erasure"),
        _("When you no longer have a reason to keep data, you must erase it without undue delay."),
        _(
            "“Anonymize session” and “Anonymize guest” delete messages and files and clear every "
            "field that identifies a person. The database refuses to restore these values. Each "
            "erasure is recorded, without the person's data; the record names the staff member."
        ),
        "erasures",
        _("Record of erasures"),
        "anonymization.see_erasures",
    ),
    Duty(
        _("Art. 28"),
        _("Data processing agreement"),
        _(
            "Anyone who processes data for you, such as a hosting provider, needs a data "
            "processing agreement with you."
        ),
        _(
            "This page shows the contact for the agreement, the other party and the date of "
            "signing. The agreement itself is not stored here."
        ),
    ),
    Duty(
        _("Art. 30"),
        _("Records of processing"),
        _("You must keep a record of what data you process, why, and when it is erased."),
        _(
            "The personal-data map below is one part of these records. It is generated from the "
            "same rules that the erasure uses, so they can't differ. The system check fails for "
            "any field without a rule."
        ),
    ),
    Duty(
        _("Art. 32"),
        _("Security"),
        _(
            "Data must be protected according to the risk: access, integrity, and a way to check both."
        ),
        _(
            "Each role sees only what it needs; names, e-mail addresses and phone numbers are "
            "hidden from everyone else. Two-factor login, conversations at unguessable addresses,"
            " logs without personal data."
        ),
    ),
]
