"""Test that ``verify_ledger`` names changed facts, and marks without a record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from anonymization import maintenance, triggers
from anonymization.ledger import recording, verification
from anonymization.ledger.recording import Requester
from anonymization.models import Erasure, LedgerState, Note, Source
from mluvii_gdpr import readiness
from tests.factories import (
    ErasureFactory,
    RecordFactory,
    SessionFactory,
    StaffFactory,
    WebChatFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)


def verify(*options: str) -> str:
    printed = StringIO()
    call_command("verify_ledger", *options, stdout=printed)
    return printed.getvalue()


def fails(said: str) -> None:
    with pytest.raises(CommandError) as failure:
        verify()
    assert str(failure.value) == said


def tamper(**values: Any) -> None:
    """Change the second record without the triggers, as an administrator of the database can."""
    triggers.drop(connection)
    Erasure.objects.filter(number=2).update(**values)
    triggers.install(connection)


@pytest.fixture
def records() -> list[Erasure]:
    made = SessionFactory.create_batch(3, webchat=WebChatFactory(), new_guest=True)
    return [ErasureFactory(subject=session) for session in made]


CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "time": lambda: {"created_at": timezone.now() - timedelta(seconds=1)},
    "source": lambda: {"door": Source.PAGE},
    "account": lambda: {"requested_by": StaffFactory()},
    "ground": lambda: {"ground": "other"},
    "counts": lambda: {"counts": {"sessions_app.Session": 7}},
    "evidence": lambda: {"evidence": [["sessions_app.ConsentEvent", 1, 9, "en", "given"]]},
    "salt": lambda: {"salt": "0" * 64},
    "salt that is none": lambda: {"salt": "x"},
    "time removed": lambda: {"created_at": None},
}


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_facts_of_a_stored_record_are_named(change: Callable[[], dict[str, Any]]) -> None:
    tamper(**change())
    fails("record 2: was changed: its facts differ from their hash")


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("left", ["created_at", "counts", "evidence"])
def test_facts_that_are_gone_in_part_are_named(left: str) -> None:
    gone = {"created_at": None, "salt": "", "counts": {}, "evidence": []}
    kept = {"created_at": timezone.now(), "counts": {"x": 1}, "evidence": [["x", 1]]}
    tamper(**gone | {left: kept[left]})
    fails(
        "record 2: was changed: its facts are not all gone, and cannot be verified without the salt"
    )


@pytest.mark.usefixtures("records")
def test_facts_that_are_gone_are_told_apart_from_facts_that_differ() -> None:
    assert "Clear facts verified: 3. Not stored any more: 0." in verify()
    tamper(created_at=None, salt="", counts={}, evidence=[])
    assert "Clear facts verified: 2. Not stored any more: 1." in verify()


def test_forgotten_facts_are_valid() -> None:
    RecordFactory(created_at=timezone.now() - timedelta(days=80))
    assert maintenance.forget_facts() == 1
    assert "Clear facts verified: 0. Not stored any more: 1." in verify()


@pytest.mark.usefixtures("records")
def test_a_count_of_rows_that_differs_from_the_named_ones_is_named() -> None:
    tamper(rows=5)
    fails("record 2: was changed: it names 2 anonymized rows and counts 5")


def test_marks_without_a_record_are_counted(records: list[Erasure]) -> None:
    triggers.drop(connection)
    Erasure.objects.filter(number=3).delete()
    triggers.install(connection)
    fails("2 rows are marked as anonymized without a record.")


def test_after_a_restore_there_may_be_fewer_marks_than_recorded(records: list[Erasure]) -> None:
    RecordFactory()
    assert "The ledger is valid: 4 records." in verify()


# The last run, for /readyz ----------------------------------------------------------------------------------


def warnings() -> list[str]:
    readiness.warnings.forget()
    return [warning for warning in readiness.lesser_problems() if warning.startswith("ledger.")]


def test_readyz_knows_the_age_of_the_last_good_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert warnings() == [], "nothing to verify"
    RecordFactory()
    assert warnings() == [], "the first run is not due yet"
    RecordFactory(created_at=timezone.now() - timedelta(days=5))
    assert warnings() == ["ledger.unverified"]
    verify()
    assert warnings() == []
    LedgerState.change(verified_at=timezone.now() - verification.VERIFIED_WITHIN)
    assert warnings() == ["ledger.unverified"]


@pytest.mark.usefixtures("records")
def test_readyz_shows_a_ledger_that_was_found_invalid_until_a_good_run() -> None:
    verify()
    hash_of_second = Erasure.objects.get(number=2).hash
    tamper(hash="0" * 64)
    fails("record 2: was changed: its hash is another")
    assert warnings() == ["ledger.invalid"]
    with pytest.raises(CommandError):
        verify("--without-outside")
    tamper(hash=hash_of_second)
    verify("--without-outside")
    assert warnings() == ["ledger.invalid"], "only a whole run counts"
    verify()
    assert warnings() == []


def test_a_wrong_option_is_not_a_failed_run() -> None:
    with pytest.raises(CommandError):
        verify("--head", "x")
    assert not LedgerState.objects.exists()


def test_a_chained_row_that_was_removed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = recording.note_digest("row 1")
    recording.note(Note.CLAIMS, requester=Requester(Source.COMMAND), subjects=[digest])
    monkeypatch.setitem(verification._facts, Note.CLAIMS, lambda: [digest])
    assert verify()
    monkeypatch.setitem(verification._facts, Note.CLAIMS, list)
    fails("record 1: claims: the stored row was changed or removed")


def test_a_row_that_was_never_chained_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(verification._facts, Note.CLAIMS, lambda: ["ab" * 32])
    fails("record 1: claims: 1 stored rows are not in the ledger")


def test_a_record_that_follows_another_one_is_named(records: list[Erasure]) -> None:
    forged = records[1]
    forged.previous = "f" * 64
    tamper(previous=forged.previous, hash=forged.entry.hash)
    fails("record 2: does not follow the record before it")
