"""Read the stored consent events in the order of their numbers, check each of them, and hash them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from django.db.models import OuterRef, Subquery

from anonymization.ledger.chain import canonical
from anonymization.ledger.verification import NotGenuine
from sessions_app.evidence.signatures import MISSING_KEY, Statement, is_event_signed
from sessions_app.models import ConsentEvent, Session
from webchat.models import ConsentText, TextKind

#: The number of events that are read at a time, so that memory does not grow with the table.
CHUNK = 5000
#: Lower than any number of an event, also of one that was inserted with a number of its own.
LOWEST = -(2**63)


class Text(NamedTuple):
    """What an event says about its text."""

    sha256: str
    webchat: int
    kind: str


class Texts(dict[int, Text]):
    """The texts of events by number, each read once. There are few, and they never change."""

    def __missing__(self, pk: int) -> Text:
        found = ConsentText.objects.values_list("sha256", "version__webchat", "version__kind")
        text = self[pk] = Text(*found.get(pk=pk))
        return text


class Stored(NamedTuple):
    """A stored event and the WebChat of its session."""

    id: int
    session: int
    text: int
    kind: str
    day: date
    channel: str
    via: str
    hmac: str
    #: None if the session is missing, which only a database without its constraints can have.
    webchat: int | None

    def statement(self, text: Text) -> Statement:
        return Statement(
            session=self.session,
            text=self.text,
            sha256=text.sha256,
            kind=self.kind,
            day=self.day.isoformat(),
            channel=self.channel,
            via=self.via,
        )


_COLUMNS = ("pk", "session_id", "text_id", "kind", "day", "channel", "via", "hmac")
#: Not a join, which would leave out an event whose session is missing.
_WEBCHAT = Subquery(Session.objects.filter(pk=OuterRef("session_id")).order_by().values("webchat"))


def read(*, after: int, to: int | None) -> Iterator[Stored]:
    """Yield the events with a number above ``after`` and at most ``to``, in their order."""
    events = ConsentEvent.objects.order_by("pk").values_list(*_COLUMNS, _WEBCHAT)
    if to is not None:
        events = events.filter(pk__lte=to)
    while rows := list(events.filter(pk__gt=after)[:CHUNK]):
        yield from map(Stored._make, rows)
        after = rows[-1][0]


class Hashed(NamedTuple):
    """The number of events of a range, of those without an HMAC, and the hash of all of them."""

    number: int
    unsigned: int
    digest: bytes


def check_and_hash(
    texts: Texts, *, after: int, to: int | None, unsigned_allowed: bool, key_lost: bool = False
) -> Hashed:
    """Check each event of a range, and return the hash of the range.

    ``unsigned_allowed`` accepts events that earlier releases stored without an HMAC. With
    ``key_lost`` an HMAC is required as without it, but not checked.

    Raises:
        NotGenuine: an event is not genuine; the message names the first one.
    """
    count = unsigned = 0
    hashed = hashlib.sha256()
    for event in read(after=after, to=to):
        text = texts[event.text]
        statement = event.statement(text)
        problem = _problem(event, text)
        if not (problem or (key_lost and event.hmac)):
            problem = _problem_of_hmac(event, statement, unsigned_allowed)
        if problem:
            raise NotGenuine(f"Consent event {event.id} of session {event.session}: {problem}")
        facts = statement._asdict() | {"id": event.id, "hmac": event.hmac}
        hashed.update(canonical(facts) + b"\n")
        count += 1
        unsigned += not event.hmac
    return Hashed(count, unsigned, hashed.digest())


def _problem(event: Stored, text: Text) -> str:
    """Return why an event does not fit its session or text, or an empty string."""
    asked = event.kind in (ConsentEvent.Kind.GIVEN, ConsentEvent.Kind.WITHDRAWN)
    if event.webchat is None:
        return "its session is missing."
    if text.webchat != event.webchat:
        return "its text belongs to another WebChat than its session."
    if asked != (text.kind == TextKind.CONSENT):
        return "its text is of another kind: consent was not asked for with it."
    return ""


def _problem_of_hmac(event: Stored, statement: Statement, unsigned_allowed: bool) -> str:
    """Return why the HMAC of an event is not right, or an empty string."""
    if event.hmac:
        if is_event_signed(statement, event.hmac):
            return ""
        return f"its HMAC does not match. It was changed or added, or its key is not set. {MISSING_KEY}"
    return "" if unsigned_allowed else "it has no HMAC and is newer than the first anchor."
