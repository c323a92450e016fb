"""Test that sessions older than their WebChat's retention period are anonymized, and no others."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import factory
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from anonymization import batch
from anonymization.ledger import external_copy, recording
from anonymization.models import Erasure, Note
from sessions_app import retention
from sessions_app.models import Guest, Message, RetentionRun, Session, Status
from tests.database import dump
from tests.factories import SessionFactory, StaffFactory, WebChatFactory
from tests.races import at_once
from webchat.models import WebChat

pytestmark = pytest.mark.django_db


@pytest.fixture
def webchat() -> WebChat:
    return WebChatFactory(retention_days=30)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE_ON_SQLITE", 0)
    monkeypatch.setattr(retention, "PASS_PAUSE", 0.05)


class EndedFactory(SessionFactory):
    """Return an ended conversation of a WebChat with a retention period of 30 days."""

    webchat = factory.SubFactory(WebChatFactory, retention_days=30)
    messages, ended = ("Hello",), True


def many(count: int) -> list[Session]:
    days, webchat = factory.Iterator([40, 41, 42]), WebChatFactory(retention_days=30)
    return EndedFactory.create_batch(count, webchat=webchat, new_guest=True, days_ago=days)


def run(*arguments: str) -> dict[str, Any]:
    printed = StringIO()
    call_command("anonymize_expired", "--json", *arguments, stdout=printed)
    answer: dict[str, Any] = json.loads(printed.getvalue())
    return answer


def identified() -> set[int]:
    return set(Session.objects.filter(anonymized_in=None).values_list("pk", flat=True))


# What expires -----------------------------------------------------------------------------------------------


def test_old_sessions_go_and_all_others_stay(webchat: WebChat) -> None:
    old = EndedFactory(
        webchat=webchat, days_ago=31, email="old@example.com", messages=["Kassiopeia"]
    )
    young = EndedFactory(webchat=webchat, days_ago=30, new_guest=True)
    longer = EndedFactory(webchat__retention_days=90, days_ago=60, new_guest=True)
    for_good = EndedFactory(webchat__retention_days=None, days_ago=900, new_guest=True)
    still_open = SessionFactory(webchat=webchat, new_guest=True)
    kept = [young, longer, for_good, still_open]
    before = list(Session.objects.exclude(pk=old.pk).order_by("pk").values())
    messages = list(Message.objects.exclude(session=old).order_by("pk").values())
    assert "Kassiopeia" in dump()

    result = run()

    assert (result["sessions"], result["locked"], result["abandoned"]) == (1, 0, 0)
    assert result["webchats"][str(webchat.pk)] == 1
    assert identified() == {session.pk for session in kept}
    assert list(Session.objects.exclude(pk=old.pk).order_by("pk").values()) == before
    assert list(Message.objects.order_by("pk").values()) == messages
    assert "Kassiopeia" not in dump()
    assert "old@example.com" not in dump()
    record = Erasure.objects.of_people().get()
    assert (record.door, record.requester, record.counts["sessions_app.Message"]) == (
        "retention",
        "system",
        1,
    )
    assert run()["sessions"] == 0


def test_a_guest_stays_with_a_younger_session() -> None:
    EndedFactory(days_ago=50)
    young = EndedFactory(days_ago=3)
    run()
    guest = Guest.objects.get()
    assert (guest.anonymized_in, guest.email) == (None, "jana@example.com")
    Session.objects.filter(pk=young.pk).update(
        created_at=timezone.now() - timedelta(days=99), ended_at=None
    )
    run()
    guest.refresh_from_db()
    assert (guest.anonymized_in is None, guest.email) == (False, "")


@pytest.mark.parametrize(
    ("zone", "began", "ended_at", "days", "last_day"),
    [
        # The last moment of a day, and the first one of the next.
        ("Europe/Prague", "2026-01-10T22:59:59", "2026-01-10T22:59:59", 30, "2026-02-09"),
        ("Europe/Prague", "2026-01-10T23:00:00", "2026-01-10T23:00:00", 30, "2026-02-10"),
        # The end counts, not the start. Without an end, the start counts.
        ("Europe/Prague", "2026-01-10T22:30:00", "2026-01-10T23:30:00", 30, "2026-02-10"),
        ("Europe/Prague", "2026-01-10T12:00:00", None, 30, "2026-02-09"),
        # 29 February as the start, and within the period.
        ("Europe/Prague", "2028-02-29T12:00:00", "2028-02-29T12:05:00", 365, "2029-02-28"),
        ("Europe/Prague", "2028-02-28T12:00:00", "2028-02-28T12:05:00", 1, "2028-02-29"),
        # Days of 23 and 25 hours.
        ("Europe/Prague", "2026-03-28T22:59:59", "2026-03-28T22:59:59", 1, "2026-03-29"),
        ("Europe/Prague", "2026-03-29T21:59:59", "2026-03-29T21:59:59", 1, "2026-03-30"),
        ("Europe/Prague", "2026-10-25T22:59:59", "2026-10-25T22:59:59", 1, "2026-10-26"),
        # Clocks that skip midnight. The day begins at one o'clock.
        ("America/Santiago", "2026-09-05T12:00:00", "2026-09-05T12:05:00", 1, "2026-09-06"),
        ("America/New_York", "2026-01-11T04:59:59", "2026-01-11T04:59:59", 30, "2026-02-09"),
    ],
)
def test_days_are_local_calendar_days(
    webchat: WebChat,
    settings: Any,
    zone: str,
    began: str,
    ended_at: str | None,
    days: int,
    last_day: str,
) -> None:
    settings.TIME_ZONE = zone
    session = SessionFactory(webchat=webchat)
    end = datetime.fromisoformat(ended_at).replace(tzinfo=UTC) if ended_at else None
    start = datetime.fromisoformat(began).replace(tzinfo=UTC)
    Session.objects.update(created_at=start, ended_at=end, status=Status.CLOSED)
    last = date.fromisoformat(last_day)
    assert not Session.objects.expired(days=days, on=last).exists()
    assert Session.objects.expired(days=days, on=last + timedelta(days=1)).exists()
    webchat.retention_days = days
    session = Session.objects.get()
    session.webchat = webchat
    assert session.expires_on == last + timedelta(days=1)


def test_the_longest_period_is_no_error() -> None:
    session = EndedFactory(days_ago=400)
    WebChat.objects.update(retention_days=2**31 - 1)
    assert run()["sessions"] == 0
    assert Session.objects.get(pk=session.pk).expires_on is not None


def test_the_page_of_a_session_says_when(log_in: Any) -> None:
    session = EndedFactory(days_ago=3)
    page = log_in("support").get(f"/sessions/{session.pk}/").content.decode()
    due = timezone.localdate() + timedelta(days=28)
    assert "Will be anonymized on" in page
    assert f'datetime="{due:%Y-%m-%d}"' in page
    WebChat.objects.update(retention_days=None)
    assert (
        "Will be anonymized on"
        not in log_in("support").get(f"/sessions/{session.pk}/").content.decode()
    )


# The command ------------------------------------------------------------------------------------------------


def test_dry_run_changes_nothing() -> None:
    many(3)
    before = dump()
    result = run("--dry-run")
    assert (result["result"], result["sessions"]) == ("would anonymize", 3)
    assert dump() == before


def test_limit_takes_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST_CHUNK", 2)
    sessions = many(7)
    oldest = sorted(sessions, key=lambda session: (session.created_at, session.pk))
    assert run("--limit", "5")["sessions"] == 5
    assert identified() == {session.pk for session in oldest[5:]}
    for wrong in ("0", "-1", "x", "²"):
        with pytest.raises(CommandError, match=r"--limit: give a whole number above 0$"):
            run("--limit", wrong)
    assert run()["sessions"] == 2


def test_chunks_split_neither_a_moment_nor_company(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_CHUNK", "LARGEST_CHUNK"):
        monkeypatch.setattr(retention, name, 2)
    sessions, operator = many(6), StaffFactory()
    end, minutes = sessions[0].ended_at, timedelta(minutes=20)
    Session.objects.update(operator=operator, created_at=end, ended_at=end, duration=minutes)
    Session.objects.filter(pk=sessions[3].pk).update(duration=timedelta(minutes=40))
    assert run()["sessions"] == 6
    kept = Session.objects.filter(operator=operator, duration=timedelta(minutes=15))
    assert set(kept) == {session for session in sessions if session != sessions[3]}


def test_a_run_that_broke_off_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST_CHUNK", 2)
    monkeypatch.setattr(retention, "LARGEST_CHUNK", 2)
    many(6)
    insert, calls = batch._insert, []

    def killed_in_the_second(erasures: list[Erasure]) -> None:
        calls.append(erasures)
        insert(erasures)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(batch, "_insert", killed_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert Erasure.objects.count() == 2
    assert len(identified()) == 4
    assert run()["sessions"] == 4
    call_command("verify_ledger", "--without-outside")


def test_a_ledger_that_can_not_be_written_stops_it(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FIRST_CHUNK", 1)
    settings.ERASURE_LEDGER_DIR = tmp_path
    (tmp_path / external_copy.FILE).touch()
    many(3)
    chunks: Iterator[Any] = retention.anonymize_expired(now=timezone.now())
    assert next(chunks).anonymized == 1
    settings.ERASURE_LEDGER_DIR = tmp_path / "gone"
    with pytest.raises(CommandError, match="Anonymized before: 0"):
        run()
    assert len(identified()) == 2


def test_a_period_that_is_lengthened_meanwhile_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST_CHUNK", 2)
    many(6)
    chunks = retention.anonymize_expired(now=timezone.now())
    next(chunks)
    WebChat.objects.update(retention_days=None)
    assert list(chunks) == []
    assert len(identified()) == 4


def test_a_chunk_is_made_smaller_when_it_takes_long() -> None:
    seconds = retention.CHUNK_SECONDS[connection.vendor]
    assert retention._next_size(200, 200, 0.01) == 400
    assert retention._next_size(1000, 1000, 0.01) == 1000
    assert retention._next_size(1000, 1000, 4 * seconds) == 250
    assert retention._next_size(1, 1, 60.0) == 1
    assert retention._next_size(500, 0, 0.0) == 500


# Several at once --------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_runs_share_the_work(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path
    (tmp_path / external_copy.FILE).touch()
    monkeypatch.setattr(retention, "FIRST_CHUNK", 3)
    monkeypatch.setattr(retention, "LARGEST_CHUNK", 3)
    sessions = many(24)
    results = at_once([run, run])
    assert not [result for result in results if isinstance(result, Exception)], results
    assert sum(result["sessions"] for result in results if isinstance(result, dict)) == 24
    assert identified() == set()
    assert Erasure.objects.of_people().count() == len(sessions)
    assert RetentionRun.objects.count() == 1
    call_command("verify_ledger", stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_what_another_transaction_holds_is_left_to_the_next_run() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    sessions = many(4)
    with transaction.atomic():
        Session.objects.select_for_update().get(pk=sessions[0].pk)
        Guest.objects.select_for_update().get(pk=sessions[1].guest_id)
        (result,) = at_once([run])
    assert isinstance(result, CommandError), result
    assert str(result) == "2 sessions are due but locked. Run it again."
    assert identified() == {sessions[0].pk, sessions[1].pk}
    assert run()["sessions"] == 2


@pytest.mark.django_db(transaction=True)
def test_a_briefly_locked_session_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    sessions, (waiting, go_on) = many(2), (threading.Event(), threading.Event())

    def pause(_seconds: float) -> None:
        waiting.set()
        assert go_on.wait(timeout=30)

    monkeypatch.setattr(retention.time, "sleep", pause)
    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            Session.objects.select_for_update().get(pk=sessions[0].pk)
            answer = pool.submit(at_once, [run])
            assert waiting.wait(timeout=30)
        go_on.set()
        (result,) = answer.result(timeout=60)
    assert isinstance(result, dict), result
    assert (result["sessions"], result["locked"]) == (2, 0)


def test_the_requester_is_the_system() -> None:
    EndedFactory(days_ago=40)
    run()
    assert recording.head().sequence == 2
    assert [record.requested_by for record in Erasure.objects.all()] == [None, None]


def test_a_run_leaves_a_summary_with_the_period_in_force(log_in: Any) -> None:
    session = EndedFactory(days_ago=40)
    other = EndedFactory(webchat__retention_days=7, days_ago=9, new_guest=True).webchat
    WebChatFactory(retention_days=30)
    run()
    run()
    note = Erasure.objects.get(kind=Note.RETENTION_RUN)
    assert note.counts == {
        f"webchat {session.webchat_id} sessions": 1,
        f"webchat {session.webchat_id} days": 30,
        f"webchat {other.pk} sessions": 1,
        f"webchat {other.pk} days": 7,
    }
    assert (note.door, note.requester, note.number) == ("retention", "system", 3)
    said = f"WebChat {other.pk} – sessions: 1, retention in days: 7"
    for page in ("/erasures/", f"/erasures/{note.pk}/"):
        assert said in log_in("officer").get(page).content.decode()
    call_command("verify_ledger", "--without-outside", stdout=StringIO())
