"""The Sessions table, on the page and as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import django_tables2 as tables
from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lib.look import moment, status_badge
from sessions_app.masking import MASK, mask
from sessions_app.models import ConsentEvent, Session

#: The columns that a member of staff may choose, in their order.
COLUMNS: dict[str, str | Promise] = {
    "id": gettext_lazy("Session ID"),
    "created_at": gettext_lazy("Started"),
    "webchat": "WebChat",
    "channel": gettext_lazy("Channel"),
    "status": gettext_lazy("Status"),
    "consent": gettext_lazy("Consent version"),
    "guest": gettext_lazy("Guest ID"),
    "name": gettext_lazy("Name"),
    "email": gettext_lazy("E-mail"),
    "phone": gettext_lazy("Phone"),
    "operator": gettext_lazy("Operator"),
    "messages": gettext_lazy("Messages"),
    "duration": gettext_lazy("Duration"),
    "withdrawn": gettext_lazy("Consent withdrawn"),
    "anonymized": gettext_lazy("Anonymized"),
}
#: What fits beside each other on a screen of 1360 pixels.
DEFAULT_COLUMNS = ["id", "created_at", "webchat", "channel", "status", "consent", "guest", "name", "email"]
_CSS = {
    "select": "choose",
    "webchat": "text-nowrap",
    "channel": "text-nowrap",
    "name": "text-nowrap",
    "email": "text-nowrap",
    "operator": "text-nowrap",
    "messages": "text-end",
    "duration": "text-end text-nowrap",
}

# What no row of the table shows; a transcript's worth of text would be read for nothing.
_UNSEEN = ("params", "user_agent", "landing_page", "referrer", "note", "result", "feedback_text")


def with_row_data(sessions: QuerySet[Session]) -> QuerySet[Session]:
    """Return the sessions with all that a row shows: two queries, whatever the number of rows."""
    events = ConsentEvent.objects.select_related("text__version__webchat").defer(
        "text__body", "text__document"
    )
    return (
        sessions.select_related("webchat", "guest", "operator")
        .defer(*_UNSEEN)
        .prefetch_related(Prefetch("consent_events", queryset=events))
    )


def readable_duration(duration: timedelta | None) -> str:
    """Return a duration as ``1 h 2 min`` or ``2 min 3 s``, in symbols that all languages share; nothing for nothing."""
    if duration is None:
        return ""
    hours, minutes, seconds = _parts(duration)
    parts = [f"{hours} h"] if hours else []
    parts += [f"{minutes} min"] if minutes else []
    parts += [f"{seconds} s"] if not hours and (seconds or not minutes) else []
    return " ".join(parts)


def _parts(duration: timedelta) -> tuple[int, int, int]:
    """Return hours, minutes and seconds."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    return minutes // 60, minutes % 60, seconds


class SelectColumn(tables.Column):
    """A checkbox for each session that can still be anonymized, belonging to the form with the id ``bulk``."""

    def __init__(self) -> None:
        super().__init__(accessor="pk", empty_values=())

    @property
    def header(self) -> SafeString:
        return format_html(
            '<input class="form-check-input" type="checkbox" data-check-all="session" autocomplete="off"'
            ' aria-label="{}" hidden><span class="visually-hidden">{}</span>',
            _("Choose all on this page"),
            _("Choose"),
        )


class Cell(tables.Column):
    """A column that renders empty values too, by the table's own method."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(verbose_name=COLUMNS[name], accessor="pk", empty_values=(), **kwargs)


class SessionTable(tables.Table):
    """Rows of sessions. ``sees_people`` says whether names, e-mails and phones are shown or masked."""

    select = SelectColumn()
    id = Cell("id")
    created_at = Cell("created_at")
    webchat = Cell("webchat")
    channel = Cell("channel")
    status = Cell("status")
    consent = Cell("consent")
    guest = Cell("guest")
    name = Cell("name")
    email = Cell("email")
    phone = Cell("phone")
    operator = Cell("operator")
    messages = Cell("messages")
    duration = Cell("duration")
    withdrawn = Cell("withdrawn")
    anonymized = Cell("anonymized")

    class Meta:
        template_name = "sessions_app/staff/table.html"
        orderable = False
        attrs = {"class": "table table-sm table-vcenter card-table table-cards"}

    def __init__(
        self, rows: Iterable[Session], *, columns: Iterable[str], sees_people: bool, select: bool = False
    ) -> None:
        shown = {*columns, *(["select"] if select else [])}
        super().__init__(list(rows), exclude=[name for name in self.base_columns if name not in shown])
        self.sees_people = sees_people

    def page_header(self) -> Iterator[tuple[str, Any]]:
        """Yield the CSS class and the content of each heading, aligned as the cells below it."""
        for column in self.columns:
            yield _CSS.get(column.name, ""), column.header

    def page_rows(self) -> Iterator[tuple[Session, list[tuple[str, Any, Any]]]]:
        """Yield each session with the CSS class, the column's name and the content of its cells.

        django-tables2 reads the signature of each method for each cell; here 50 rows have 700 cells.
        """
        cells = [
            (_CSS.get(column.name, ""), COLUMNS.get(column.name, ""), getattr(self, f"render_{column.name}"))
            for column in self.columns
        ]
        for record in self.data:
            yield record, [(css, label, render(record)) for css, label, render in cells]

    def csv_rows(self) -> Iterator[list[Any]]:
        """Yield the plain values of each row, in the order of the columns."""
        values = [
            getattr(self, f"value_{column.name}", None) or getattr(self, f"render_{column.name}")
            for column in self.columns
        ]
        for record in self.data:
            yield [value(record) for value in values]

    # What the page shows, and what a file holds where that differs.

    def render_select(self, record: Session) -> SafeString | str:
        if record.anonymized_at is not None:
            return ""
        return format_html(
            '<input class="form-check-input" type="checkbox" name="session" value="{}" form="bulk"'
            ' autocomplete="off" aria-label="{}">',
            record.pk,
            _("Choose session %(id)s") % {"id": record.pk},
        )

    def render_id(self, record: Session) -> SafeString:
        return format_html('<a href="{}">{}</a>', record.get_absolute_url(), record.pk)

    def value_id(self, record: Session) -> int:
        return record.pk

    def render_created_at(self, record: Session) -> SafeString | str:
        return moment(record.started)

    def value_created_at(self, record: Session) -> str:
        return _iso(record.started)

    def render_webchat(self, record: Session) -> SafeString | str:
        return _cut(record.webchat.name)

    def value_webchat(self, record: Session) -> str:
        return record.webchat.name

    def render_channel(self, record: Session) -> str:
        return str(record.get_channel_display())

    def render_status(self, record: Session) -> SafeString:
        if record.anonymized_at is not None:  # which ended it
            return status_badge("anonymized", _("Anonymized"))
        return status_badge(record.status, record.get_status_display())

    def value_status(self, record: Session) -> str:
        return str(record.get_status_display())

    def render_guest(self, record: Session) -> SafeString | str:
        if record.guest is None:
            return "–"
        return format_html('<a href="{}">{}</a>', record.guest.get_absolute_url(), record.guest.pk)

    def value_guest(self, record: Session) -> int | str:
        return record.guest_id or ""

    def render_name(self, record: Session) -> SafeString | str:
        return _cut(self._personal(record, "name"))

    def value_name(self, record: Session) -> str:
        return self._personal(record, "name", in_file=True)

    def render_email(self, record: Session) -> SafeString | str:
        return _cut(self._personal(record, "email"))

    def value_email(self, record: Session) -> str:
        return self._personal(record, "email", in_file=True)

    def render_phone(self, record: Session) -> str:
        return self._personal(record, "phone")

    def value_phone(self, record: Session) -> str:
        return self._personal(record, "phone", in_file=True)

    def _personal(self, record: Session, name: str, *, in_file: bool = False) -> str:
        """Return what the visitor entered in this session, else what the guest is known by; or the mask."""
        value = getattr(record, f"entered_{name}") or (getattr(record.guest, name) if record.guest else "")
        if not value:
            return "" if in_file else "–"
        if self.sees_people:
            return value
        return MASK if in_file else mask()

    def render_consent(self, record: Session) -> SafeString | str:
        links = [
            (event.text.get_absolute_url(), consent_label(event), _withdrawn_badge(record))
            for event in record.consent_events.all()
            if event.kind == ConsentEvent.Kind.GIVEN
        ]
        return format_html_join(" ", '<a class="text-nowrap" href="{}">{}</a>{}', links) or "–"

    def value_consent(self, record: Session) -> str:
        return ", ".join(
            consent_label(event)
            + (f" ({_('withdrawn')})" if event.kind == ConsentEvent.Kind.WITHDRAWN else "")
            for event in record.consent_events.all()
        )

    def render_operator(self, record: Session) -> str:
        return record.operator.username if record.operator else "–"

    def value_operator(self, record: Session) -> str:
        return record.operator.username if record.operator else ""

    def render_messages(self, record: Session) -> int:
        return record.messages_count

    def render_duration(self, record: Session) -> str:
        return readable_duration(record.duration) or "–"

    def value_duration(self, record: Session) -> str:
        """Return ``1:02:03``, which a spreadsheet reads as a duration."""
        return "{}:{:02}:{:02}".format(*_parts(record.duration)) if record.duration is not None else ""

    def render_withdrawn(self, record: Session) -> SafeString | str:
        return moment(_withdrawn(record)) if _withdrawn(record) else "–"

    def value_withdrawn(self, record: Session) -> str:
        return _iso(_withdrawn(record))

    def render_anonymized(self, record: Session) -> SafeString | str:
        if record.anonymized_at is None:
            return "–"
        return moment(record.anonymized_at)

    def value_anonymized(self, record: Session) -> str:
        return _iso(record.anonymized_at)


def _cut(text: str) -> SafeString | str:
    """Return a text that the page cuts where it is too long; the whole of it on hover."""
    if isinstance(text, SafeString) or len(text) < 16:
        return text
    return format_html('<span class="cut" title="{}">{}</span>', text, text)


def consent_label(event: ConsentEvent) -> str:
    """Return the version and language of what was consented to, such as ``v3 cs``."""
    return f"v{event.text.version.number} {event.text.language}"


def _withdrawn(record: Session) -> datetime | date | None:
    """Return when consent was withdrawn, as exactly as it is known: of an anonymized session a rounded day is left."""
    events = (e for e in record.consent_events.all() if e.kind == ConsentEvent.Kind.WITHDRAWN)
    return record.withdrawn_at or next((event.known_day for event in events), None)


def _withdrawn_badge(record: Session) -> SafeString | str:
    return format_html(" {}", status_badge("withdrawn", _("withdrawn"))) if _withdrawn(record) else ""


def _iso(value: datetime | date | None) -> str:
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(sep=" ", timespec="seconds")
    return value.isoformat() if value else ""
