"""Test that a stricter policy is applied to rows that were anonymized before it.

The seal allows no other change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from anonymization import stricter, triggers
from anonymization.checks import check_anonymized_rows, check_database
from anonymization.ledger import external_copy
from anonymization.ledger.recording import Requester
from anonymization.models import Erasure, FileDeletion, Note, Source
from anonymization.policy import registry
from lib.days import period_of
from sessions_app.models import Attachment, Guest, Message, Session
from sessions_app.rounding import StartOf
from tests.database import digest
from tests.factories import AttachmentFactory, ErasureFactory, SessionFactory

pytestmark = pytest.mark.django_db

Erase = Callable[..., None]


def run(*arguments: str) -> dict[str, Any]:
    printed = StringIO()
    call_command("apply_stricter_policy", "--json", *arguments, stdout=printed)
    answer: dict[str, Any] = json.loads(printed.getvalue())
    return answer


def findings() -> list[str]:
    return [str(error.msg) for error in check_anonymized_rows(None, databases=["default"])]


def install_triggers() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Deferred constraints wait for the end of the transaction, and DDL waits for them.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    triggers.install(connection)


@pytest.fixture
def erase_too(monkeypatch: pytest.MonkeyPatch) -> Erase:
    """Move fields of sessions from ``keep`` to ``erase``, as a developer does, and migrate."""

    def move(**fields: Any) -> None:
        policy = registry.get(Session)
        keep = {name: reason for name, reason in policy.keep.items() if name not in fields}
        changed = replace(policy, keep=keep, erase={**policy.erase, **fields})
        monkeypatch.setitem(registry._policies, "sessions_app.session", changed)
        install_triggers()

    return move


def anonymized(stars: int | None = 4, **session: Any) -> Session:
    made = SessionFactory(ended=True, **session)
    Session.objects.filter(pk=made.pk).update(feedback_stars=stars)
    ErasureFactory(subject=made)
    made.refresh_from_db()
    return made


def people(number: int) -> list[Session]:
    return [anonymized(email=f"{n}@example.com") for n in range(number)]


def test_a_field_that_is_erased_from_now_on_is_cleared_in_older_rows(erase_too: Erase) -> None:
    people(3)
    anonymized(None, email="without@example.com")
    identified = SessionFactory(email="identified@example.com")
    Session.objects.filter(pk=identified.pk).update(feedback_stars=5)
    assert findings() == []
    erase_too(feedback_stars=None, language="")

    assert findings() == [
        f"sessions_app.Session.{name}: anonymized rows have values that the present policy erases."
        for name in ("feedback_stars", "language")
    ]
    counts = {"sessions_app.Session.feedback_stars": 3, "sessions_app.Session.language": 4}
    before = digest()
    assert run("--dry-run") == {"found": counts, "changed": {}}
    assert digest() == before
    assert run() == {"found": counts, "changed": {"sessions_app.Session": 4}}

    assert findings() == []
    stars = dict(Session.objects.values_list("pk", "feedback_stars"))
    assert stars.pop(identified.pk) == 5
    assert set(stars.values()) == {None}
    identified.refresh_from_db()
    assert identified.language == "en"
    note = Erasure.objects.order_by("number").last()
    assert note is not None
    assert (note.kind, note.counts) == (Note.STRICTER_POLICY, {"sessions_app.Session": 4})
    assert note.facts_hold
    assert run() == {"found": {}, "changed": {}}
    assert Erasure.objects.order_by("number").last() == note, "nothing to do, no note"


def test_many_rows_are_cleared_in_chunks(erase_too: Erase, monkeypatch: pytest.MonkeyPatch) -> None:
    people(5)
    erase_too(feedback_stars=None)
    monkeypatch.setattr(stricter, "CHUNK", 2)
    sizes: list[int] = []

    stricter.apply(requester=Requester(Source.COMMAND), progress=sizes.append)

    assert sizes == [2, 2, 1]
    assert findings() == []


def test_an_interrupted_run_goes_on(erase_too: Erase, monkeypatch: pytest.MonkeyPatch) -> None:
    people(4)
    erase_too(feedback_stars=None)
    monkeypatch.setattr(stricter, "CHUNK", 2)

    def interrupt(_rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stricter.apply(requester=Requester(Source.COMMAND), progress=interrupt)
    assert Session.objects.filter(feedback_stars=None).count() == 2
    assert run()["changed"] == {"sessions_app.Session": 2}
    notes = Erasure.objects.filter(kind=Note.STRICTER_POLICY).order_by("number")
    assert [note.counts for note in notes] == [
        {"sessions_app.Session": 4},
        {"sessions_app.Session": 2},
    ]


def test_nothing_changes_while_the_ledger_cannot_be_written(
    erase_too: Erase, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(1)
    erase_too(feedback_stars=None)

    def refuse(*_arguments: Any) -> None:
        raise OSError

    monkeypatch.setattr(external_copy, "write_intents", refuse)
    before = digest()
    with pytest.raises(CommandError, match="can't be written"):
        run()
    assert digest() == before


def test_migrate_shows_the_numbers(erase_too: Erase) -> None:
    people(2)
    erase_too(feedback_stars=None)
    said = StringIO()

    call_command("migrate", verbosity=0, stderr=said)

    assert "Session.feedback_stars: anonymized rows have values" in said.getvalue()
    assert "Rows: 2" in said.getvalue()


@pytest.mark.parametrize(
    ("before", "after", "start", "mark"),
    [
        ("day", "week", date(2026, 3, 9), date(2026, 3, 9)),
        ("day", "month", date(2026, 3, 1), date(2026, 3, 1)),
        ("week", "month", date(2026, 3, 1), date(2026, 3, 1)),
        ("month", "week", date(2026, 3, 1), date(2026, 3, 1)),
        ("week", "day", date(2026, 3, 9), date(2026, 3, 9)),
    ],
)
def test_times_are_cut_to_a_coarser_period_and_never_to_a_finer_one(
    settings: Any, before: str, after: str, start: date, mark: date
) -> None:
    settings.ERASURE_TIME_PRECISION = before
    session = rounded_at(datetime(2026, 3, 11, 22, 30, tzinfo=UTC))
    assert findings() == []
    settings.ERASURE_TIME_PRECISION = after

    coarser = ("day", "week", "month").index(after) > ("day", "week", "month").index(before)
    assert len(findings()) == (5 if coarser else 0)
    run()

    assert findings() == []
    session.refresh_from_db()
    local = [timezone.localtime(moment) for moment in (session.created_at, session.ended_at)]
    assert [(moment.date(), moment.hour, moment.minute) for moment in local] == [(start, 0, 0)] * 2
    assert session.anonymized_in == Guest.objects.get().anonymized_in == mark
    assert Guest.objects.get().created_at == session.created_at


def rounded_at(moment: datetime) -> Session:
    """Return a session that was anonymized with its guest, with times and mark of a moment."""
    session = SessionFactory(ended=True)
    Session.objects.update(created_at=moment, ended_at=moment)
    Guest.objects.update(created_at=moment)
    ErasureFactory(subject=session)
    triggers.drop(connection)
    for model in (Session, Guest):
        model.objects.update(anonymized_in=period_of(timezone.localdate(moment)))  # type: ignore[attr-defined]
    install_triggers()
    return session


LOSING = {
    "the constant of an erased field": {"feedback_stars": None},
    "nothing": {"anonymized_in": F("anonymized_in"), "feedback_stars": F("feedback_stars")},
    "a coarser time": {"created_at": StartOf("created_at")},
    "a coarser mark": {"anonymized_in": date(2026, 3, 1)},
}
REFUSED = {
    "another value of an erased field": {"feedback_stars": 5},
    "its constant with another change": {"feedback_stars": None, "messages_visitor": 9},
    "a kept field": {"ended_by": ""},
    "the mark": {"anonymized_in": None},
    "another mark": {"anonymized_in": date(2026, 4, 1)},
    "a mark of an earlier month": {"anonymized_in": date(2026, 2, 1)},
    "an exact time": {"created_at": datetime(2026, 3, 11, 22, 30, tzinfo=UTC)},
    "another month": {"created_at": F("created_at") - timedelta(days=31)},
    "two hours": {"created_at": F("created_at") - timedelta(hours=2)},
    "no time": {"ended_at": None},
    "a finer time": {"ended_at": F("ended_at") + timedelta(days=1)},
}


@pytest.fixture
def outdated(erase_too: Erase, settings: Any) -> Session:
    """Return an anonymized session with stars and days, of a policy that erases stars and months."""
    settings.ERASURE_TIME_PRECISION = "day"
    session = rounded_at(datetime(2026, 3, 11, 22, 30, tzinfo=UTC))
    triggers.drop(connection)
    Session.objects.update(feedback_stars=4, ended_by="visitor")
    settings.ERASURE_TIME_PRECISION = "month"
    erase_too(feedback_stars=None)
    return session


@pytest.mark.parametrize("values", LOSING.values(), ids=LOSING.keys())
def test_a_sealed_row_may_lose(outdated: Session, values: dict[str, Any]) -> None:
    assert Session.objects.update(**values) == 1


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED.keys())
def test_a_sealed_row_gains_and_changes_nothing(outdated: Session, values: dict[str, Any]) -> None:
    before = digest()
    with pytest.raises(IntegrityError, match="is anonymized"), transaction.atomic():
        Session.objects.update(**values)
    assert digest() == before


def test_what_was_cleared_cannot_come_back(outdated: Session) -> None:
    run()
    with pytest.raises(IntegrityError, match="is anonymized"), transaction.atomic():
        Session.objects.update(feedback_stars=4)


def test_rows_of_a_model_that_is_deleted_from_now_on_are_deleted_with_their_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep = {"keep": dict.fromkeys(registry.get(Attachment).fields, "kept until today")}
    for model in ("attachment", "message"):
        policy = registry._policies[f"sessions_app.{model}"]
        monkeypatch.setitem(
            registry._policies, f"sessions_app.{model}", replace(policy, delete=False, **keep)
        )
    install_triggers()
    session = SessionFactory(messages=["one", "two"])
    AttachmentFactory(session=session)
    ErasureFactory(subject=session)
    assert (Message.objects.count(), Attachment.objects.count()) == (2, 1), "the control"
    SessionFactory(email="identified@example.com", messages=["three"])
    monkeypatch.undo()
    install_triggers()

    counts = {"sessions_app.Message": 2, "sessions_app.Attachment": 1}
    assert run() == {"found": counts, "changed": counts}

    assert [message.text for message in Message.objects.all()] == ["three"]
    assert not Attachment.objects.exists()
    assert FileDeletion.objects.get().name
    assert findings() == []


def test_the_checks_stay_clean(outdated: Session) -> None:
    assert check_database(None, databases=["default"]) == []


def test_files_are_queued_with_the_deletion_of_their_rows_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(rows: QuerySet) -> None:
        raise OperationalError

    attachment = AttachmentFactory()
    monkeypatch.setattr(QuerySet, "delete", fail)
    with pytest.raises(OperationalError):
        stricter._clear(registry.get(Attachment), [attachment.pk])
    assert not FileDeletion.objects.exists()
