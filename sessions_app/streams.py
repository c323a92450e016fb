"""What a stream of events says: of one conversation to either side, and of all open ones to the Live view.

``read`` turns the watches that were woken into events, in a number of queries that does not grow with them; who waits
holds no database connection. An event's id is a ``Cursor`` over primary keys: who comes back with it
(``Last-Event-ID``) gets what came since, nothing lost and nothing twice. Within a session keys count up in the order
of commits, since every writer locks the session's row first (``lock.lock_writable``).

To the visitor a ``line`` carries the line as the page renders it; to staff it is only a hint, upon which the page
fetches what its reader may see. ``joined``, ``left`` and ``ended`` tell of the operator and of the end. A conversation
that was anonymized says ``erased`` and nothing more.

``signal`` says that the other side's browser has something to tell for a call, to both sides without what it is.

**Another kind of event** is two things:

1. a ``Source`` in ``SOURCES``: rows of a model with a foreign key ``session`` and a key that counts up, and ``render``,
   which returns what one watch is told of a row (never an empty text, which browsers drop), or None if nothing.
   ``watch.side`` tells the visitor from the operator. At the end of the tuple: ids have one place for each,
   and so has ``Cursor.of``;
2. a migration with ``tell_streams("<table>", "session_id")``, so that PostgreSQL wakes the streams at each new row.
   SQLite needs nothing: there every commit wakes.

Rows are personal data as any other: their writer calls ``lock_writable``, and ``erasure.py`` declares them.
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

#: What SQLite and a forged id can't exceed.
_KEY_DIGITS = 18
#: Who watches by a login is asked again for it after so many seconds.
RECHECK = 5
#: How many open conversations the Live view knows.
LIVE_LIMIT = 200


class Event(NamedTuple):
    """One event; after the ``last`` one its stream ends."""

    name: str
    data: str
    id: str = ""
    last: bool = False


@dataclass(frozen=True)
class Cursor:
    """How far a stream has come: the newest key of each source that was told, and the status."""

    keys: tuple[int, ...]
    status: str

    def __str__(self) -> str:
        return "-".join((*map(str, self.keys), self.status))

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read an event's id; what is none counts as the beginning."""
        *numbers, status = text[:200].split("-")
        fit = all(n.isascii() and n.isdecimal() and len(n) <= _KEY_DIGITS for n in numbers)
        if fit and len(numbers) == len(SOURCES) and status in Status:
            return cls(tuple(map(int, numbers)), status)
        return cls((0,) * len(SOURCES), Status.WAITING)

    @classmethod
    def of(cls, session: Session, lines: Iterable[Line], signal: int = 0) -> Cursor:
        """Return where a stream begins behind a page that shows the session with these lines, after this signal.

        The page reads the session before its lines: what comes between is on the page and told again, and a line
        that is there already is not put there twice (each has an id).
        """
        shown = list(lines)
        keys = (
            max((line.message.pk for line in shown if line.message), default=0),
            max((line.attachment.pk for line in shown if line.attachment), default=0),
            signal,
        )
        return cls(keys, session.status)

    def after(self, place: int, key: int) -> Cursor:
        return replace(self, keys=(*self.keys[:place], max(key, self.keys[place]), *self.keys[place + 1 :]))


@dataclass(eq=False)
class Watch:
    """Somebody who watches one conversation: the visitor by the room's secret, or staff by ``allowed``."""

    side: Party
    session: int
    cursor: Cursor
    #: The visitor's room: its secret, for addresses in lines, and what the session stores of it.
    token: str = ""
    room_key: str = ""
    #: Of staff: whether they may still watch. Asks the database.
    allowed: Callable[[], bool] | None = None
    asked: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class LiveWatch:
    """Somebody in staff who watches which conversations are open; ``seen`` is the ``live_state`` they know."""

    seen: str
    allowed: Callable[[], bool] | None = None
    asked: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Source:
    """Rows of one table that belong to conversations, and what is told of each: see above."""

    event: str
    rows: Callable[[], QuerySet[Any]]
    render: Callable[[Any, Watch], str | None]


def _line(row: Message | Attachment, watch: Watch) -> str:
    """Return the line as the room shows it; to staff only its key."""
    if watch.side != Party.VISITOR:
        return str(row.pk)
    context = {"line": line_of(row), "token": watch.token}
    return render_to_string("sessions_app/visitor/line.html", context)


def _signal(row: Signal, watch: Watch) -> str | None:
    """Return its key, upon which the other side fetches it: what it holds goes to nobody else who watches."""
    concerns = row.sender != watch.side or row.kind == Signal.Kind.READY
    return str(row.pk) if concerns else None


SOURCES = (
    Source("line", lambda: Message.objects.select_related("author"), _line),
    Source("line", lambda: Attachment.objects.select_related("author"), _line),
    Source("signal", lambda: Signal.objects.defer("body"), _signal),
)


def read(watches: Iterable[Watch | LiveWatch]) -> list[tuple[Watch | LiveWatch, list[Event]]]:
    """Return what is new for each watch, and move it on. Watches without news are left out."""
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
    """Ask again whether staff may watch, but not at every event: to them events are hints without content."""
    now = time.monotonic()
    if watch.allowed is None or now - watch.asked < RECHECK:
        return True
    watch.asked = now
    return watch.allowed()


def _read_talks(watches: Sequence[Watch]) -> list[tuple[Watch | LiveWatch, list[Event]]]:
    fields = ("status", "language", "room_key", "anonymized_at", "ended_by")
    keys = {watch.session for watch in watches}
    # First the session, then its rows: what was stored before its end is then read with it.
    sessions = Session.objects.only(*fields).in_bulk(keys)
    fresh = [_fresh_rows(place, watches) for place in range(len(SOURCES))]
    told: list[tuple[Watch | LiveWatch, list[Event]]] = []
    for watch in watches:
        session = sessions.get(watch.session)
        language = session.language if session else None
        with translation.override(language):
            rows = [(place, row) for place, found in enumerate(fresh) for row in found.get(watch.session, ())]
            told.append((watch, list(_events(watch, session, rows))))
    return told


def _fresh_rows(place: int, watches: Sequence[Watch]) -> dict[int, list[Any]]:
    """Return session → rows of a source that one of its watches was not told of, by one query."""
    since = min(watch.cursor.keys[place] for watch in watches)
    rows = SOURCES[place].rows().order_by("pk")
    found: dict[int, list[Any]] = {}
    for row in rows.filter(session_id__in={watch.session for watch in watches}, pk__gt=since):
        found.setdefault(row.session_id, []).append(row)
    return found


def _events(watch: Watch, session: Session | None, rows: list[tuple[int, Any]]) -> Iterator[Event]:
    """Yield what is new to one watch: its rows in the order of time, then what became of the conversation."""
    if session is None or session.anonymized_at or (watch.room_key and session.room_key != watch.room_key):
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
    """Return what the room says of it; to staff the bare word."""
    if watch.side != Party.VISITOR:
        return state
    context = {"state": state, "session": session}
    return render_to_string("sessions_app/visitor/state.html", context).strip()


def live_state() -> str:
    """Return what changes whenever the Live view would look different."""
    open_ones = Session.objects.exclude(status=Status.CLOSED).order_by("-created_at", "-pk")
    shown = ("pk", "status", "operator_id", "messages_visitor", "messages_operator", "attachments_count")
    rows = list(open_ones.values_list(*shown)[:LIVE_LIMIT])
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def _read_live(watches: Sequence[LiveWatch]) -> list[tuple[Watch | LiveWatch, list[Event]]]:
    state = live_state()
    behind = [watch for watch in watches if watch.seen != state]
    for watch in behind:
        watch.seen = state
    return [(watch, [Event("changed", state, id=state)]) for watch in behind]
