"""The rows of the Sessions table, as HTML cells and as CSV values."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from django.db.models import Prefetch
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from sessions_app.gate import TYPED
from sessions_app.masking import MASK, Reader, mask
from sessions_app.matching import MATCHED
from sessions_app.models import ConsentEvent, Session, SessionQuerySet
from sessions_app.staff.columns import COLUMNS, Column

#: The fields that the columns and the list of withdrawals read. Other fields, for example a note,
#: can contain as much text as a transcript.
_OWN = [
    *("webchat", "guest", "operator", "channel", "status", "created_at", "duration"),
    *(f"entered_{name}" for name in TYPED),
    *("messages_visitor", "messages_operator", "withdrawn_at", "wants_erasure", "anonymized_in"),
]
_OF_OTHERS = ["webchat__name", "operator__username", *(f"guest__{name}" for name in MATCHED)]
_OF_EVENTS = [
    *("session", "kind", "day", "text__language"),
    *("text__version__number", "text__version__kind", "text__version__webchat__public_id"),
]


def with_row_data(sessions: SessionQuerySet) -> SessionQuerySet:
    """Add to the sessions everything that a row shows, in two queries for any number of rows.

    The consent events of a session are the list ``row_events``. The related manager would build a
    query set for each session and each column, although it is already filled.
    """
    events = ConsentEvent.objects.select_related("text__version__webchat").only(*_OF_EVENTS)
    return (
        sessions.with_holds()
        .select_related("webchat", "guest", "operator")
        .only(*_OWN, *_OF_OTHERS)
        .prefetch_related(Prefetch("consent_events", queryset=events, to_attr="row_events"))
    )


class SessionTable:
    """Sessions under the named columns. Personal columns are masked where ``reader`` may not see.

    With ``select``, the first column contains a checkbox for each session that can still be
    anonymized. The checkboxes belong to the form with the id ``bulk``.
    """

    def __init__(
        self,
        sessions: Iterable[Session],
        *,
        columns: Iterable[str],
        reader: Reader,
        select: bool = False,
    ) -> None:
        self.columns = _in_order(columns)
        self.select = select
        #: Each session with the HTML of its cells. A template loop would resolve, localize and
        #: escape three variables for each of 500 cells. The rows are built here and not during
        #: rendering, because Python calls functions more slowly deep inside nested templates.
        self.rows = list(self._rows(sessions, reader))

    def headings(self) -> Iterator[tuple[str, Any]]:
        """Yield the CSS class and the content of each heading, aligned with the cells below it."""
        if self.select:
            yield "choose", _select_all()
        for column in self.columns:
            yield column.css, column.label

    def _rows(
        self, sessions: Iterable[Session], reader: Reader
    ) -> Iterator[tuple[Session, SafeString]]:
        cells = [
            (_opening(column.css, column.label), _cell_of(column, reader))
            for column in self.columns
        ]
        if self.select:
            cells.insert(0, (_opening("choose", ""), _selection()))
        for session in sessions:
            row = [f"{opening}{conditional_escape(cell(session))}</td>" for opening, cell in cells]
            yield session, mark_safe("".join(row))  # noqa: S308  the parts are escaped


def csv_rows(
    sessions: Iterable[Session], *, columns: Iterable[str], reader: Reader
) -> Iterator[list[str | int]]:
    """Yield the plain values of each session, in the order of the table."""
    values = [_value_of(column, reader) for column in _in_order(columns)]
    for session in sessions:
        yield [value(session) for value in values]


def _in_order(names: Iterable[str]) -> list[Column]:
    chosen = set(names)
    return [column for name, column in COLUMNS.items() if name in chosen]


def _cell_of(column: Column, reader: Reader) -> Callable[[Session], str]:
    if not column.personal:
        return _built_once(column.cell, column.key) if column.key else column.cell

    def cell(session: Session) -> str:
        reason = reader.why_hidden(session)
        return mask(reason) if reason and column.value(session) else column.cell(session)

    return cell


def _built_once(
    build: Callable[[Session], str], key_of: Callable[[Session], Hashable]
) -> Callable[[Session], str]:
    cells: dict[Hashable, str] = {}

    def cell(session: Session) -> str:
        key = key_of(session)
        if key not in cells:
            cells[key] = build(session)
        return cells[key]

    return cell


def _value_of(column: Column, reader: Reader) -> Callable[[Session], str | int]:
    if not column.personal:
        return column.value
    return lambda session: (
        column.value(session) and (column.value(session) if reader.may_see(session) else MASK)
    )


def _opening(css: str, label: Any) -> str:
    """Return the start tag of a cell. On a phone, cards show its label before the value."""
    css_class = format_html(' class="{}"', css) if css else ""
    return format_html('<td role="cell" data-label="{}"{}>', label, css_class)


def _select_all() -> SafeString:
    return format_html(
        '<input class="form-check-input" type="checkbox" data-check-all="session" autocomplete="off"'
        ' aria-label="{}" hidden><span class="visually-hidden">{}</span>',
        _("Select all on this page"),
        _("Select"),
    )


def _selection() -> Callable[[Session], SafeString | str]:
    """Return a function that builds the checkbox of a session. The label is translated once."""
    label = _("Select session %(id)s")

    def checkbox(session: Session) -> SafeString | str:
        if session.anonymized_in is not None:
            return ""
        return format_html(
            '<input class="form-check-input" type="checkbox" name="session" value="{}" form="bulk"'
            ' autocomplete="off" aria-label="{}">',
            session.pk,
            label % {"id": session.pk},
        )

    return checkbox
