"""The rows of the Sessions table, as HTML cells and as CSV values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from sessions_app.masking import MASK, mask
from sessions_app.matching import MATCHED
from sessions_app.models import ConsentEvent, Session
from sessions_app.staff.columns import COLUMNS, Column

# No row shows these fields, and they can contain as much text as a transcript.
_UNSEEN = {"params", "user_agent", "landing_page", "referrer", "note", "result", "feedback_text"}
_OWN = [field.name for field in Session._meta.concrete_fields if field.name not in _UNSEEN]
_OF_OTHERS = ["webchat__name", "operator__username", *(f"guest__{name}" for name in MATCHED)]
_OF_EVENTS = [
    *("session", "kind", "day", "text__language"),
    *("text__version__number", "text__version__kind", "text__version__webchat__public_id"),
]


def with_row_data(sessions: QuerySet[Session]) -> QuerySet[Session]:
    """Add to the sessions everything that a row shows, in two queries for any number of rows."""
    events = ConsentEvent.objects.select_related("text__version__webchat").only(*_OF_EVENTS)
    return (
        sessions.select_related("webchat", "guest", "operator")
        .only(*_OWN, *_OF_OTHERS)
        .prefetch_related(Prefetch("consent_events", queryset=events))
    )


class SessionTable:
    """Sessions under the named columns. Without ``sees_people``, personal columns are masked.

    With ``select``, the first column contains a checkbox for each session that can still be
    anonymized. The checkboxes belong to the form with the id ``bulk``.
    """

    def __init__(
        self,
        sessions: Iterable[Session],
        *,
        columns: Iterable[str],
        sees_people: bool,
        select: bool = False,
    ) -> None:
        self.columns = _in_order(columns)
        self.select = select
        #: Each session with the HTML of its cells. A template loop would resolve, localize and
        #: escape three variables for each of 500 cells. The rows are built here and not during
        #: rendering, because Python calls functions more slowly deep inside nested templates.
        self.rows = list(self._rows(sessions, sees_people=sees_people))

    def headings(self) -> Iterator[tuple[str, Any]]:
        """Yield the CSS class and the content of each heading, aligned with the cells below it."""
        if self.select:
            yield "choose", _select_all()
        for column in self.columns:
            yield column.css, column.label

    def _rows(
        self, sessions: Iterable[Session], *, sees_people: bool
    ) -> Iterator[tuple[Session, SafeString]]:
        cells = [
            (_opening(column.css, column.label), _cell_of(column, sees_people=sees_people))
            for column in self.columns
        ]
        if self.select:
            cells.insert(0, (_opening("choose", ""), _select_one))
        for session in sessions:
            row = (f"{opening}{conditional_escape(cell(session))}</td>" for opening, cell in cells)
            yield session, mark_safe("".join(row))  # noqa: S308  the parts are escaped


def csv_rows(
    sessions: Iterable[Session], *, columns: Iterable[str], sees_people: bool
) -> Iterator[list[str | int]]:
    """Yield the plain values of each session, in the order of the table."""
    values = [_value_of(column, sees_people=sees_people) for column in _in_order(columns)]
    for session in sessions:
        yield [value(session) for value in values]


def _in_order(names: Iterable[str]) -> list[Column]:
    chosen = set(names)
    return [column for name, column in COLUMNS.items() if name in chosen]


def _cell_of(column: Column, *, sees_people: bool) -> Callable[[Session], str]:
    if sees_people or not column.personal:
        return column.cell
    masked = mask()
    return lambda session: masked if column.value(session) else column.cell(session)


def _value_of(column: Column, *, sees_people: bool) -> Callable[[Session], str | int]:
    if sees_people or not column.personal:
        return column.value
    return lambda session: column.value(session) and MASK


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


def _select_one(session: Session) -> SafeString | str:
    if session.anonymized_at is not None:
        return ""
    return format_html(
        '<input class="form-check-input" type="checkbox" name="session" value="{}" form="bulk"'
        ' autocomplete="off" aria-label="{}">',
        session.pk,
        _("Select session %(id)s") % {"id": session.pk},
    )
