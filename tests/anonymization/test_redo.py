"""Test that an open intent is redone, whether a crash or a restore lost the commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction

from anonymization import engine, holds, named, redo, restoration
from anonymization.batch import erase_batch
from anonymization.ledger import external_copy, recording
from anonymization.ledger.chain import subject_of
from anonymization.ledger.external_copy import end_of
from anonymization.models import Erasure, Hold, LedgerState, Note, Source
from anonymization.policy import registry
from anonymization.restoration import Standing, standing
from mluvii_gdpr import readiness
from sessions_app.models import Guest, Session
from tests.crashes import crash
from tests.database import dump, media_contains
from tests.factories import (
    AttachmentFactory,
    ErasureFactory,
    HoldFactory,
    SessionFactory,
    WebChatFactory,
)
from tests.races import at_once, wait_until_blocked_by_me

pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = recording.Requester(Source.COMMAND)


@pytest.fixture
def copy(settings: Any, tmp_path: Path) -> Iterator[Path]:
    settings.ERASURE_LEDGER_DIR = tmp_path
    restoration.begin_copy(requester=COMMAND)
    readiness.ledger.forget()
    yield tmp_path / external_copy.FILE
    readiness.ledger.forget()


def visit(who: str, **values: Any) -> Session:
    email, said = f"{who}@example.com", [f"This is {who}"]
    session = SessionFactory(name=f"Kanar {who}", email=email, messages=said, **values)
    AttachmentFactory(session=session, content=f"File of {who}".encode(), original_name="a.txt")
    return session


def erase(subject: Any) -> Any:
    return ErasureFactory(subject=subject)


def crash_while_erasing(*subjects: Any) -> list[Any]:
    """Erase subjects in a transaction that is lost. Return the entries of their open intents."""
    with crash(), recording.erasing():
        for subject in subjects:
            erase(subject)
    entries = end_of(Path(external_copy.file_of() or "")).still_open
    assert len(entries) == len(subjects)
    assert standing() is Standing.UNFINISHED
    return entries


def remains(who: str) -> bool:
    return f"{who}@example.com" in dump() or media_contains(f"File of {who}".encode())


def kinds() -> list[str]:
    return [record.kind for record in Erasure.objects.order_by("number")]


def verify() -> None:
    assert standing() is Standing.EVEN
    call_command("verify_ledger")


def test_an_interrupted_erasure_is_completed_with_its_entry(copy: Path) -> None:
    anna, boris = visit("anna"), visit("boris")
    visit("anna", webchat=anna.webchat)
    (entry,) = crash_while_erasing(anna.guest)
    assert remains("anna")
    assert redo.carry_out() == 1
    assert not remains("anna")
    assert remains("boris")
    record = Erasure.objects.get(number=2)
    assert record.entry == entry
    assert (record.rows, record.door, record.knows_facts) == (3, Source.REDO, False)
    assert (record.created_at, record.counts, record.evidence) == (None, {}, [])
    assert kinds() == [Note.COPY_BEGUN, "sessions_app.Guest", Note.REDO]
    assert redo.carry_out() == 0
    verify()
    erase(boris)
    verify()


def test_several_open_intents_are_carried_out_in_their_order(copy: Path) -> None:
    people = [visit(f"person{number}") for number in range(4)]
    entries = crash_while_erasing(*people)
    assert redo.carry_out() == 4
    assert [record.entry for record in Erasure.objects.order_by("number")[1:5]] == entries
    assert Session.objects.filter(anonymized_in=None).count() == 0
    verify()


def test_a_batch_is_completed(copy: Path) -> None:
    pks = [visit(f"person{number}").pk for number in range(5)]
    with crash():
        erase_batch(pks, among=Session.objects.all(), requester=COMMAND)
    assert Session.objects.filter(anonymized_in=None).count() == 5
    assert redo.carry_out() == 5
    assert Session.objects.filter(anonymized_in=None).count() == 0
    assert Guest.objects.filter(anonymized_in=None).count() == 0
    verify()


@pytest.mark.parametrize("command", ["session", "guest", "retention"])
def test_a_command_completes_it_first(copy: Path, command: str) -> None:
    anna, boris = visit("anna"), visit("boris")
    crash_while_erasing(anna)
    if command == "retention":
        call_command("anonymize_expired")
    else:
        call_command(
            f"anonymize_{command}", str(boris.pk if command == "session" else boris.guest_id)
        )
    assert not remains("anna")
    assert remains("boris") == (command == "retention")
    verify()


def test_a_process_completes_it_when_it_starts(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash_while_erasing(visit("anna"))
    started: list[Callable[[], None]] = []
    monkeypatch.setattr(readiness, "in_background", started.append)
    readiness.report_at_start()
    assert readiness.ledger_problems() == [], "the chat serves in the meantime"
    assert readiness.lesser_problems()[-1] == "ledger.unfinished"
    (work,) = started
    work()
    assert not remains("anna")
    assert "ledger.unfinished" not in readiness.lesser_problems()
    verify()


def test_a_failure_is_logged_and_nothing_else_is_erased(
    copy: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def refuse(_entries: Any) -> None:
        raise recording.LedgerUnavailable("no")

    anna, boris = visit("anna"), visit("boris")
    crash_while_erasing(anna)
    with monkeypatch.context() as patched:
        patched.setattr(redo, "_redo", refuse)
        said = (
            r"^An interrupted erasure must be completed first\. Nothing was erased\. Try again\.$"
        )
        with pytest.raises(recording.Interrupted, match=said):
            erase(boris)
        readiness._complete_erasures()
    assert "an interrupted erasure was not completed" in caplog.messages
    assert "interrupted erasures were not completed" in caplog.messages
    assert remains("boris")
    erase(boris)
    assert not remains("anna")
    verify()


def test_a_redo_that_is_interrupted_itself_is_completed(copy: Path) -> None:
    entries = crash_while_erasing(visit("anna"), visit("boris"))
    with crash():
        redo._redo(entries)
    assert remains("anna")
    assert len(end_of(copy).still_open) == 3, "two erasures and the note"
    assert redo.carry_out() == 3
    assert not remains("anna")
    assert kinds() == [Note.COPY_BEGUN, *["sessions_app.Session"] * 2, Note.REDO, Note.REDO]
    verify()


def test_several_processes_complete_it_once(copy: Path) -> None:
    crash_while_erasing(*(visit(f"person{number}") for number in range(3)))
    results = at_once([redo.carry_out] * 4)
    assert sorted(results) == [0, 0, 0, 3]
    assert kinds().count(Note.REDO) == 1
    verify()


def test_a_redo_that_another_one_has_overtaken_changes_nothing(copy: Path) -> None:
    entries = crash_while_erasing(visit("anna"))
    assert redo.carry_out() == 1
    before = kinds()
    with pytest.raises(engine.Overtaken):
        redo._redo(entries)
    assert kinds() == before
    verify()


def test_what_another_process_commits_meanwhile_is_not_redone(copy: Path) -> None:
    sessions = [visit(f"person{number}") for number in range(6)]
    results = at_once([partial(erase, session) for session in sessions])
    assert all(isinstance(result, Erasure) for result in results), results
    assert Note.REDO not in kinds()
    verify()


def test_the_state_of_the_copy_is_read_again_in_the_transaction_that_locks_the_ledger(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise an erasure that is being committed would look like an interrupted one."""
    crash_while_erasing(visit("anna"))
    inside: list[bool] = []
    monkeypatch.setattr(
        external_copy,
        "end_of",
        lambda path: inside.append(connection.in_atomic_block) or end_of(path),
    )
    assert standing() is Standing.UNFINISHED
    assert inside == [False, True]


def read_open_intents(entry: Any, row: Session) -> Any:
    return redo.open_intents()


def replay(entry: Any, row: Session) -> Any:
    return engine.replay(entry, [row], sealed=False, requester=COMMAND)


@pytest.mark.parametrize("act", [read_open_intents, replay])
def test_what_depends_on_the_newest_record_waits_for_its_writer(copy: Path, act: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")

    def act_elsewhere() -> Any:
        try:
            return act(entry, anna)
        finally:
            connection.close()

    anna = visit("anna")
    (entry,) = crash_while_erasing(anna)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            recording.lock_head()
            acting = pool.submit(act_elsewhere)
            assert wait_until_blocked_by_me(acting)
        assert acting.result(timeout=30)


# Rows that the entry does not name --------------------------------------------------------------------------


def test_a_new_session_of_the_person_stays_with_the_person(copy: Path) -> None:
    first = visit("anna")
    crash_while_erasing(first.guest)
    second = visit("anna", webchat=first.webchat)
    assert second.guest_id == first.guest_id
    redo.carry_out()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (bool(first.anonymized_in), first.guest_id) == (True, None)
    assert (second.anonymized_in, second.entered_email) == (None, "anna@example.com")
    assert Guest.objects.get(pk=second.guest_id).anonymized_in is None
    assert "This is anna" in dump(), "the message of the second session"
    verify()
    erase(second)
    assert not remains("anna")
    verify()


def test_rows_that_are_gone_do_not_stop_it(copy: Path) -> None:
    """The restored backup is older than the person."""
    anna = visit("anna")
    crash_while_erasing(anna)
    for model in (Session, Guest):
        model.objects.update(uid="0" * 32 if model is Session else "1" * 32)
    assert redo.carry_out() == 1
    assert remains("anna"), "nobody of that identifier is here"
    verify()


# Holds ------------------------------------------------------------------------------------------------------


def hold(row: Any) -> Hold:
    return HoldFactory(subject=row)


def test_a_hold_makes_the_intent_void_and_the_others_are_erased_anew(copy: Path) -> None:
    anna, boris, cyril = visit("anna"), visit("boris"), visit("cyril")
    _first, second, third = crash_while_erasing(anna, boris, cyril)
    hold(boris)
    hold(boris.guest)
    assert redo.carry_out() == 3
    assert [remains(who) for who in ("anna", "boris", "cyril")] == [False, True, False]
    assert kinds()[1:] == ["sessions_app.Session"] * 2 + [Note.REDO]
    anew = Erasure.objects.get(number=3)
    assert anew.subjects == list(third.subjects)
    assert (anew.entry != third, anew.knows_facts, anew.facts_hold) == (True, True, True)
    note = Erasure.objects.get(kind=Note.REDO)
    assert note.counts == {"redone": 1, "void": 2, "new": 1}
    entries = external_copy.read(copy)
    assert second not in [*entries.sealed, *entries.unsealed]
    assert redo.carry_out() == 0
    verify()


def test_of_a_person_only_the_held_session_stays_until_the_release(copy: Path) -> None:
    first = visit("anna")
    second = visit("anna", webchat=first.webchat)
    crash_while_erasing(first.guest)
    held = hold(second)
    redo.carry_out()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (bool(first.anonymized_in), second.anonymized_in) == (True, None)
    assert Guest.objects.get(pk=second.guest_id).anonymized_in is None
    holds.release_hold(held, source=Source.COMMAND)
    assert Guest.objects.get(pk=second.guest_id).anonymized_in
    assert not remains("anna")
    verify()


def test_a_hold_and_a_crash_of_the_redo_forget_nobody(copy: Path) -> None:
    anna, boris = visit("anna"), visit("boris")
    entries = crash_while_erasing(anna, boris)
    hold(anna)
    hold(anna.guest)
    with crash():
        redo._redo(entries)
    assert remains("boris")
    assert len(end_of(copy).still_open) == 2, "the new record and the note; the others are void"
    assert redo.carry_out() == 2, "the new record and the note"
    assert [remains("anna"), remains("boris")] == [True, False]
    verify()


def test_a_hold_and_a_failed_commit_of_the_redo_forget_nobody(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is intact, so that the outcome is known. In this case, intents become void."""

    def fail() -> None:
        raise OperationalError

    anna, boris = visit("anna"), visit("boris")
    entries = crash_while_erasing(anna, boris)
    hold(anna)
    monkeypatch.setattr(connection, "_commit", fail)
    with pytest.raises(OperationalError):
        redo._redo(entries)
    monkeypatch.undo()
    assert len(end_of(copy).still_open) == 2, "the new record and the note"
    assert redo.carry_out() == 2
    assert [remains("anna"), remains("boris")] == [True, False]


# Notes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "kept"),
    [(Note.EVIDENCE_ANCHORED, True), (Note.SETTINGS_CHANGED, False), (Note.HOLD_RELEASED, False)],
)
def test_a_note_whose_change_was_rolled_back_becomes_void(
    copy: Path, kind: Note, kept: bool
) -> None:
    with crash():
        recording.note(kind, requester=COMMAND)
    assert redo.carry_out() == 1
    assert kinds() == [Note.COPY_BEGUN, *([kind] if kept else []), Note.REDO]
    verify()


def test_the_creation_of_a_copy_that_was_interrupted_is_completed(
    settings: Any, tmp_path: Path
) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path
    with crash():
        restoration.begin_copy(requester=COMMAND)
    assert not LedgerState.copy_exists()
    erase(visit("anna"))
    assert LedgerState.copy_exists()
    assert kinds() == [Note.COPY_BEGUN, Note.REDO, "sessions_app.Session"]
    verify()


def test_a_note_has_words_if_its_kind_has_some_and_its_counts_are_not_forgotten() -> None:
    assert recording.words_of(Erasure(kind=Note.REDO, counts={"redone": 1})) == []
    assert recording.words_of(Erasure(kind=Note.RETENTION_RUN, counts={})) == []


# Finding rows -----------------------------------------------------------------------------------------------


def names_of(*rows: Any) -> set[str]:
    return {subject_of(row.uid) for row in rows}


def test_rows_are_found_by_their_hashes_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "CHUNK", 2)
    sessions = SessionFactory.create_batch(7, webchat=WebChatFactory(), new_guest=True)
    guests = [session.guest for session in sessions]
    for wanted in ([sessions[3]], [guests[3]], [*sessions, *guests], [sessions[0], guests[6]]):
        found = named.find_rows(names_of(*wanted))
        assert found.keys() == names_of(*wanted)
        assert {subject_of(row.uid): row for row in wanted} == found
    assert named.find_rows({"ab" * 32}) == {}
    assert named.find_rows(set()) == {}


def test_each_row_is_read_once_from_one_end_or_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "CHUNK", 2)
    sessions = SessionFactory.create_batch(7, webchat=WebChatFactory(), new_guest=True)
    keys = [session.pk for session in sessions]
    chunks = named._matches(registry.get(Session), names_of(*sessions))
    assert [sorted(chunk) for chunk in chunks] == [keys[5:], keys[:2], keys[3:5], keys[2:3]]


def test_a_search_stops_when_all_are_found(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(named, "CHUNK", 2)
    sessions = SessionFactory.create_batch(20, webchat=WebChatFactory(), new_guest=True)
    for session in (sessions[-1], sessions[0]):
        wanted = names_of(session, session.guest)
        # The chunk at the other end has no match.
        with django_assert_num_queries(3 if session is sessions[-1] else 4):
            assert named.find_rows(wanted).keys() == wanted


def test_an_anonymized_row_is_not_found() -> None:
    session = visit("anna")
    wanted = names_of(session)
    erase(session)
    assert named.find_rows(wanted) == {}
