"""Apply the parameters of ``GET /api/v1/Sessions`` as conditions on sessions.

mluvii has parameters for which this product stores no data. They are accepted and match as if no
session had a value.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, date, datetime
from typing import Any

from django.conf import settings
from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from anonymization.policy import registry
from api.parameters import Parameters
from lib.days import period_of, start_of
from sessions_app.api.representation import (
    BROWSERS,
    CHANNELS,
    OTHER,
    STATUSES,
    SYSTEMS,
    gdpr_version,
)
from sessions_app.models import Channel, ConsentEvent, Session, Status
from webchat.models import ConsentText, WebChat

MAX_LIMIT, DEFAULT_LIMIT = 100_000, 100

#: Parameter → field. A guest joins when the session begins.
MOMENTS = {
    "Created": "created_at",
    "GuestJoined": "created_at",
    "Accepted": "accepted_at",
    "Ended": "ended_at",
}
DURATIONS = {"WaitingTime": "waited", "Duration": "duration"}
IDS = {
    "SessionId": "pk",
    "ClientId": "guest",
    "DepartmentId": "webchat",
    "OperatorUserId": "operator",
}
STATUS: dict[str, Status | None] = {
    **dict.fromkeys(("CREATED", "IN_QUEUE", "ACW", "BCW", "BLACKLISTED")),
    **{word: status for status, word in STATUSES.items()},
}
CHANNEL: dict[str, Channel | None] = {word: channel for channel, word in CHANNELS.items()}
SOURCE = {
    word: word
    for word in (
        "Default", "Callback", "Invitation", "ChatInvitation", "IncomingCall", "OutgoingCall", "Campaign", "API",
    )
}  # fmt: skip
BROWSER = {
    word: word for word in ("OTHER", "CHROME", "OPERA", "FF", "SAFARI", "EDGE", "CHROMIUM_EDGE")
}
SYSTEM = {word: word for word in ("OTHER", "WINDOWS", "OSX", "LINUX", "ANDROID", "IOS")}
#: Parameters that reveal something about a person. They need the right to read personal data.
PERSONAL = (
    "Browser",
    "OS",
    *(
        f"{name}.{kind}"
        for name in ("LandingPage", "IPAddress")
        for kind in ("Text", "Exact", "Null")
    ),
)


def filtered(sessions: QuerySet[Session], given: Parameters) -> QuerySet[Session]:
    """Return the sessions that match every given parameter. Errors are collected in ``given``."""
    for name, field in MOMENTS.items():
        sessions = _in_range(sessions, given, name, field, given.moment)
    sessions = _in_range(sessions, given, "Anonymized", "anonymized_in", _period(given))
    for name, field in DURATIONS.items():
        sessions = _in_range(sessions, given, name, field, given.duration)
    for name, field in IDS.items():
        if name in given:
            sessions = sessions.filter(**{f"{field}__in": given.ids(name)})
    for name, field, known in (("Status", "status", STATUS), ("Channel", "channel", CHANNEL)):
        if name in given:
            chosen = given.choices(name, known)
            sessions = sessions.filter(
                **{f"{field}__in": [value for value in chosen if value is not None]}
            )
    if "Source" in given and "Default" not in given.choices("Source", SOURCE):
        sessions = sessions.none()
    if "Widget" in given:
        sessions = sessions.filter(webchat__in=_webchats(given.texts("Widget")))
    if "Tags" in given:
        given.texts("Tags")
        sessions = sessions.none()
    sessions = _told_by_browser(sessions, given)
    sessions = _like(sessions, given, "LandingPage", "landing_page")
    sessions = _like(sessions, given, "Language", "language")
    sessions = _by_address(sessions, given)
    return _by_version(sessions, given)


def in_order(sessions: QuerySet[Session], given: Parameters) -> QuerySet[Session]:
    """Return the sessions in descending order of their ids.

    They are not ordered by time, because an erasure rounds times and would move sessions between
    pages. With a condition on the start, the ordering is written so that PostgreSQL reads the index
    of the period and sorts the result. Otherwise it would first read all newer sessions.
    """
    if any(
        f"{name}.{end}" in given for name in ("Created", "GuestJoined") for end in ("Min", "Max")
    ):
        return sessions.order_by((F("pk") + 0).desc())
    return sessions.order_by("-pk")


def _in_range(
    sessions: QuerySet[Session],
    given: Parameters,
    name: str,
    field: str,
    read: Callable[[str], Any],
) -> QuerySet[Session]:
    """Filter by Min and Max, both inclusive. Null selects sessions without (or with) a value."""
    low, high, empty = read(f"{name}.Min"), read(f"{name}.Max"), given.flag(f"{name}.Null")
    if low is not None and field in registry.get(Session).rounded:
        sessions = sessions.filter(_from(field, low))
        low = None
    conditions = {f"{field}__gte": low, f"{field}__lte": high, f"{field}__isnull": empty}
    return sessions.filter(
        **{lookup: value for lookup, value in conditions.items() if value is not None}
    )


def _period(given: Parameters) -> Callable[[str], date | None]:
    """Return a reader of a moment as the first day of the period that contains it."""

    def read(name: str) -> date | None:
        moment = given.moment(name)
        return period_of(timezone.localdate(moment)) if moment else None

    return read


def _from(field: str, low: datetime) -> Q:
    """Return the condition for times from ``low`` on.

    An anonymized session has a rounded time. It matches if its period reaches ``low``. Therefore a
    program that anonymizes a period page by page does not remove sessions from later pages.
    """
    # The first and the last year of the calendar cannot be rounded. They contain no sessions.
    inside = MINYEAR < low.year < MAXYEAR
    rounded = start_of(settings.ERASURE_TIME_PRECISION, low, settings.TIME_ZONE) if inside else low
    exactly = Q(**{f"{field}__gte": low}) | Q(anonymized_in__isnull=False)
    return Q(**{f"{field}__gte": rounded}) & exactly


def _webchats(names: list[str]) -> list[int]:
    """Return the WebChats with these names.

    The names are compared here and not in the database. There are few of them, and this way both
    databases give the same result.
    """
    wanted = {name.casefold() for name in names}
    known = WebChat.objects.order_by().values_list("pk", "name")
    return [pk for pk, name in known if name.casefold() in wanted]


def _told_by_browser(sessions: QuerySet[Session], given: Parameters) -> QuerySet[Session]:
    for name, known, parts in (("Browser", BROWSER, BROWSERS), ("OS", SYSTEM, SYSTEMS)):
        if name in given:
            told = Case(
                *(When(user_agent__icontains=part, then=Value(word)) for part, word in parts),
                default=Value(OTHER),
                output_field=CharField(),
            )
            sessions = sessions.alias(**{f"told_{name}": told}).filter(
                **{f"told_{name}__in": given.choices(name, known)}
            )
    return sessions


def _like(
    sessions: QuerySet[Session], given: Parameters, name: str, field: str
) -> QuerySet[Session]:
    text, exact, empty = (
        given.text(f"{name}.Text"),
        given.text(f"{name}.Exact"),
        given.flag(f"{name}.Null"),
    )
    if text is not None:
        sessions = sessions.filter(**{f"{field}__icontains": text})
    if exact is not None:
        sessions = sessions.filter(**{field: exact})
    if empty is not None:
        sessions = sessions.filter(**{field: ""}) if empty else sessions.exclude(**{field: ""})
    return sessions


def _by_address(sessions: QuerySet[Session], given: Parameters) -> QuerySet[Session]:
    conditions = {
        "ip_address__icontains": given.text("IPAddress.Text"),
        "ip_address": given.address("IPAddress.Exact"),
        "ip_address__isnull": given.flag("IPAddress.Null"),
    }
    return sessions.filter(
        **{lookup: value for lookup, value in conditions.items() if value is not None}
    )


def _by_version(sessions: QuerySet[Session], given: Parameters) -> QuerySet[Session]:
    """Filter by the consent version of the session.

    The texts are compared here, because there are few. The events are found by index.
    """
    text, exact = given.text("GDPRVersion.Text"), given.text("GDPRVersion.Exact")
    empty = given.flag("GDPRVersion.Null")
    given_here = ConsentEvent.objects.filter(session=OuterRef("pk"), kind=ConsentEvent.Kind.GIVEN)
    if text is not None or exact is not None:
        rows = ConsentText.objects.order_by().values_list("pk", "version__number", "language")
        texts = [
            pk
            for pk, number, language in rows
            if (text is None or text.lower() in gdpr_version(number, language))
            and (exact is None or exact.lower() == gdpr_version(number, language))
        ]
        sessions = sessions.filter(Exists(given_here.filter(text__in=texts)))
    if empty is not None:
        sessions = sessions.filter(~Exists(given_here) if empty else Exists(given_here))
    return sessions
