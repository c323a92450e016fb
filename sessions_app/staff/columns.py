"""The columns of the Sessions table. COLUMNS is the only list of them; a new column is one line there.

A column reads a session that was fetched by ``table.with_row_data``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lib.look import link_to, moment, status_badge
from sessions_app.gate import TYPED
from sessions_app.models import Channel, ConsentEvent, Session, Status
from sessions_app.rounding import BANDS

_NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """One column: the content of its cells on a page and its values in a file.

    A ``personal`` column identifies a person. Its cells are masked for staff who may not see
    personal data. A ``default`` column is shown until a staff member chooses other columns.

    Sessions with the same ``key`` have the same cell, which is then built once for each table. A
    column without a key builds every cell.
    """

    name: str
    label: str | Promise
    css: str
    cell: Callable[[Session], str]
    value: Callable[[Session], str | int]
    personal: bool = False
    default: bool = False
    key: Callable[[Session], Hashable] | None = None


def readable_duration(duration: timedelta | None) -> str:
    """Return a duration as ``1 h 2 min`` or ``2 min 3 s``, in symbols that all languages share.

    Without a duration the text is empty.
    """
    if duration is None:
        return ""
    hours, minutes, seconds = _parts(duration)
    parts = [f"{hours} h"] if hours else []
    parts += [f"{minutes} min"] if minutes else []
    parts += [f"{seconds} s"] if not hours and (seconds or not minutes) else []
    return " ".join(parts)


def duration_of(session: Session, name: str) -> str:
    """Return a duration of a session, or what is left of it: an anonymization rounds it to a band."""
    duration: timedelta | None = getattr(session, name)
    if duration is None or session.anonymized_in is None:
        return readable_duration(duration)
    above = bisect_right(BANDS, duration.total_seconds() / 60)
    if above == len(BANDS):
        return f"≥ {BANDS[-1]} min"
    return f"{BANDS[above - 1]}–{BANDS[above]} min"


def _parts(duration: timedelta) -> tuple[int, int, int]:
    """Return hours, minutes and seconds."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    return minutes // 60, minutes % 60, seconds


def _spreadsheet_duration(session: Session) -> str:
    """Return ``1:02:03``, which a spreadsheet reads as a duration, or the band of an anonymized session."""
    duration = session.duration
    # A band is not a duration. Its lower end alone would pass for an exact value in sums and means.
    if session.anonymized_in is not None:
        return duration_of(session, "duration")
    return "{}:{:02}:{:02}".format(*_parts(duration)) if duration is not None else ""


def _iso(value: datetime | date | None) -> str:
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(sep=" ", timespec="seconds")
    return value.isoformat() if value else ""


def _cut(text: str) -> SafeString | str:
    """Return a text that the page shortens if it is too long, with the full text on hover."""
    if len(text) < 16:
        return text
    return format_html('<span class="cut" title="{}">{}</span>', text, text)


def _channel(session: Session) -> str:
    return str(Channel(session.channel).label)


def _status(session: Session) -> str:
    return str(Status(session.status).label)


def _status_cell(session: Session) -> SafeString:
    # Anonymized sessions are always closed, so the more specific word is shown.
    if session.anonymized_in is not None:
        return status_badge("anonymized", _("Anonymized"))
    return status_badge(session.status, _status(session))


def _status_key(session: Session) -> Hashable:
    return session.status, session.anonymized_in is not None


def _id_cell(session: Session) -> SafeString:
    return link_to("session", session.pk)


def _guest_cell(session: Session) -> SafeString | str:
    return link_to("guest", session.guest_id) if session.guest_id else _NOTHING


def _entered(name: str) -> Callable[[Session], str]:
    """Return a function that reads what the visitor entered in the session, otherwise the guest's value."""

    def read(session: Session) -> str:
        entered: str = getattr(session, f"entered_{name}")
        return entered or getattr(session.guest, name, "")

    return read


def consent_label(event: ConsentEvent) -> str:
    """Return the version and language of the text, for example ``v3 cs``.

    A privacy notice is named as such, because it is no consent.
    """
    if event.kind == ConsentEvent.Kind.INFORMED:
        name = {"number": event.text.version.number, "language": event.text.language}
        return _("Informed by notice v%(number)d %(language)s") % name
    return f"v{event.text.version.number} {event.text.language}"


def _withdrawn(session: Session) -> datetime | date | None:
    """Return when consent was withdrawn, as precisely as it is known.

    In an anonymized session the time is cleared. The rounded day of the consent event is kept.
    """
    if session.withdrawn_at:
        return session.withdrawn_at
    return next((event.known_time for event in _events(session, ConsentEvent.Kind.WITHDRAWN)), None)


def _events(session: Session, kind: ConsentEvent.Kind) -> list[ConsentEvent]:
    return [event for event in session.row_events if event.kind == kind]  # type: ignore[attr-defined]


def _consent_cell(session: Session) -> SafeString | str:
    badge = _withdrawn_badge() if _withdrawn(session) else ""
    shown = _events(session, ConsentEvent.Kind.GIVEN) + _events(session, ConsentEvent.Kind.INFORMED)
    links = [(event.text.get_absolute_url(), consent_label(event), badge) for event in shown]
    return format_html_join(" ", '<a class="text-nowrap" href="{}">{}</a>{}', links) or _NOTHING


def _consent_key(session: Session) -> Hashable:
    shown = tuple((event.kind, event.text_id) for event in session.row_events)  # type: ignore[attr-defined]
    return shown, _withdrawn(session) is not None


def _withdrawn_badge() -> SafeString:
    return format_html(" {}", status_badge("withdrawn", _("withdrawn")))


def _consent_value(session: Session) -> str:
    return ", ".join(
        consent_label(event)
        + (f" ({_('withdrawn')})" if event.kind == ConsentEvent.Kind.WITHDRAWN else "")
        for event in session.row_events  # type: ignore[attr-defined]
    )


def _operator(session: Session) -> str:
    return session.operator.username if session.operator else ""


def _personal(name: str, label: Promise) -> Column:
    """Return the column of a value that the visitor typed in the entry form."""
    read, cut, default = _entered(name), name != "phone", name in ("name", "email")

    def cell(session: Session) -> str:
        text = read(session)
        return (_cut(text) if cut else text) or _NOTHING

    return Column(
        name, label, "text-nowrap" if cut else "", cell, read, personal=True, default=default
    )


#: The columns by name, in the order of the table. The default columns fit next to each other on a
#: screen of 1360 pixels.
COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("id", gettext_lazy("Session ID"), "", _id_cell, lambda s: s.pk, default=True),
        Column(
            "created_at",
            gettext_lazy("Started"),
            "",
            lambda s: moment(s.started),
            lambda s: _iso(s.started),
            default=True,
        ),
        Column(
            "webchat",
            "WebChat",
            "text-nowrap",
            lambda s: _cut(s.webchat.name),
            lambda s: s.webchat.name,
            default=True,
        ),
        Column(
            "channel",
            gettext_lazy("Channel"),
            "text-nowrap",
            _channel,
            _channel,
            default=True,
            key=lambda s: s.channel,
        ),
        Column(
            "status",
            gettext_lazy("Status"),
            "",
            _status_cell,
            _status,
            default=True,
            key=_status_key,
        ),
        Column(
            "consent",
            gettext_lazy("Consent version"),
            "",
            _consent_cell,
            _consent_value,
            default=True,
            key=_consent_key,
        ),
        Column(
            "guest",
            gettext_lazy("Guest ID"),
            "",
            _guest_cell,
            lambda s: s.guest_id or "",
            default=True,
        ),
        *(_personal(name, label) for name, label in TYPED.items()),
        Column(
            "operator",
            gettext_lazy("Operator"),
            "text-nowrap",
            lambda s: _operator(s) or _NOTHING,
            _operator,
        ),
        Column(
            "messages",
            gettext_lazy("Messages"),
            "text-end",
            lambda s: str(s.messages_count),
            lambda s: s.messages_count,
        ),
        Column(
            "duration",
            gettext_lazy("Duration"),
            "text-end text-nowrap",
            lambda s: duration_of(s, "duration") or _NOTHING,
            _spreadsheet_duration,
        ),
        Column(
            "withdrawn",
            gettext_lazy("Consent withdrawn"),
            "",
            lambda s: moment(_withdrawn(s)),
            lambda s: _iso(_withdrawn(s)),
        ),
        Column(
            "anonymized",
            gettext_lazy("Anonymized"),
            "",
            lambda s: moment(s.anonymized_period),
            lambda s: _iso(s.anonymized_period),
        ),
    )
}
