"""Test that abandoned conversations are ended once, at the last life sign of the visitor."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from mluvii_gdpr.models import EventsProcess
from mluvii_gdpr.streams import hub
from mluvii_gdpr.streams.application import Events
from sessions_app import abandonment, consent, conversation, lock
from sessions_app.models import LifeSign, Message, Party, Session
from sessions_app.ticket import room_key
from tests.events import Browser, scenario
from tests.factories import (
    ErasureFactory,
    MessageFactory,
    SessionFactory,
    StaffFactory,
    WebChatFactory,
)
from tests.pages import LogIn, submit
from tests.races import at_once, wait_until_blocked_by_me
from webchat.models import WebChat

pytestmark = pytest.mark.django_db
TOKEN = "ab" * 32


def ago(**passed: float) -> datetime:
    return timezone.now() - timedelta(**passed)


def sign(session: Session, **passed: float) -> datetime:
    """Store a life sign of a given age."""
    lock.give_life_signs([session.pk], at=(at := ago(**passed)))
    return at


def began(minutes: float = 0, **values: Any) -> Session:
    """Return an open conversation that began a given number of minutes ago."""
    session = SessionFactory(new_guest=True, **values)
    Session.objects.filter(pk=session.pk).update(created_at=ago(minutes=minutes))
    session.refresh_from_db()
    return session


def sweep(**since: float) -> list[int]:
    """End abandoned conversations, as the event streams' process does after a given uptime."""
    return abandonment.sweep(now=timezone.now(), trusted_since=ago(**since or {"days": 9}))


def test_a_conversation_ends_with_the_last_sign_of_its_visitor() -> None:
    gone, here = began(90), began(90)
    last = sign(gone, minutes=31)
    sign(here, minutes=29)
    assert sweep() == [gone.pk]
    gone.refresh_from_db()
    assert (gone.status, gone.ended_by, gone.ended_at) == ("closed", "system", last)
    assert gone.duration == last - gone.created_at
    assert list(LifeSign.objects.values_list("session", flat=True)) == [here.pk]
    assert sweep() == []


@pytest.mark.parametrize(("minutes", "ended"), [(29, False), (31, True)])
def test_a_page_that_was_never_opened_leaves_no_conversation(minutes: int, ended: bool) -> None:
    session = began(minutes)
    assert (sweep() == [session.pk]) is ended
    session.refresh_from_db()
    assert session.ended_at == (session.created_at if ended else None)


def test_each_webchat_has_its_own_time() -> None:
    short, long = (
        began(90, webchat=WebChatFactory(abandon_minutes=minutes)) for minutes in (5, 60)
    )
    sign(short, minutes=6)
    sign(long, minutes=59)
    assert sweep() == [short.pk]


def write(session: Session, sender: Party) -> None:
    MessageFactory(session=session, sender=sender)


def send(session: Session, sender: Party) -> None:
    conversation.attach_file(
        session, sender=sender, upload=ContentFile(b"x"), original_name="x.txt",
        content_type="text/plain", size=1,
    )  # fmt: skip


@pytest.mark.parametrize("act", [write, send])
def test_who_writes_is_there_and_who_is_written_to_is_not(act: Callable[..., None]) -> None:
    visitor_wrote, operator_wrote = began(90), began(90)
    act(visitor_wrote, Party.VISITOR)
    act(operator_wrote, Party.OPERATOR)
    before = timezone.now()
    assert sweep() == [operator_wrote.pk]
    operator_wrote.refresh_from_db()
    assert before - timedelta(minutes=1) < operator_wrote.ended_at <= before, (
        "not before its message"
    )


def test_a_conversation_that_was_taken_does_not_end_before_that() -> None:
    session = began(90)
    sign(session, minutes=80)
    accepted = conversation.accept_session(session, operator=StaffFactory())
    assert sweep() == [session.pk]
    session.refresh_from_db()
    assert session.ended_at == accepted.accepted_at


@pytest.mark.parametrize(("hours", "ended"), [(23, False), (25, True)])
def test_silence_of_a_day_ends_also_what_a_browser_keeps_open(hours: int, ended: bool) -> None:
    session = began(60 * 48)
    write(session, Party.OPERATOR)
    Message.objects.update(at=ago(hours=hours))
    last = sign(session, minutes=0.5)
    assert (sweep() == [session.pk]) is ended
    session.refresh_from_db()
    assert session.ended_at == (last if ended else None)


@pytest.mark.parametrize(("minutes", "ended"), [(0, False), (29, False), (31, True)])
def test_old_signs_do_not_count_before_the_writer_was_up_for_long(
    minutes: int, ended: bool
) -> None:
    """After a downtime the last life sign of every visitor is old, also of present ones."""
    session = began(60 * 48)
    sign(session, hours=30)
    assert (sweep(minutes=minutes) == [session.pk]) is ended


def test_a_gap_of_the_process_restarts_its_time() -> None:
    EventsProcess.give_sign("one")
    assert EventsProcess.trusted_since() is not None
    for passed, kept in [({"seconds": 30}, True), ({"seconds": 90}, False), ({"hours": -1}, False)]:
        EventsProcess.objects.update(seen_at=ago(**passed), alive_since=ago(days=3))
        EventsProcess.give_sign("one")
        since = EventsProcess.trusted_since()
        assert since is not None
        assert (since < ago(days=2)) is kept, passed
    EventsProcess.objects.update(seen_at=ago(minutes=2))
    assert EventsProcess.trusted_since() is None


def test_the_process_writes_signs_of_visitors_and_ends_what_has_none(
    log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MINUTE", 0)
    gone, here = began(90), began(90)
    Session.objects.filter(pk=here.pk).update(room_key=room_key(TOKEN))
    EventsProcess.objects.create(host="one", seen_at=timezone.now(), alive_since=ago(days=1))
    operator = log_in("operator").cookies["sessionid"].value

    async def play(app: Events) -> None:
        room = await Browser(app, f"/events/room/{TOKEN}/").open()
        staff = await Browser(
            app, f"/events/session/{gone.pk}/", cookie=f"sessionid={operator}"
        ).open()
        assert (room.status, staff.status) == (200, 200)
        await app.hub._mind_rooms()
        await room.leave()
        await staff.leave()

    scenario(play)
    gone.refresh_from_db()
    assert gone.is_abandoned, "an operator who watches is no visitor"
    assert list(LifeSign.objects.values_list("session", flat=True)) == [here.pk]
    EventsProcess.objects.update(alive_since=timezone.now())
    other = began(90)
    scenario(lambda app: app.hub._mind_rooms())
    other.refresh_from_db()
    assert other.is_open, "the process has just begun"


def test_pages_give_a_sign_at_most_once_a_minute(
    client: Client, webchat: WebChat, django_assert_num_queries: Any
) -> None:
    room = submit(client, webchat).headers["Location"]
    assert not LifeSign.objects.exists(), "the form is no room"
    client.get(room)
    LifeSign.objects.update(at=(old := ago(seconds=59)))
    client.get(f"{room}transcript/")
    client.get(room)
    assert LifeSign.objects.get().at == old
    LifeSign.objects.update(at=ago(seconds=61))
    client.get(f"{room}transcript/")
    assert LifeSign.objects.get().at > old
    client.post(f"{room}leave/")
    assert not LifeSign.objects.exists()
    client.get(room)
    assert not LifeSign.objects.exists()


@pytest.mark.parametrize("end", ["end", "withdraw", "erase"])
def test_a_sign_goes_with_the_conversation_and_none_comes_after(end: str) -> None:
    session = SessionFactory()
    sign(session, seconds=1)
    if end == "end":
        conversation.end_session(session, by=Party.OPERATOR)
    elif end == "withdraw":
        consent.withdraw_consent(session)
    else:
        ErasureFactory(subject=session)
    sign(session, seconds=0)
    assert not LifeSign.objects.exists()


def test_both_sides_are_told_why(client: Client, log_in: LogIn, webchat: WebChat) -> None:
    room = submit(client, webchat).headers["Location"]
    session = Session.objects.get()
    Session.objects.update(created_at=ago(hours=2))
    assert sweep() == [session.pk]
    said = "The conversation was ended automatically"
    assert said in " ".join(client.get(room).content.decode().split())
    assert client.post(f"{room}message/", {"text": "Hello?"}).status_code == 409
    operator = log_in("operator")
    assert (
        "System (conversation abandoned)"
        in operator.get(f"/sessions/{session.pk}/").content.decode()
    )
    fetched = operator.get(f"/sessions/{session.pk}/transcript/").content.decode()
    assert said in " ".join(fetched.split())


def run(*arguments: str) -> dict[str, Any]:
    printed = StringIO()
    call_command("anonymize_expired", "--json", *arguments, stdout=printed)
    answer: dict[str, Any] = json.loads(printed.getvalue())
    return answer


def test_a_conversation_left_open_is_ended_and_anonymized_by_time_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser is closed without a request. Nobody acts, only time passes."""
    monkeypatch.setattr(hub, "MINUTE", 0)
    real, passed = timezone.now, timedelta()
    to_noon = timezone.localtime().replace(hour=12, minute=0) - real()
    monkeypatch.setattr(timezone, "now", lambda: real() + to_noon + passed)
    room = submit(client, WebChatFactory(retention_days=30)).headers["Location"]
    client.get(room)
    began = timezone.now()
    while passed < timedelta(minutes=33):
        EventsProcess.give_sign("one")
        scenario(lambda app: app.hub._mind_rooms())
        passed += timedelta(seconds=50)
    session = Session.objects.get()
    assert session.is_abandoned
    assert session.ended_at is not None
    assert abs(session.ended_at - began) < timedelta(seconds=30)
    for days in range(1, 31):
        passed = timedelta(days=days)
        assert run()["sessions"] == 0, days
    passed = timedelta(days=31, hours=1)
    assert run()["sessions"] == 1
    assert client.get(room).status_code == 404
    assert Session.objects.get().entered_email == ""


def test_without_the_event_streams_the_command_ends_silent_conversations() -> None:
    webchat = WebChatFactory(retention_days=30)
    old = SessionFactory(webchat=webchat, days_ago=900)
    newer = SessionFactory(webchat=webchat, days_ago=2, new_guest=True)
    unlimited = SessionFactory(days_ago=900, new_guest=True)
    today = began(60 * 23, webchat=webchat)
    planned = run("--dry-run")
    assert (planned["sessions"], planned["abandoned"], planned["abandoned_due"]) == (0, 3, 1)
    assert Session.objects.filter(status="waiting").count() == 4
    done = run()
    assert (done["sessions"], done["abandoned"]) == (1, 3)
    for session in (old, newer, unlimited, today):
        session.refresh_from_db()
    assert old.anonymized_in is not None
    assert (newer.ended_by, newer.ended_at) == ("system", newer.created_at)
    assert unlimited.is_abandoned
    assert today.is_open
    assert run()["abandoned"] == 0


@pytest.mark.django_db(transaction=True)
def test_of_a_message_and_the_sweep_exactly_one_wins() -> None:
    """Both orders are possible. A message is never stored in an ended conversation."""
    for _ in range(8):
        session = began(90)
        ended, message = at_once(
            [
                partial(abandonment.sweep, now=timezone.now(), trusted_since=ago(days=9)),
                partial(conversation.post_message, session, sender=Party.VISITOR, text="x"),
            ]
        )
        session.refresh_from_db()
        assert (ended == [session.pk]) is not isinstance(message, Message), (ended, message)
        assert session.is_open is isinstance(message, Message)
        assert isinstance(message, Message | lock.SessionClosed)
        conversation.end_session(session, by=Party.VISITOR)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_sweep_waits_for_a_message_and_then_leaves_the_conversation_open() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs two connections to a PostgreSQL")
    session = began(90)

    def sweep_in_a_thread() -> list[int]:
        try:
            return sweep()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            conversation.post_message(session, sender=Party.VISITOR, text="x")
            ended = pool.submit(sweep_in_a_thread)
            assert wait_until_blocked_by_me(ended), "it did not wait"
        assert ended.result(timeout=60) == []
    session.refresh_from_db()
    assert session.is_open


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_end_each_conversation_once() -> None:
    keys = {began(90).pk for _ in range(6)}
    work = partial(abandonment.sweep, now=timezone.now(), trusted_since=ago(days=9))
    first, second = at_once([work, work])
    assert not isinstance(first, Exception)
    assert not isinstance(second, Exception)
    assert sorted([*first, *second]) == sorted(keys)
