"""Declare the personal data that this app stores, and what anonymization does with each field."""

from collections.abc import Iterator
from functools import partial

from django.db.models import F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_noop as _

from anonymization import policy
from anonymization.policy import KeptIfShared
from sessions_app.models import (
    Attachment,
    ConsentEvent,
    Guest,
    Message,
    RetentionRun,
    Session,
    Signal,
    Status,
)
from sessions_app.rounding import Band, StartOf
from sessions_app.sharing import sharing_sessions
from webchat.models import TextKind

_STATISTICS = _("Statistics; identifies nobody.")


def _of_event(kind: str, name: str) -> Subquery:
    return Subquery(
        ConsentEvent.objects.filter(session=OuterRef("pk"), kind=kind).order_by().values(name)
    )


policy.register(
    Guest,
    subject="",
    mark="anonymized_at",
    record="erasure",
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
    },
    impersonal={
        "id": _(
            "The Guest ID: personal data while the guest is identified; afterwards only a number, so that "
            "a repeated request gets the same answer."
        ),
        "uid": _("Random."),
    },
)

policy.register(
    Session,
    subject="guest",
    mark="anonymized_at",
    record="erasure",
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
        "withdrawn_at": None,
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
        "uid": _("Random."),
        "entry_key": _("Hash of a random number, so that a used entry form can't be sent again."),
    },
)

policy.register(Message, subject="session__guest", delete=True)
policy.register(Attachment, subject="session__guest", delete=True)
# SDP and ICE candidates contain IP addresses.
policy.register(Signal, subject="session__guest", delete=True)


def _texts_consented_to(events: QuerySet[ConsentEvent]) -> Iterator[str]:
    names = ("text__version__kind", "text__version__number", "text__language")
    for kind, number, language in events.order_by().values_list(*names).distinct():
        yield f"{'' if kind == TextKind.CONSENT else 'notice '}v{number} {language}"


policy.register(
    ConsentEvent,
    subject="session__guest",
    append_only=True,
    evidence=_texts_consented_to,
    keep=dict.fromkeys(
        ("id", "session", "text", "kind", "day", "channel"),
        _(
            "Evidence of consent (GDPR Art. 7(1)), or of the information that was given (Art. 13); contains "
            "no identity."
        ),
    ),
)

policy.register(
    RetentionRun,
    impersonal=dict.fromkeys(
        ("id", "began_at"), _("When retention last ran; used to detect a wrong clock.")
    ),
)
