"""Test that each erasure appends one chained record in the database and in the external copy.

A copy that is ahead or behind is always reported.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, OperationalError, connection, transaction

from anonymization import restoration
from anonymization.batch import erase_batch
from anonymization.ledger import external_copy, recording
from anonymization.ledger.chain import GENESIS, Head, facts_hash, subject_of
from anonymization.models import Erasure, Source
from sessions_app.models import Guest, Session
from tests.anonymization.test_ledger import stand_alone
from tests.bystander import besides
from tests.database import digest, dump
from tests.factories import ErasureFactory, SessionFactory, WebChatFactory
from tests.pages import LogIn
from tests.races import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bystander")]


@pytest.fixture
def copy(settings: Any, tmp_path: Path) -> Path:
    settings.ERASURE_LEDGER_DIR = tmp_path
    path = tmp_path / external_copy.FILE
    external_copy.begin(path, entries=[])
    return path


def erase(subject: Any, door: Source = Source.COMMAND) -> Erasure:
    return ErasureFactory(subject=subject, door=door)


UNSETTLED = r"^The erasure failed\. It may still be completed automatically\.$"


def kind_of(line: str) -> str:
    (kind,) = json.loads(line)
    return str(kind)


def erase_and_fail(session: Session, before: Callable[[], object] = bool) -> None:
    with recording.erasing():
        erase(session)
        before()
        raise ZeroDivisionError


def sessions(count: int) -> list[Session]:
    return SessionFactory.create_batch(count, webchat=WebChatFactory(), new_guest=True)


def run(command: str, *arguments: str) -> str:
    printed = StringIO()
    call_command(command, *arguments, stdout=printed)
    return printed.getvalue()


def test_records_are_chained_in_the_order_of_their_numbers(copy: Path) -> None:
    doors = (Source.PAGE, Source.API, Source.COMMAND, Source.RETENTION, Source.WITHDRAWAL)
    made = sessions(5)
    uids = [(session.guest.uid, session.uid) for session in made]
    records = [erase(session, door) for session, door in zip(made, doors, strict=True)]
    assert [record.number for record in records] == [1, 2, 3, 4, 5]
    assert [record.previous for record in records] == [
        GENESIS,
        *(record.hash for record in records[:-1]),
    ]
    assert [record.requester for record in records] == [
        "staff",
        "program",
        "system",
        "system",
        "person",
    ]
    for record, (guest, session) in zip(records, uids, strict=True):
        assert record.subjects == sorted([subject_of(guest), subject_of(session)])
    assert external_copy.read(copy).sealed == [record.entry for record in records]
    assert "The ledger is valid" in run("verify_ledger")


def test_the_ledger_names_nobody(copy: Path) -> None:
    session = SessionFactory(name="Kanar Kanarova", email="kanar@example.com")
    uid = session.uid
    assert "kanar" in dump(), "the positive control"
    erase(session)
    text = copy.read_text()
    assert "anar" not in text
    assert str(uid) not in text
    assert uid.hex not in text
    assert subject_of(uid) in text


def test_erasing_again_appends_nothing(copy: Path) -> None:
    session = SessionFactory()
    first = erase(session)
    before = copy.read_text()
    assert first is not None
    assert erase(besides(Session).get()) is None
    assert copy.read_text() == before


def test_without_an_outside_copy_nothing_is_written(settings: Any) -> None:
    settings.ERASURE_LEDGER_DIR = None
    assert erase(SessionFactory()).number == 1


def test_an_outside_copy_that_cannot_be_written_stops_the_erasure(
    settings: Any, tmp_path: Path, caplog: Any
) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path / "unmounted"
    session = SessionFactory()
    before = digest()
    said = r"^The external copy of the erasure ledger can't be written\. Nothing was erased\.$"
    with pytest.raises(recording.LedgerUnavailable, match=said):
        erase(session)
    assert "the external copy of the ledger can't be written" in caplog.messages
    assert digest() == before
    with pytest.raises(CommandError, match=said):
        call_command("anonymize_session", str(session.pk))
    assert digest() == before


def test_an_erasure_that_is_rolled_back_is_void_outside(copy: Path) -> None:
    first, second = sessions(2)
    uids = [first.uid, second.uid]
    with pytest.raises(ZeroDivisionError):
        erase_and_fail(first)
    assert not Erasure.objects.exists()
    assert [*map(kind_of, copy.read_text().splitlines())] == ["intents", "void"]
    erase(second)
    contents = external_copy.read(copy)
    assert [subject_of(uid) in contents.sealed[0].subjects for uid in uids] == [False, True]
    assert contents.unsealed == []
    erase(first)
    assert "The ledger is valid: 2 records" in run("verify_ledger")


def test_an_intent_that_cannot_be_made_void_stays_open(
    copy: Path, monkeypatch: Any, caplog: Any
) -> None:
    def failing(entries: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(external_copy, "write_voids", failing)
    with pytest.raises(recording.Unsettled, match=UNSETTLED):
        erase_and_fail(sessions(1)[0])
    assert "intents of a failed erasure stay open in the external copy" in caplog.messages
    assert len(external_copy.read(copy).unsealed) == 1


def test_one_of_several_erasures_that_fails_is_void_alone(copy: Path) -> None:
    first, second = sessions(2)
    with recording.erasing():
        erase(first)
        with pytest.raises(ZeroDivisionError):
            erase_and_fail(second)
    assert [*map(kind_of, copy.read_text().splitlines())] == ["intents", "intents", "void", "seal"]
    assert external_copy.read(copy).sealed == [Erasure.objects.get().entry]


def test_an_erasure_that_its_caller_could_roll_back_in_silence_is_refused(copy: Path) -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        erase(SessionFactory())
    assert copy.read_text() == ""


def test_an_intent_of_a_connection_lost_at_the_commit_stays_open(
    copy: Path, monkeypatch: Any
) -> None:
    def lost() -> None:
        connection.connection.close()
        raise OperationalError

    first, second = sessions(2)
    name = subject_of(first.uid)
    with monkeypatch.context() as patched:
        patched.setattr(connection, "_commit", lost)
        with pytest.raises(recording.Unsettled, match=UNSETTLED) as failure:
            erase(first)
    assert isinstance(failure.value.__cause__, Error)
    del failure
    # SQLite keeps its lock until the last statement is released. The exception's frames refer to it
    gc.collect()
    assert not Erasure.objects.exists()
    assert [entry.subjects.count(name) for entry in external_copy.end_of(copy).still_open] == [1]
    erase(second)
    assert besides(Session).filter(anonymized_in=None).count() == 0, "the first one was completed"
    assert [record.kind for record in Erasure.objects.order_by("number")] == [
        "sessions_app.Session",
        "redo",
        "sessions_app.Session",
    ]
    assert external_copy.read(copy).unsealed == []
    assert "The ledger is valid: 3 records" in run("verify_ledger")


def test_a_full_disk_lets_all_intents_of_a_transaction_in_or_none(
    copy: Path, monkeypatch: Any
) -> None:
    """A partly written line is ignored, even if there is no space for the line that voids it."""
    made = sessions(20)

    class FullDisk:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def write(self, descriptor: int, text: bytes) -> int:
            if copy.stat().st_size >= 2000:
                raise OSError(errno.ENOSPC, "no space left")
            return os.write(descriptor, text[: 2000 - copy.stat().st_size])

    def erase_all() -> list[Erasure]:
        pks = [session.pk for session in made]
        return erase_batch(
            pks, among=Session.objects.all(), requester=recording.Requester.retention()
        )

    with monkeypatch.context() as patched:
        patched.setattr(external_copy, "os", FullDisk())
        with pytest.raises(recording.LedgerUnavailable):
            erase_all()
    assert copy.stat().st_size == 2000
    assert external_copy.read(copy).unsealed == []
    assert restoration.standing() is restoration.Standing.EVEN
    assert len(erase_all()) == 20
    assert "The ledger is valid: 20 records" in run("verify_ledger")


def test_an_intent_of_a_commit_that_failed_is_void(copy: Path, monkeypatch: Any) -> None:
    def failing() -> None:
        raise OperationalError

    session = SessionFactory()
    monkeypatch.setattr(connection, "_commit", failing)
    with pytest.raises(OperationalError):
        erase(session)
    monkeypatch.undo()
    assert [*map(kind_of, copy.read_text().splitlines())] == ["intents", "void"]
    assert not Erasure.objects.exists()


def test_what_fails_after_the_commit_makes_nothing_void(copy: Path, monkeypatch: Any) -> None:
    commit = connection._commit

    def failing() -> None:
        commit()
        raise OperationalError

    session = SessionFactory()
    monkeypatch.setattr(connection, "_commit", failing)
    with pytest.raises(OperationalError):
        erase(session)
    monkeypatch.undo()
    assert Session.objects.get(pk=session.pk).anonymized_in
    assert [*map(kind_of, copy.read_text().splitlines())] == ["intents"]
    assert restoration.standing() is restoration.Standing.EVEN, (
        "the database has what is not sealed"
    )
    assert "The ledger is valid: 1 records" in run("verify_ledger")


def test_a_seal_that_cannot_be_written_undoes_nothing(
    copy: Path, monkeypatch: Any, caplog: Any
) -> None:
    def failing(entries: Any) -> None:
        raise OSError("disk full")

    first, second = sessions(2)
    with monkeypatch.context() as patched:
        patched.setattr(external_copy, "write_seal", failing)
        record = erase(first)
    assert "erasures 1 to 1 were not sealed in the external copy" in caplog.messages
    assert Session.objects.get(pk=first.pk).anonymized_in
    assert external_copy.read(copy).unsealed == [record.entry]
    assert "The ledger is valid: 1 records" in run("verify_ledger")
    erase(second)
    assert len(external_copy.read(copy).sealed) == 2, "what a sealed entry follows was committed"
    assert "The ledger is valid: 2 records" in run("verify_ledger")


@pytest.mark.parametrize("cut", [1, 20, -2])
def test_a_line_that_a_full_disk_cut_short_spoils_nothing(copy: Path, cut: int) -> None:
    first, second = sessions(2)
    erase(first)
    with copy.open("a") as file:
        file.write(copy.read_text().splitlines()[0][:cut])
    erase(second)
    assert len(external_copy.read(copy).sealed) == 2
    assert "The ledger is valid: 2 records" in run("verify_ledger")
    assert stand_alone(copy)[0] == 0


@pytest.mark.postgresql
def test_erasures_at_once_form_one_chain(copy: Path) -> None:
    made = sessions(8)
    results = at_once([lambda session=session: erase(session) for session in made])
    assert [type(result) for result in results] == [Erasure] * 8
    contents = external_copy.read(copy)
    assert [entry.sequence for entry in contents.sealed] == list(range(1, 9))
    assert contents.head == recording.head()
    assert "The ledger is valid" in run("verify_ledger")


# The verifier -------------------------------------------------------------------------------------------


def tamper(statement: str) -> None:
    """Change the ledger without the triggers, as an administrator of the database can."""
    from anonymization import triggers

    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute(statement)
    triggers.install(connection)


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        (
            "UPDATE anonymization_erasure SET day = '2020-01-01' WHERE number = 2",
            "record 2: was changed: its hash is another",
        ),
        (
            "UPDATE anonymization_erasure SET requester = 'person' WHERE number = 3",
            "record 3: was changed: its hash is another",
        ),
        (
            "UPDATE anonymization_erasure SET kind = 'x' WHERE number = 1",
            "record 1: was changed: its hash is another",
        ),
        (
            "DELETE FROM anonymization_erasure WHERE number = 2",
            "record 2: is missing; record 3 is in its place",
        ),
        (
            "UPDATE anonymization_erasure SET number = number + 10 WHERE number = 4",
            "record 4: is missing; record 14 is in its place",
        ),
    ],
    ids=["edited", "class changed", "kind changed", "deleted", "renumbered"],
)
def test_tampering_in_the_database_is_named(statement: str, bad: str) -> None:
    for session in sessions(4):
        erase(session)
    tamper(statement)
    with pytest.raises(CommandError, match=f"^{bad}$"):
        run("verify_ledger")


def test_a_cut_tail_is_found_by_the_outside_copy_and_by_a_head(copy: Path) -> None:
    for session in sessions(3):
        erase(session)
    published = run("ledger_head").strip()
    tamper("DELETE FROM anonymization_erasure WHERE number = 3")
    with pytest.raises(CommandError, match="record 3: is missing in the database"):
        run("verify_ledger")
    copy.unlink()
    with pytest.raises(CommandError, match=r"^record 3: is not the one whose hash was saved$"):
        run("verify_ledger", "--without-outside", "--head", published)
    with pytest.raises(CommandError, match=r"^2 rows are marked as anonymized without a record\.$"):
        run("verify_ledger", "--without-outside")


def test_a_recomputed_history_is_found(copy: Path) -> None:
    for session in sessions(2):
        erase(session)
    published = run("ledger_head").strip()
    forged = Erasure.objects.get(number=2)
    forged.day = forged.day.replace(year=2020)
    tamper(
        f"UPDATE anonymization_erasure SET day = '{forged.day}', hash = '{forged.entry.hash}' WHERE number = 2"
    )
    with pytest.raises(CommandError, match=r"^record 2: differs from the external copy$"):
        run("verify_ledger")
    with pytest.raises(CommandError, match=r"^record 2: is not the one whose hash was saved$"):
        run("verify_ledger", "--without-outside", "--head", published)


def test_a_record_that_the_outside_copy_lacks_is_named(copy: Path) -> None:
    for session in sessions(2):
        erase(session)
    copy.write_text("".join(copy.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(CommandError, match="record 2: is missing in the external copy"):
        run("verify_ledger")
    copy.unlink()
    with pytest.raises(
        CommandError,
        match=r"^The external copy can't be read: No such file or directory\. Mount the volume",
    ):
        run("verify_ledger")


def test_another_copy_is_verified_and_open_intents_are_counted(
    copy: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(external_copy, "write_seal", lambda entry: None)
    erase(SessionFactory())
    elsewhere = copy.rename(tmp_path / "from a backup")
    said = run("verify_ledger", "--outside", str(elsewhere)).splitlines()
    assert said == [
        f"The ledger is valid: 1 records. Latest hash: {recording.head()}",
        "Clear facts verified: 1. Not stored any more: 0.",
        "Intents in the copy without a seal: 1. See docs/ledger.md, Crash.",
        # One of them belongs to the bystander, who is stored without the gate.
        "The evidence of consent is genuine: 2 events. Not anchored yet: 2. "
        "Without an HMAC, from an earlier release: 1.",
    ]


def test_a_head_is_signed(settings: Any) -> None:
    erase(SessionFactory())
    head = run("ledger_head").strip()
    assert str(recording.head()) in head
    sequence, hash_, signature = head.split(":")
    assert json.loads(run("ledger_head", "--json")) == {
        "sequence": int(sequence), "hash": hash_, "signature": signature,
    }  # fmt: skip
    assert "The ledger is valid" in run("verify_ledger", "--without-outside", "--head", head)
    assert "The ledger is valid" in run(
        "verify_ledger", "--without-outside", "--head", str(recording.head())
    )
    forged = head[:-1] + ("A" if head[-1] != "A" else "B")
    with pytest.raises(
        CommandError, match=r"^The hash was not signed with SECRET_KEY\. .* SEQUENCE:HASH\.$"
    ):
        run("verify_ledger", "--without-outside", "--head", forged)
    for bad in (
        "1:xyz",
        "x",
        f"x:{hash_}",
        f"1:{hash_}0",
        f"{'1' * 19}:{hash_}",
        f"١:{hash_}",
        f"{head}:x",
    ):
        with pytest.raises(
            CommandError,
            match=r"^A latest ledger hash is SEQUENCE:HASH or SEQUENCE:HASH:SIGNATURE\.$",
        ):
            run("verify_ledger", "--without-outside", "--head", bad)
    for other in (f"1:{GENESIS}", f"{'1' * 18}:{hash_}"):
        with pytest.raises(CommandError, match="is not the one whose hash was saved"):
            run("verify_ledger", "--without-outside", "--head", other)


def test_an_empty_ledger_holds() -> None:
    assert recording.head() == Head()
    assert "0 records" in run("verify_ledger", "--without-outside")


# The record -------------------------------------------------------------------------------------------------


def test_the_record_tells_what_is_proven_and_names_nobody(log_in: LogIn, copy: Path) -> None:
    session = SessionFactory(name="Kanar Kanarova", email="kanar@example.com")
    record = erase(Guest.objects.get(pk=session.guest_id))
    erase(SessionFactory(email="petr@example.com"))
    officer = log_in("officer")
    page = officer.get(f"/erasures/{record.pk}/").content.decode()
    assert record.hash in page
    assert str(recording.head()) in page
    answer = officer.get(f"/erasures/{record.pk}/json/")
    assert answer.headers["Content-Type"] == "application/json"
    told = answer.json()
    assert set(told) == {
        "ledger", "head", "facts", "salt", "facts_state", "source", "account", "ground",
        "pending_files", "logically_complete_at", "physically_complete_at",
        "code", "controller", "installation", "software", "printed_at", "records", "evidence",
    }  # fmt: skip
    assert (told["source"], told["account"], told["ground"]) == ("command", None, "request")
    assert told["ledger"] == record.entry.as_fields()
    assert told["head"] == {"sequence": 2, "hash": recording.head().hash}
    assert facts_hash(told["facts"], told["salt"]) == told["ledger"]["facts"]
    (evidence,) = told["facts"]["evidence"]
    assert evidence == ["sessions_app.ConsentEvent", session.webchat_id, 1, "en", "given"]
    consented = f"(WebChat {session.webchat_id}), version 1, English: consent given"
    assert consented in page
    assert consented in told["evidence"][0]
    assert told["facts"]["counts"]["sessions_app.Session"] == 1
    assert told["pending_files"] == 0
    for text in (page, answer.content.decode()):
        assert "anar" not in text
    assert officer.get(f"/erasures/{uuid.uuid4()}/json/").status_code == 404


def test_an_intent_stays_open_while_the_database_does_not_tell_its_fate(
    copy: Path, monkeypatch: Any, caplog: Any
) -> None:
    def refuse(execute: Any, *arguments: Any) -> None:
        raise OperationalError

    (session,) = sessions(1)
    with ExitStack() as failing, monkeypatch.context() as patched:

        def fail() -> None:
            failing.enter_context(connection.execute_wrapper(refuse))
            raise OperationalError

        patched.setattr(connection, "_commit", fail)
        with pytest.raises(recording.Unsettled, match=UNSETTLED):
            erase(session)
    assert (
        "it is unknown whether an erasure was committed; its intent stays open" in caplog.messages
    )
    assert len(external_copy.end_of(copy).still_open) == 1


def test_a_failure_after_the_commit_does_not_fail_the_erasure(
    copy: Path, monkeypatch: Any, caplog: Any
) -> None:
    def fail(entry: Any) -> None:
        raise ZeroDivisionError

    (session,) = sessions(1)
    monkeypatch.setattr(external_copy, "write_seal", fail)
    erase(session)
    assert "Error calling" in caplog.text
    assert [entry.sequence for entry in external_copy.end_of(copy).still_open] == [1]
    assert restoration.standing() is restoration.Standing.EVEN
