"""Represent sessions and guests as JSON in the format of mluvii's public API.

Designed for lists of 100,000 sessions: three queries per chunk of sessions, whatever they contain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from typing import Any

from lib.days import start_of_day
from sessions_app.masking import Reader
from sessions_app.models import (
    Attachment,
    Channel,
    ConsentEvent,
    Guest,
    Message,
    Party,
    Session,
    SessionQuerySet,
    Status,
)

#: One installation serves one company.
COMPANY_ID = 1
STARS_SCALE = 5
CHANNELS = {Channel.CHAT: "Chat", Channel.AV: "AV", Channel.PHONE: "Phone"}
STATUSES = {Status.WAITING: "WAITING", Status.ACTIVE: "ACTIVE", Status.CLOSED: "CLOSED"}
_PARTIES = {Party.VISITOR: "Guest", Party.OPERATOR: "User", Party.SYSTEM: "Chatbot"}
#: Lower-case part of the user agent → name in the API. The first match counts.
BROWSERS = (
    ("edg/", "CHROMIUM_EDGE"),
    ("edga/", "CHROMIUM_EDGE"),
    ("edgios/", "CHROMIUM_EDGE"),
    ("edge/", "EDGE"),
    ("opr/", "OPERA"),
    ("opera", "OPERA"),
    ("firefox/", "FF"),
    ("fxios/", "FF"),
    ("chrome/", "CHROME"),
    ("chromium/", "CHROME"),
    ("crios/", "CHROME"),
    ("safari/", "SAFARI"),
)
SYSTEMS = (
    ("windows", "WINDOWS"),
    ("android", "ANDROID"),
    ("iphone", "IOS"),
    ("ipad", "IOS"),
    ("mac os x", "OSX"),
    ("linux", "LINUX"),
)
OTHER = "OTHER"


def with_json_data(sessions: SessionQuerySet) -> SessionQuerySet:
    """Add the related data that the JSON needs and that the chunk's queries do not read."""
    return (
        sessions.with_holds()
        .select_related("webchat", "operator")
        .defer("webchat__site", "webchat__logo", "webchat__languages")
    )


def sessions_json(sessions: Iterable[Session], *, reader: Reader) -> list[dict[str, Any]]:
    """Return a chunk of sessions as JSON, including their transcripts, with three queries.

    Where ``reader`` may not see, names, addresses, texts and parameters are omitted, as in an
    anonymized session.
    """
    rows = list(sessions)
    keys = [session.pk for session in rows]
    visible = {session.pk for session in rows if reader.may_see(session)}
    activities = _activities(keys, visible)
    versions = _versions(keys)
    return [
        _session_json(
            session,
            activities.get(session.pk, []),
            versions.get(session.pk),
            sees_people=session.pk in visible,
        )
        for session in rows
    ]


def _session_json(
    session: Session, activities: list[dict[str, Any]], version: str | None, *, sees_people: bool
) -> dict[str, Any]:
    created, duration = _time(session.created_at), _duration(session.duration)
    return {
        "id": session.pk,
        "companyId": COMPANY_ID,
        "departmentId": session.webchat_id,
        "channel": CHANNELS[session.channel],  # type: ignore[index]
        "source": "Default",
        "status": STATUSES[session.status],  # type: ignore[index]
        "avSupport": "WEB_RTC" if session.channel == Channel.AV else "NONE",
        "isDirectChat": False,
        "created": created,
        "blacklisted": False,
        "autoAccepted": False,
        "guestLeftSession": _left(session),
        "guest": _guest_of(session, version, sees_people=sees_people),
        "url": (session.landing_page or None) if sees_people else None,
        "widget": session.webchat.name,
        "operators": _operators(session, sees_people=sees_people),
        "reviewers": [],
        "enteredQueue": created,
        "guestJoined": created,
        "started": _time(session.accepted_at),
        "ended": _time(session.ended_at),
        "waited": _duration(session.waited),
        "duration": duration,
        "length": duration,
        "activities": activities,
        "tags": [],
        "chatbots": [],
        "guestFeedbackStars": session.feedback_stars,
        "guestFeedbackScale": STARS_SCALE if session.feedback_stars is not None else None,
        "guestFeedbackText": (session.feedback_text or None) if sees_people else None,
        "recordings": [],
        "recordingsState": None,
        "directCallNumber": None,
        "phoneCallbackNumber": None,
        "anonymized": _period(session.anonymized_in),
    }


def _guest_of(session: Session, version: str | None, *, sees_people: bool) -> dict[str, Any]:
    user_agent = session.user_agent.lower() if sees_people else ""
    return {
        # ``identity`` identifies the guest. This number only distinguishes the guests of sessions.
        "tempId": session.pk,
        "ipAddress": session.ip_address if sees_people else None,
        "trackedId": None,
        "identity": "" if session.guest_id is None else str(session.guest_id),
        "channelIdentity": None,
        "os": _first_found(SYSTEMS, user_agent),
        "browser": _first_found(BROWSERS, user_agent),
        "language": session.language,
        "callParams": _call_params(session) if sees_people else {},
        "gdprVersion": version,
    }


def _call_params(session: Session) -> dict[str, str]:
    entered = {
        "oo1_guest_ident": session.entered_name,
        "oo1_guest_email": session.entered_email,
        "oo1_guest_phone": session.entered_phone,
    }
    return {str(name): str(value) for name, value in session.params.items()} | {
        name: value for name, value in entered.items() if value
    }


def _first_found(known: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((word for part, word in known if part in user_agent), OTHER)


def _left(session: Session) -> str:
    """Return when the guest left: in the queue, during the conversation, or after its end."""
    if session.is_open:
        return "StillConnected"
    if session.operator_id is None:
        return "LeftQueue"
    return "LeftSession" if session.ended_by == Party.VISITOR else "LeftAfterSession"


def _operators(session: Session, *, sees_people: bool) -> list[dict[str, Any]]:
    operator = session.operator
    if operator is None:
        return []
    return [
        {
            "userId": operator.pk,
            "userName": operator.username,
            "firstName": operator.first_name or None,
            "lastName": operator.last_name or None,
            # An anonymized session has no accepted_at. Its rounded start is kept.
            "joined": _time(session.accepted_at or session.created_at),
            "left": _time(session.ended_at),
            "concluded": _time(session.ended_at),
            "note": (session.note or None) if sees_people else None,
        }
    ]


def _activities(sessions: list[int], visible: set[int]) -> dict[int, list[dict[str, Any]]]:
    """Return the transcripts by session, in order of time, with two queries.

    Messages have even numbers and files odd ones. ``activityId`` is therefore unique and stable.
    """
    found: dict[int, list[tuple[datetime, int, dict[str, Any]]]] = defaultdict(list)
    messages = Message.objects.filter(session__in=sessions).order_by()
    for pk, session, at, sender, author, text in messages.values_list(
        "pk", "session_id", "at", "sender", "author_id", "text"
    ):
        found[session].append(
            _activity(
                2 * pk,
                "ChatMessage",
                at,
                sender,
                author,
                text=text if session in visible else None,
            )
        )
    files = Attachment.objects.filter(session__in=sessions).order_by()
    for pk, session, at, sender, author, name in files.values_list(
        "pk", "session_id", "at", "sender", "author_id", "original_name"
    ):
        found[session].append(
            _activity(
                2 * pk + 1,
                "SharedFile",
                at,
                sender,
                author,
                file=name if session in visible else None,
            )
        )
    by_time = itemgetter(0, 1)
    return {
        session: [line for _at, _id, line in sorted(lines, key=by_time)]
        for session, lines in found.items()
    }


def _activity(
    number: int,
    kind: str,
    at: datetime,
    sender: str,
    author: int | None,
    *,
    text: str | None = None,
    file: str | None = None,
) -> tuple[datetime, int, dict[str, Any]]:
    line = {
        "activityId": number,
        "time": _time(at),
        "type": kind,
        "client": _PARTIES[sender],  # type: ignore[index]
        "userId": author,
        "file": file,
        "text": text,
    }
    return at, number, line


def _versions(sessions: list[int]) -> dict[int, str]:
    """Return the version and language of the consented text, by session."""
    events = ConsentEvent.objects.filter(
        session__in=sessions, kind=ConsentEvent.Kind.GIVEN
    ).order_by()
    rows = events.values_list("session_id", "text__version__number", "text__language")
    return {session: gdpr_version(number, language) for session, number, language in rows}


def gdpr_version(number: int, language: str) -> str:
    return f"{number}/{language}"


def guest_json(guest: Guest, *, sessions: int, sees_people: bool) -> dict[str, Any]:
    """Return a guest as JSON. An anonymized guest has the same format."""
    return {
        "id": guest.pk,
        "name": guest.name if sees_people else "",
        "email": guest.email if sees_people else "",
        "phone": guest.phone if sees_people else "",
        "created": _time(guest.created_at),
        "anonymized": _period(guest.anonymized_in),
        "sessions": sessions,
    }


def _period(first_day: date | None) -> str | None:
    """Format the first moment of the period in which a row was anonymized."""
    return _time(start_of_day(first_day)) if first_day else None


def _time(moment: datetime | None) -> str | None:
    """Format a time as RFC 3339 in UTC, with milliseconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def _duration(duration: timedelta | None) -> str | None:
    """Format a duration as ISO 8601 in hours, minutes and seconds, for example ``PT4M40S``."""
    if duration is None:
        return None
    minutes, seconds = divmod(max(0, int(duration.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    parts = (
        f"{hours}H" if hours else "",
        f"{minutes}M" if minutes else "",
        f"{seconds}S" if seconds else "",
    )
    return "PT" + ("".join(parts) or "0S")
