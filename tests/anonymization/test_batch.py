"""Test that erasing many subjects together has the same result as one by one.

The rows are the same, each subject has a record, and no other person's data changes.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import factory
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonymization import batch, engine
from anonymization.ledger import external_copy, recording
from anonymization.ledger.chain import subject_of
from anonymization.models import AwaitingFiles, Erasure, FileDeletion
from sessions_app.models import Attachment, Guest, GuestWord, Message, Session
from tests.anonymization.test_engine import others, talk
from tests.database import digest, dump
from tests.factories import MessageFactory, SessionFactory, StaffFactory, WebChatFactory

pytestmark = pytest.mark.django_db

SYSTEM = recording.Requester.retention()
TOUCHED = {
    m._meta.db_table
    for m in (Guest, GuestWord, Session, Message, Attachment, Erasure, FileDeletion, AwaitingFiles)
}


@pytest.fixture
def made() -> list[Session]:
    """Return four sessions of three guests, and one without a guest.

    The first guest has another session in another WebChat.
    """
    webchat = WebChatFactory()
    emails = ("anna@example.com", "anna@example.com", "bert@example.com", "carl@example.com")
    sessions = [
        talk(SessionFactory(webchat=webchat, email=email), f"words of {email}") for email in emails
    ]
    MessageFactory(session=sessions[1], text="once more")
    SessionFactory(email="anna@example.com")
    sessions.append(SessionFactory(webchat=webchat, email="nobody@example.com"))
    Session.objects.filter(pk=sessions[4].pk).update(guest=None)
    Guest.objects.filter(email="nobody@example.com").delete()
    return [Session.objects.get(pk=session.pk) for session in sessions]


def erase(sessions: list[Session]) -> list[Erasure]:
    return batch.erase_batch(
        [session.pk for session in sessions], among=Session.objects.all(), requester=SYSTEM
    )


def in_order(records: list[Erasure], sessions: list[Session]) -> list[Erasure]:
    """Return the records of sessions in their order. The records themselves are in random order."""
    names = [subject_of(session.uid) for session in sessions]
    return [next(record for record in records if name in record.subjects) for name in names]


def remains() -> list[Any]:
    """Return the remaining guests, sessions and facts of the records, in the order of subjects."""
    varying = {"ended_at"}
    rows = [
        {name: value for name, value in row.items() if name not in varying}
        for model in (Guest, Session)
        for row in model.objects.order_by("pk").values()
    ]
    records = sorted(
        (e.subjects, e.kind, sorted(e.counts.items()), e.rows, e.evidence, e.requester, e.ground)
        for e in Erasure.objects.all()
    )
    return [rows, records, Message.objects.count(), Attachment.objects.count()]


def test_a_batch_leaves_what_single_erasures_leave(made: list[Session]) -> None:
    savepoint = transaction.savepoint()
    for session in made:
        engine.erase(session, requester=SYSTEM)
    one_by_one = remains()
    transaction.savepoint_rollback(savepoint)
    assert Message.objects.exists()

    records = erase(made)

    assert remains() == one_by_one
    assert [record.number for record in records] == [1, 2, 3, 4, 5]
    ordered = in_order(records, made)
    assert [record.counts["sessions_app.Message"] for record in ordered] == [1, 2, 1, 1, 0]
    assert not Session.objects.filter(pk__in=[s.pk for s in made], anonymized_in=None).exists()
    call_command("verify_ledger", "--without-outside")


@pytest.mark.parametrize("seed", range(3))
def test_any_batch_leaves_what_single_erasures_leave(seed: int) -> None:
    """Store guests with sessions, with and without operator, shared values, messages and files."""
    dice, webchat = random.Random(seed), WebChatFactory()  # noqa: S311  repeatable, not secret
    operators = [None, StaffFactory()]
    emails = factory.LazyFunction(lambda: f"guest{dice.randrange(6)}@example.com")
    sessions = SessionFactory.create_batch(15, webchat=webchat, email=emails)
    for session in sessions:
        for _ in range(dice.randrange(3)):
            talk(session)
        duration, operator = timedelta(minutes=dice.choice([1, 7])), dice.choice(operators)
        Session.objects.filter(pk=session.pk).update(duration=duration, operator=operator)
    chosen = sorted(dice.sample(sessions, dice.randint(5, 15)), key=lambda session: session.pk)
    savepoint = transaction.savepoint()
    for session in chosen:
        engine.erase(session, requester=SYSTEM)
    one_by_one = remains()
    transaction.savepoint_rollback(savepoint)
    erase(chosen)
    assert remains() == one_by_one


def test_guests_are_no_batch() -> None:
    """Otherwise their sessions would have to be locked one by one."""
    SessionFactory()
    with pytest.raises(engine.NotErasable):
        batch.erase_batch([Guest.objects.get().pk], among=Guest.objects.all(), requester=SYSTEM)


def test_a_guest_goes_with_the_last_session_and_stays_with_a_younger_one(
    made: list[Session],
) -> None:
    anna, bert = made[0].guest, made[2].guest
    assert anna
    assert bert
    of_bert = subject_of(bert.uid)
    records = in_order(erase(made[:3]), made[:3])
    for guest in (anna, bert):
        guest.refresh_from_db()
    assert (anna.anonymized_in, anna.email) == (None, "anna@example.com")
    assert (bert.anonymized_in is None, bert.email) == (False, "")
    assert [of_bert in record.subjects for record in records] == [False, False, True]
    assert [record.counts.get("sessions_app.Guest", 0) for record in records] == [0, 0, 1]

    of_anna = subject_of(anna.uid)
    (record,) = erase([Session.objects.get(guest=anna)])
    anna.refresh_from_db()
    assert (of_anna in record.subjects, anna.email) == (True, "")


def test_both_sessions_of_a_guest_take_the_guest_by_the_later_record() -> None:
    sessions = SessionFactory.create_batch(2)
    assert sessions[0].guest_id == sessions[1].guest_id
    of_guest = subject_of(Guest.objects.get().uid)
    records = in_order(erase(sessions), sessions)
    assert [record.counts.get("sessions_app.Guest", 0) for record in records] == [0, 1]
    assert [of_guest in record.subjects for record in records] == [False, True]
    assert Guest.objects.get().anonymized_in is not None


@pytest.mark.parametrize("together", [True, False])
def test_the_mark_is_the_first_day_of_the_period(
    together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day is fixed. On the first day of a month, an exact date would equal its period."""
    session = SessionFactory()
    moment = datetime(2027, 3, 17, 12, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    if together:
        erase([session])
    else:
        engine.erase(session, requester=SYSTEM)
    for row in (Session.objects.get(pk=session.pk), Guest.objects.get(pk=session.guest_id)):
        assert row.anonymized_in == date(2027, 3, 1)


def test_the_order_of_the_records_does_not_tell_the_rows() -> None:
    sessions = SessionFactory.create_batch(40, new_guest=True)
    records = erase(sessions)
    assert [record.number for record in records] == list(range(1, 41))
    assert in_order(records, sessions) != records, "1 in 40! by chance"


def test_nothing_of_others_is_touched(made: list[Session]) -> None:
    stranger = talk(SessionFactory(email="stranger@example.com"), "words of a stranger")
    rows = [Session.objects.filter(pk=stranger.pk), Message.objects.filter(session=stranger),
            Attachment.objects.filter(session=stranger), Guest.objects.filter(pk=stranger.guest_id)]  # fmt: skip
    before, kept = digest(), [list(part.values()) for part in rows]
    assert "words of bert" in dump()
    erase(made)
    assert [list(part.values()) for part in rows] == kept
    others(before, digest(), touched=TOUCHED)
    assert "words of bert" not in dump()


def test_a_row_outside_the_batch_rolls_everything_back(
    made: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = talk(SessionFactory(email="stranger@example.com"), "words of a stranger")
    rows = batch._Part.rows

    def widened(part: Any) -> Any:
        wrong = part.policy.label == "sessions_app.Message" and counted
        return Message.objects.all() if wrong else rows(part)

    queue, counted = batch._queue_files, []
    monkeypatch.setattr(batch._Part, "rows", widened)
    monkeypatch.setattr(batch, "_queue_files", lambda part: counted.append(part) or queue(part))
    assert Message.objects.filter(session=stranger).exists()
    before = digest()
    said = r"^The erasure would have changed rows that do not belong to this person, so it was rolled back\.$"
    with pytest.raises(engine.OutsideSubject, match=said):
        erase(made)
    assert digest() == before


def test_what_left_the_set_meanwhile_is_left_alone(made: list[Session]) -> None:
    engine.erase(made[0], requester=SYSTEM)
    records = batch.erase_batch(
        [session.pk for session in made],
        among=Session.objects.exclude(pk=made[1].pk),
        requester=SYSTEM,
    )
    assert len(records) == len(in_order(records, made[2:])) == 3
    made[1].refresh_from_db()
    assert made[1].anonymized_in is None
    assert erase(made[:1]) == []


def test_files_and_uploads_go_with_their_own_record(
    made: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "delete_files_of", lambda _ids: 0)
    FileDeletion.objects.create(name="attachments/begun", subject=made[2].uid)
    names = {session.pk: session.attachments.get().file.name for session in made[:4]}
    records = in_order(erase(made), made)
    queued = {(deletion.erasure_id, deletion.name) for deletion in FileDeletion.objects.all()}
    expected = {(record.pk, name) for record, name in zip(records, names.values(), strict=False)}
    assert queued == {*expected, (records[2].pk, "attachments/begun")}


def test_a_guest_with_the_key_of_a_session_is_named_by_its_own_identifier() -> None:
    session = SessionFactory()
    guest = Guest.objects.create(pk=session.pk, name="Jana Nováková")
    Session.objects.filter(pk=session.pk).update(guest=guest)
    (record,) = erase([session])
    assert record.subjects == sorted(map(subject_of, [session.uid, guest.uid]))
    assert record.facts_hold


def test_a_batch_without_files_asks_for_none_of_them(
    django_capture_on_commit_callbacks: Any,
) -> None:
    sessions = [SessionFactory(), SessionFactory(email="bert@example.com")]
    with (
        CaptureQueriesContext(connection) as captured,
        django_capture_on_commit_callbacks(execute=True),
    ):
        assert len(erase(sessions)) == 2
    queries = [query["sql"] for query in captured]
    assert not [sql for sql in queries if "awaitingfiles" in sql]
    assert not [sql for sql in queries if "filedeletion" in sql and '"erasure_id" IN' in sql]


def test_the_number_of_statements_does_not_grow(
    made: list[Session], django_assert_num_queries: Any
) -> None:
    with CaptureQueriesContext(connection) as of_two:
        erase(made[2:4])
    more = [talk(session) for session in SessionFactory.create_batch(6, new_guest=True)]
    with django_assert_num_queries(len(of_two)):
        erase(more)


def test_all_intents_are_outside_before_and_one_seal_for_all_after_the_commit(
    made: list[Session], settings: Any, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path
    copy = tmp_path / external_copy.FILE
    copy.touch()
    with django_capture_on_commit_callbacks(execute=True):
        records = erase(made)
        assert copy.read_text().count('"subjects"') == 5
        assert '"seal"' not in copy.read_text()
    assert copy.read_text().count('"seal"') == 1
    assert external_copy.read(copy).sealed == [record.entry for record in records]
    call_command("verify_ledger")


def test_nothing_is_erased_while_the_outside_copy_can_not_be_written(
    made: list[Session], settings: Any, tmp_path: Path
) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path / "gone"
    before = digest()
    with pytest.raises(recording.LedgerUnavailable):
        erase(made)
    assert digest() == before
