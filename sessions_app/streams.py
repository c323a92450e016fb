"""The events of a stream: one conversation for either side, or the Live view for staff.

``read`` turns the watches that were woken into events. The number of queries does not grow with the
number of watches, and a waiting watch occupies no database connection. The id of an event is a
``Cursor`` over primary keys. A browser that reconnects with it (``Last-Event-ID``) receives every
later event exactly once. Within a session, keys increase in the order of commits, because every
writer locks the session row first (``lock.lock_writable``).

For the visitor, a ``line`` event contains the line as the page renders it. For staff the event is
only a hint, and the page then fetches what its reader may see. ``joined``, ``left`` and ``ended``
report the operator and the end. An anonymized conversation sends only ``erased``.

``signal`` reports, to both sides and without content, that the other side's browser has sent a
signal for a call.

**To add another kind of event**, add two things:

1. a ``Source`` in ``SOURCES``: rows of a model with a foreign key ``session`` and an increasing
   key, and ``render``, which returns what one watch receives for a row, or None for nothing. The
   text must not be empty, because browsers drop empty events. ``watch.side`` distinguishes the
   visitor from the operator. Append the source at the end of the tuple: ids have one position per
   source, and ``Cursor.of`` needs one too;
2. a migration with ``tell_streams("<table>", "session_id")``, so that PostgreSQL wakes the streams
   for each new row. SQLite needs nothing, because every commit wakes the streams there.

The rows are personal data. Their writer must call ``lock_writable``, and ``erasure.py`` must
declare them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils import translation

from sessions_app.models import Attachment, Message, Party, Session, Signal, Status
from sessions_app.transcript import Line, line_of

#: The maximum number of digits of a key. SQLite cannot store longer ones, but a forged id may have
#: them.
_KEY_DIGITS = 18
#: The number of seconds after which the right of a watching staff member is checked again.
RECHECK = 5


class Event(NamedTuple):
    """One event of a stream. ``last`` ends the stream."""

    name: str
    data: str
    id: str = ""
    last: bool = False


@dataclass(frozen=True)
class Cursor:
    """The position of a stream: the newest key sent from each source, and the last status."""

    keys: tuple[int, ...]
    status: str

    def __str__(self) -> str:
        return "-".join((*map(str, self.keys), self.status))

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Parse the id of an event. An invalid id means: start from the beginning."""
        *numbers, status = text[:200].split("-")
        fit = all(n.isascii() and n.isdecimal() and len(n) <= _KEY_DIGITS for n in numbers)
        if fit and len(numbers) == len(SOURCES) and status in Status:
            return cls(tuple(map(int, numbers)), status)
        return cls((0,) * len(SOURCES), Status.WAITING)

    @classmethod
    def of(cls, session: Session, lines: Iterable[Line], signal: int = 0) -> Cursor:
        """Return the position after a page that shows these lines of the session and this signal.

        The page reads the session before its lines. A change in between is therefore on the page
        and is sent again. The page ignores a line that it already shows, because each line has an
        id.
        """
        shown = list(lines)
        keys = (
            max((line.message.pk for line in shown if line.message), default=0),
            max((line.attachment.pk for line in shown if line.attachment), default=0),
            signal,
        )
        return cls(keys, session.status)

    def after(self, place: int, key: int) -> Cursor:
        return replace(
            self, keys=(*self.keys[:place], max(key, self.keys[place]), *self.keys[place + 1 :])
        )


@dataclass(eq=False)
class Watch:
    """A stream of one conversation, for the visitor (room's secret) or for staff (``allowed``)."""

    side: Party
    session: int
    cursor: Cursor
    #: The secret of the visitor's room, for the URLs in lines, and its hash in the session.
    token: str = ""
    room_key: str = ""
    #: For staff: returns whether they may still watch. It queries the database.
    allowed: Callable[[], bool] | None = None
    asked: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class LiveWatch:
    """A staff member's stream of the Live view. ``seen`` is the ``live_state`` sent last."""

    seen: str
    allowed: Callable[[], bool] | None = None
    asked: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Source:
    """A table whose rows produce events; see the module docstring."""

    event: str
    rows: Callable[[], QuerySet[Any]]
    render: Callable[[Any, Watch], str | None]


def _line(row: Message | Attachment, watch: Watch) -> str:
    """Return the line as the room shows it. For staff, return only its key."""
    if watch.side != Party.VISITOR:
        return str(row.pk)
    context = {"line": line_of(row), "token": watch.token}
    return render_to_string("sessions_app/visitor/line.html", context)


def _signal(row: Signal, watch: Watch) -> str | None:
    """Return the key of a signal that concerns this side; its browser then fetches the signal.

    The content is not sent, because other pages may watch the conversation too.
    """
    concerns = row.sender != watch.side or row.kind == Signal.Kind.READY
    return str(row.pk) if concerns else None


SOURCES = (
    Source("line", lambda: Message.objects.select_related("author"), _line),
    Source("line", lambda: Attachment.objects.select_related("author"), _line),
    Source("signal", lambda: Signal.objects.defer("body"), _signal),
)


def read(watches: Iterable[Watch | LiveWatch]) -> list[tuple[Watch | LiveWatch, list[Event]]]:
    """Return the new events of each watch and advance its cursor. Omit watches without events."""
    told: list[tuple[Watch | LiveWatch, list[Event]]] = []
    talks, lives = [], []
    for watch in watches:
        if not _still_allowed(watch):
            told.append((watch, [Event("denied", "-", last=True)]))
        elif isinstance(watch, Watch):
            talks.append(watch)
        else:
            lives.append(watch)
    told += _read_talks(talks) if talks else []
    told += _read_live(lives) if lives else []
    return [(watch, events) for watch, events in told if events]


def _still_allowed(watch: Watch | LiveWatch) -> bool:
    """Return whether staff may still watch, checked at most every ``RECHECK`` seconds.

    Less often than at every event is enough, because events for staff are hints without content.
    """
    now = time.monotonic()
    if watch.allowed is None or now - watch.asked < RECHECK:
        return True
    watch.asked = now
    return watch.allowed()


def _read_talks(watches: Sequence[Watch]) -> list[tuple[Watch | LiveWatch, list[Event]]]:
    fields = ("status", "language", "room_key", "anonymized_in", "ended_by")
    keys = {watch.session for watch in watches}
    # The sessions are read before their rows. Rows that were stored before the end of a session are
    # then always read together with the end.
    sessions = Session.objects.only(*fields).in_bulk(keys)
    fresh = [_fresh_rows(place, watches) for place in range(len(SOURCES))]
    told: list[tuple[Watch | LiveWatch, list[Event]]] = []
    for watch in watches:
        session = sessions.get(watch.session)
        language = session.language if session else None
        with translation.override(language):
            rows = [
                (place, row)
                for place, found in enumerate(fresh)
                for row in found.get(watch.session, ())
            ]
            told.append((watch, list(_events(watch, session, rows))))
    return told


def _fresh_rows(place: int, watches: Sequence[Watch]) -> dict[int, list[Any]]:
    """Return, by session, the rows of a source that some watch has not received, in one query."""
    since = min(watch.cursor.keys[place] for watch in watches)
    rows = SOURCES[place].rows().order_by("pk")
    found: dict[int, list[Any]] = {}
    for row in rows.filter(session_id__in={watch.session for watch in watches}, pk__gt=since):
        found.setdefault(row.session_id, []).append(row)
    return found


def _events(watch: Watch, session: Session | None, rows: list[tuple[int, Any]]) -> Iterator[Event]:
    """Yield the new events of one watch: rows in order of time, then the change of status."""
    if (
        session is None
        or session.anonymized_in
        or (watch.room_key and session.room_key != watch.room_key)
    ):
        yield Event("erased", _notice("erased", watch, session), last=True)
        return
    fresh = [(place, row) for place, row in rows if row.pk > watch.cursor.keys[place]]
    for place, row in sorted(fresh, key=lambda one: one[1].at):
        watch.cursor = watch.cursor.after(place, row.pk)
        data = SOURCES[place].render(row, watch)
        if data:
            yield Event(SOURCES[place].event, data, id=str(watch.cursor))
    before, watch.cursor = watch.cursor.status, replace(watch.cursor, status=session.status)
    if not session.is_open:
        yield Event("ended", _notice("ended", watch, session), id=str(watch.cursor), last=True)
    elif session.status != before:
        name = "joined" if session.status == Status.ACTIVE else "left"
        yield Event(name, _notice(name, watch, session), id=str(watch.cursor))


def _notice(state: str, watch: Watch, session: Session | None) -> str:
    """Return what the room displays for a change of status. For staff, return only its name."""
    if watch.side != Party.VISITOR:
        return state
    context = {"state": state, "session": session}
    return render_to_string("sessions_app/visitor/state.html", context).strip()


def live_state() -> str:
    """Return a hash that changes whenever some page of the Live view would look different."""
    open_ones = Session.objects.exclude(status=Status.CLOSED).order_by("-created_at", "-pk")
    shown = (
        "pk",
        "status",
        "operator_id",
        "messages_visitor",
        "messages_operator",
        "attachments_count",
    )
    rows = list(open_ones.values_list(*shown))
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def _read_live(watches: Sequence[LiveWatch]) -> list[tuple[Watch | LiveWatch, list[Event]]]:
    state = live_state()
    behind = [watch for watch in watches if watch.seen != state]
    for watch in behind:
        watch.seen = state
    return [(watch, [Event("changed", state, id=state)]) for watch in behind]
