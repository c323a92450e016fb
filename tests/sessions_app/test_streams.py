"""Test the events of a conversation: each once, in order, to the right readers, and the end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app import conversation, streams
from sessions_app.models import Party, Session
from sessions_app.streams import Cursor, Event, LiveWatch, Watch
from sessions_app.transcript import transcript_of
from tests.factories import (
    AttachmentFactory,
    ErasureFactory,
    MessageFactory,
    SessionFactory,
    StaffFactory,
)

pytestmark = pytest.mark.django_db
TOKEN = "a" * 64


def room(session: Session, after: str = "") -> Watch:
    """Return the visitor's watch of a session after an event id."""
    key = Session.objects.get(pk=session.pk).room_key or ""
    return Watch(Party.VISITOR, session.pk, Cursor.parse(after), token=TOKEN, room_key=key)


def page(session: Session) -> Watch:
    return Watch(Party.OPERATOR, session.pk, Cursor.parse(""))


def news(watch: Watch | LiveWatch) -> list[Event]:
    told = streams.read([watch])
    return told[0][1] if told else []


def say(session: Session, text: str, sender: Party = Party.VISITOR) -> None:
    MessageFactory(session=session, sender=sender, text=text)


def names(events: Sequence[Event]) -> list[str]:
    return [event.name for event in events]


def test_lines_come_once_in_the_order_of_time() -> None:
    session = SessionFactory()
    watch = room(session)
    say(session, "first <b>")
    AttachmentFactory(session=session, original_name="second.txt")
    say(session, "third", Party.OPERATOR)
    events = news(watch)
    assert names(events) == ["line"] * 3
    for event, text in zip(events, ("first &lt;b&gt;", "second.txt", "third"), strict=True):
        assert text in event.data
    assert f'href="/r/{TOKEN}/files/' in events[1].data
    assert news(watch) == []
    say(session, "fourth")
    assert ["fourth" in event.data for event in news(watch)] == [True]


@pytest.mark.parametrize("told", range(5))
def test_who_comes_back_gets_what_came_since_and_nothing_twice(told: int) -> None:
    session = SessionFactory()
    for number in range(2):
        say(session, f"text {number}")
        AttachmentFactory(session=session, original_name=f"file {number}.txt")
    say(session, "text 2")
    events = news(room(session))
    assert [
        *events[:told],
        *news(room(session, after=events[told - 1].id if told else "")),
    ] == events


def test_two_tabs_that_know_different_things_are_told_what_each_lacks() -> None:
    session = SessionFactory(messages=["text 0", "text 1", "text 2"])
    other = SessionFactory(new_guest=True, messages=["somebody else's"])
    first, second, third = (event.id for event in news(room(session)))
    told = streams.read(
        [room(session, first), room(session, second), room(session, third), room(other)]
    )
    lines = [
        [event.data.split("<p>")[1].split("<")[0] for event in events] for _watch, events in told
    ]
    assert lines == [["text 1", "text 2"], ["text 2"], ["somebody else&#x27;s"]]


def test_a_page_and_the_stream_behind_it_show_everything_once() -> None:
    session = SessionFactory(messages=["on the page"])
    AttachmentFactory(session=session)
    cursor = Cursor.of(Session.objects.get(pk=session.pk), transcript_of(session))
    assert news(room(session, after=str(cursor))) == []
    say(session, "behind it")
    (event,) = news(room(session, after=str(cursor)))
    assert "behind it" in event.data


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "x",
        "1-waiting",
        "1-2-waiting",
        "1-2-3-4-waiting",
        "1-2-3-gone",
        "-1-2-3-waiting",
        "9" * 30 + "-1-1-waiting",
        "٣-1-1-waiting",
    ],
)
def test_an_invalid_id_starts_from_the_beginning(odd: str) -> None:
    session = SessionFactory(messages=["first"])
    assert names(news(room(session, after=odd))) == ["line"]


def test_the_room_is_told_in_the_visitors_language() -> None:
    (event,) = news(room(SessionFactory(language="cs", messages=["Dobrý den"])))
    assert "Vy · " in " ".join(event.data.split())


def test_staff_are_told_that_and_not_what() -> None:
    session = SessionFactory()
    watch = page(session)
    say(session, "Kassiopeia")
    AttachmentFactory(session=session, original_name="Kassiopeia.txt")
    events = news(watch)
    assert names(events) == ["line", "line"]
    assert "Kassiopeia" not in repr(events)


def test_joining_and_end_name_the_party() -> None:
    session = SessionFactory()
    visitor, operator = room(session), page(session)
    assert news(visitor) == []
    conversation.accept_session(session, operator=StaffFactory())
    (joined,) = news(visitor)
    assert (joined.name, joined.last) == ("joined", False)
    assert "An operator has joined" in joined.data
    assert [(e.name, e.data) for e in news(operator)] == [("joined", "joined")]
    conversation.release_session(session, operator=User.objects.get())
    assert "Another one will join you" in news(visitor)[0].data
    assert names(news(operator)) == ["left"]
    say(session, "last words", Party.OPERATOR)
    conversation.end_session(session, by=Party.OPERATOR)
    events = news(visitor)
    assert names(events) == ["line", "ended"]
    assert "The operator has ended the conversation." in events[1].data
    assert events[1].last
    assert names(news(operator)) == ["line", "ended"]


def test_an_erasure_says_so_and_nothing_else() -> None:
    session = SessionFactory()
    visitor, operator = room(session), page(session)
    say(session, "Kassiopeia")
    ErasureFactory(subject=session)
    for watch in (visitor, operator):
        (event,) = news(watch)
        assert (event.name, event.last) == ("erased", True)
        assert "Kassiopeia" not in event.data
    assert "was anonymized" in news(room(session))[0].data


def test_a_revoked_room_is_told_nothing() -> None:
    session = SessionFactory()
    watch = room(session)
    say(session, "Kassiopeia")
    Session.objects.filter(pk=session.pk).update(room_key="b" * 64)
    assert names(news(watch)) == ["erased"]


def test_who_may_no_longer_watch_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "RECHECK", 0)
    session = SessionFactory()
    for watch in (page(session), LiveWatch("")):
        watch.allowed = lambda: True
        assert names(news(watch)) != ["denied"]
        watch.allowed = lambda: False
        (event,) = news(watch)
        assert (event.name, event.last) == ("denied", True)


def test_the_live_view_hears_of_what_it_shows_and_of_nothing_else() -> None:
    session, watch = SessionFactory(), LiveWatch("")
    assert names(news(watch)) == ["changed"]
    assert news(watch) == []
    assert news(LiveWatch(watch.seen)) == []
    conversation.set_note(session, note="Kassiopeia", result="")
    assert news(watch) == []
    for change in (
        lambda: SessionFactory(new_guest=True),
        lambda: say(session, "Kassiopeia"),
        lambda: conversation.accept_session(session, operator=StaffFactory()),
        lambda: conversation.end_session(session, by=Party.VISITOR),
    ):
        change()
        (event,) = news(watch)
        assert event.name == "changed"
        assert "Kassiopeia" not in repr(event)


@pytest.mark.parametrize("rooms", [1, 5])
def test_the_number_of_queries_does_not_grow_with_the_streams(rooms: int) -> None:
    watches: list[Watch | LiveWatch] = [LiveWatch("")]
    for session in SessionFactory.create_batch(rooms, new_guest=True, messages=["x"]):
        AttachmentFactory(session=session)
        watches += [room(session), room(session), page(session)]
    with CaptureQueriesContext(connection) as queries:
        told = streams.read(watches)
    assert len(told) == len(watches)
    assert len(queries) == 1 + len(streams.SOURCES) + 1


def test_each_event_of_a_source_has_a_text() -> None:
    """A browser drops an event without data."""
    session = AttachmentFactory(session__messages=["x"]).session
    for watch in (room(session), page(session)):
        assert all(event.data.strip() for event in news(watch))
