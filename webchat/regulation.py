"""What the GDPR asks of the company that runs the chat, and how this product answers; no legal advice."""

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Duty(NamedTuple):
    """One duty: what an article asks, how the product answers, and the page that shows it (a URL name)."""

    article: str
    title: str | Promise
    asks: str | Promise
    answer: str | Promise
    url_name: str = ""
    link_label: str | Promise = ""
    permission: str = ""


DUTIES = [
    Duty(
        "Art. 6(1), 7(1)",
        _("Lawful basis and proof of consent"),
        _(
            "You need a reason to use somebody's data. When the reason is consent, you must be able to "
            "prove it."
        ),
        _(
            "With the GDPR entry form no conversation starts before the visitor ticks the box. Each "
            "session keeps the version and the language of the text that was shown. Published texts can't "
            "be changed or deleted."
        ),
        "webchats",
        _("Consent texts"),
        "webchat.manage_settings",
    ),
    Duty(
        "Art. 7(3)",
        _("Withdrawal"),
        _("Withdrawing consent must be as easy as giving it, and people must be told so beforehand."),
        _(
            "From the conversation, and by a link to keep, people see what they agreed to and withdraw it with two "
            "clicks, without a log-in. The conversation ends, and by the WebChat's setting the session is anonymized "
            "at once or put before your data protection officer. The default consent text says so."
        ),
        "withdrawals",
        _("Withdrawals"),
        "sessions_app.anonymize_session",
    ),
    Duty(
        "Art. 13",
        _("Transparency"),
        _(
            "People must learn in plain language who uses their data, what for, how long, and which "
            "rights they have."
        ),
        _(
            "A link directly under the label of the checkbox leads to the full text, in the language of "
            "the visitor. Every version keeps its own address for ever."
        ),
        "webchats",
        _("Consent texts"),
        "webchat.manage_settings",
    ),
    Duty(
        "Art. 15",
        _("Access"),
        _("Whoever asks gets to know what you hold about them, and a copy of it."),
        _(
            "The page of a guest shows all of their sessions; the page of a session shows the transcript, "
            "the files, the values entered and the consent."
        ),
    ),
    Duty(
        "Art. 17",
        _("Erasure"),
        _("When the reason to keep data has gone, you must erase them without undue delay."),
        _(
            "Anonymize session and Anonymize guest delete messages and files and empty every field that "
            "names a person. The database refuses to put identity back. Each erasure is recorded, without "
            "personal data."
        ),
        "erasures",
        _("Record of erasures"),
        "anonymization.see_erasures",
    ),
    Duty(
        "Art. 28",
        _("Data processing agreement"),
        _("Whoever processes data for you, a host or a supplier, needs a contract with you about it."),
        _("The contact for the agreement, and the agreement that was signed, are named on this page."),
    ),
    Duty(
        "Art. 30",
        _("Records of processing"),
        _("You keep a record of which data you process, what for, and when they are erased."),
        _(
            "The personal-data map below is printed from the same declarations that the erasure follows, "
            "so the two can't disagree. A field that nobody declared fails the system check."
        ),
    ),
    Duty(
        "Art. 32",
        _("Security"),
        _("Data must be protected according to the risk: access, integrity, and a way to check both."),
        _(
            "Each role sees only what it needs; names, e-mails and phones are masked for everybody else. "
            "Two-factor log-in, rooms at addresses that nobody can guess, logs without personal data."
        ),
    ),
]
