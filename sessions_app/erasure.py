"""Declare the personal data that this app stores, and what anonymization does with each field."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from anonymization import policy
from anonymization.policy import Evidence, KeptIfShared
from sessions_app.models import (
    Attachment,
    ConsentEvent,
    EvidenceAnchor,
    Guest,
    GuestWord,
    LifeSign,
    LimitCounter,
    Message,
    ReceiptTerms,
    RetentionRun,
    Session,
    Signal,
    Status,
)
from sessions_app.rounding import Band, StartOf
from sessions_app.sharing import sharing_sessions
from webchat.models import WebChat

_STATISTICS = _("Statistics; identifies nobody.")


def _of_event(kind: str, name: str) -> Subquery:
    return Subquery(
        ConsentEvent.objects.filter(session=OuterRef("pk"), kind=kind).order_by().values(name)
    )


policy.register(
    Guest,
    subject="",
    mark="anonymized_in",
    erased_with_last="sessions_app.Session",
    guessable={"day": F("created_at")},
    erase={
        "name": "",
        "email": "",
        "phone": "",
        "name_key": "",
        "email_key": "",
        "phone_key": "",
        "created_at": partial(StartOf, "created_at"),
        "uid": None,
    },
    impersonal={
        "id": _(
            "The Guest ID: personal data while the guest is identified; afterwards only a random number, "
            "so that a repeated request gets the same answer."
        ),
    },
)

policy.register(
    Session,
    subject="guest",
    mark="anonymized_in",
    # Otherwise a withdrawal of consent could be hidden.
    cleared_with_mark=("withdrawn_at",),
    sharing=sharing_sessions,
    guessable={
        "day": F("created_at"),
        "webchat": F("webchat"),
        "channel": F("channel"),
        "operator": F("operator"),
        "duration": F("duration"),
        "consent_version": _of_event(ConsentEvent.Kind.GIVEN, "text__version"),
        # After the precision was made coarser, this is finer than the start of older sessions.
        "consented_on": _of_event(ConsentEvent.Kind.GIVEN, "day"),
        "withdrawn": _of_event(ConsentEvent.Kind.WITHDRAWN, "day"),
        "notice_version": _of_event(ConsentEvent.Kind.INFORMED, "text__version"),
        "informed_on": _of_event(ConsentEvent.Kind.INFORMED, "day"),
    },
    erase={
        "guest": None,
        "status": partial(Value, Status.CLOSED),
        "created_at": partial(StartOf, "created_at"),
        "accepted_at": None,
        "ended_at": lambda: StartOf(Coalesce("ended_at", Now())),
        "waited": partial(Band, "waited"),
        "operator": KeptIfShared(F("operator")),
        "duration": KeptIfShared(Band("duration")),
        "entered_name": "",
        "entered_email": "",
        "entered_phone": "",
        "params": dict,
        "ip_address": None,
        "user_agent": "",
        "landing_page": "",
        "referrer": "",
        "note": "",
        "result": "",
        "feedback_text": "",
        "room_key": None,
        "consent_key": None,
        "receipt_terms": None,
        "withdrawn_at": None,
        "wants_erasure": False,
        "uid": None,
    },
    keep=dict.fromkeys(
        (
            "webchat",
            "channel",
            "language",
            "ended_by",
            "feedback_stars",
            "messages_visitor",
            "messages_operator",
            "attachments_count",
        ),
        _STATISTICS,
    ),
    impersonal={
        "id": _("The Session ID: a number, so that the record of consent stays traceable."),
        "entry_key": _("Hash of a random number, so that a used entry form can't be sent again."),
    },
)

policy.register(GuestWord, subject="guest", delete=True, derived=True)
policy.register(Message, subject="session__guest", delete=True)
policy.register(Attachment, subject="session__guest", delete=True)
# SDP and ICE candidates contain IP addresses.
policy.register(Signal, subject="session__guest", delete=True, transient=True)
# Its time is more precise than the rounded times that an anonymized session keeps.
policy.register(LifeSign, subject="session__guest", delete=True, transient=True)


def _consent_in_words(events: Sequence[Sequence[Any]], counts: Mapping[str, int]) -> list[str]:
    """Return one sentence for each text of the kept consent events: WebChat, version, language."""
    kinds = defaultdict[tuple[int, int, str], set[str]](set)
    for webchat, number, language, kind in events:
        kinds[webchat, number, language].add(kind)
    names = WebChat.objects.in_bulk({webchat for webchat, _number, _language in kinds})
    languages = dict(settings.LANGUAGES)
    several = counts.get("sessions_app.Session", 0) > 1
    return [
        gettext("%(name)s (WebChat %(webchat)s), version %(number)s, %(language)s: %(state)s")
        % {
            "name": names[webchat].name if webchat in names else "–",
            "webchat": webchat,
            "number": number,
            "language": languages.get(language, language),
            "state": _state_of_consent(found, several=several),
        }
        for (webchat, number, language), found in sorted(kinds.items())
    ]


def _state_of_consent(kinds: Collection[str], *, several: bool) -> str:
    """Return whether consent to a text was given and withdrawn, or the notice was only shown."""
    if ConsentEvent.Kind.GIVEN not in kinds and ConsentEvent.Kind.WITHDRAWN not in kinds:
        return gettext("privacy notice shown, no consent asked for")
    if ConsentEvent.Kind.WITHDRAWN not in kinds:
        return gettext("consent given, not withdrawn")
    if several:
        return gettext("consent given, withdrawn in at least one conversation")
    return gettext("consent given and withdrawn")


_CONSENT = Evidence(
    lookups=("text__version__webchat", "text__version__number", "text__language", "kind"),
    in_words=_consent_in_words,
)

policy.register(
    ConsentEvent,
    subject="session__guest",
    append_only=True,
    evidence=_CONSENT,
    keep={
        **dict.fromkeys(
            ("id", "session", "text", "kind", "day", "channel", "via"),
            _(
                "Evidence of consent (GDPR Art. 7(1)), or of the information that was given (Art. 13); contains "
                "no identity."
            ),
        ),
        "hmac": _(
            "Proves that the product stored the event. It differs in each row, because it covers the "
            "Session ID."
        ),
    },
)

policy.register(
    EvidenceAnchor,
    append_only=True,
    covered_by=("first_id", "last_id"),
    impersonal=dict.fromkeys(
        ("id", "first_id", "last_id", "count", "period", "nonce", "digest", "hmac", "key_lost"),
        _("Which consent events a record of the erasure ledger covers; one row for each period."),
    ),
)

policy.register(
    ReceiptTerms,
    append_only=True,
    keep={
        "content": _(
            "What the company states in receipts of consent (GDPR Art. 7(1), 13). May name its contacts and "
            "its data protection officer; contains no data of visitors."
        ),
    },
    impersonal=dict.fromkeys(
        ("id", "webchat", "recorded_on"),
        _(
            "The WebChat that the statements belong to, and the day of the upgrade that recorded them."
        ),
    ),
)

policy.register(
    RetentionRun,
    impersonal=dict.fromkeys(
        ("id", "began_at"), _("When retention last ran; used to detect a wrong clock.")
    ),
)

_COUNTED = _(
    "Counter of a limit; only a keyed hash, whose key changes with each window of a minute, an hour or a day. "
    "The row is deleted after its window."
)
policy.register(
    LimitCounter,
    keep=dict.fromkeys(("key", "count", "ends_at"), _COUNTED),
    transient=True,
    expires=("ends_at", timedelta(0)),
)
