"""Test legal holds: setting, review and release, and the erasures that the engine postpones."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from anonymization import engine, held, holds
from anonymization.ledger import recording
from anonymization.ledger.chain import subject_of
from anonymization.ledger.verification import verify_database
from anonymization.models import DueErasure, Erasure, Ground, Hold, HoldGround, Note, Source
from sessions_app import retention
from sessions_app.models import Guest, Message, Session
from tests.factories import HoldFactory, SessionFactory, StaffFactory
from webchat.models import WebChat

pytestmark = pytest.mark.django_db

REQUEST = recording.Requester(Source.API)


def erase(subject: Any, **options: Any) -> Erasure | None:
    return engine.erase(subject, requester=REQUEST, **options)


def release(hold: Hold) -> holds.Released:
    return holds.release_hold(hold, source=Source.COMMAND)


@pytest.fixture
def three(webchat: WebChat) -> list[Session]:
    """Return three ended sessions of one guest, each with a message."""
    sessions = [
        SessionFactory(webchat=webchat, messages=["Hello"], ended=True) for _number in range(3)
    ]
    assert len({session.guest_id for session in sessions}) == 1
    return sessions


# Setting and reviewing ----------------------------------------------------------------------------------


def test_a_hold_says_who_set_it_and_why() -> None:
    officer, session = StaffFactory(role="officer"), SessionFactory()
    hold = HoldFactory(subject=session, ground=HoldGround.ACCURACY, set_by=officer)
    assert (hold.kind, hold.subject, hold.ground) == ("sessions_app.Session", session.uid, "18-1-a")
    assert hold.set_by == officer
    assert timezone.now() - hold.set_at < timedelta(minutes=1)
    assert str(hold) == f"Hold {hold.pk}"


@pytest.mark.parametrize(
    "number", ["12 C 34/2026", "DSAR-2026-17", "7", "UOOU-01234/26-5", "Č.j. 5"]
)
def test_a_number_of_a_case_is_accepted(number: str) -> None:
    assert HoldFactory(case_number=number).case_number == number


@pytest.mark.parametrize(
    "number",
    [
        "",
        "Jana Nováková",
        "jana@example.com",
        "complaint 1",
        "12  C   34",
        "1\n2",
        "1" * 41,
        "603 123 456;",
    ],
)
def test_words_are_not_accepted_as_a_case_number(number: str) -> None:
    with pytest.raises(ValidationError):
        HoldFactory(case_number=number)
    assert not Hold.objects.exists()


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_a_review_is_due_within_twelve_months(days: int) -> None:
    day = timezone.localdate() + timedelta(days=days)
    with pytest.raises(ValidationError):
        HoldFactory(review_on=day)
    hold = HoldFactory()
    with pytest.raises(ValidationError):
        holds.review_hold(hold, review_on=day)
    assert Hold.objects.get().review_on == hold.review_on


def test_the_last_day_of_review_exists_in_each_year(monkeypatch: pytest.MonkeyPatch) -> None:
    from anonymization.models import latest_review

    assert latest_review(date(2028, 2, 29)) == date(2029, 2, 28)
    assert latest_review(date(2026, 11, 30)) == date(2027, 11, 30)


def test_a_review_says_who_kept_the_hold() -> None:
    officer, hold = StaffFactory(role="officer"), HoldFactory(overdue=True)
    assert hold.is_overdue
    assert Hold.objects.count_overdue() == 1
    day = timezone.localdate() + timedelta(days=30)
    kept = holds.review_hold(hold, review_on=day, reviewed_by=officer)
    assert (kept.review_on, kept.reviewed_by) == (day, officer)
    assert Hold.objects.count_overdue() == 0


def test_nothing_is_held_that_is_anonymized() -> None:
    session = SessionFactory()
    erase(session)
    with pytest.raises(holds.HoldRefused, match="already anonymized"):
        HoldFactory(subject=session)
    with pytest.raises(engine.NotErasable):
        holds.set_hold(
            Session(), ground=HoldGround.ACCURACY, case_number="1", review_on=timezone.localdate()
        )


# Refusing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_guest", [False, True])
def test_a_held_session_is_not_erased(of_guest: bool) -> None:
    session = SessionFactory()
    HoldFactory(subject=session, of_guest=of_guest)
    for subject in (session, session.guest):
        with pytest.raises(engine.Held, match="Nothing was changed"):
            erase(subject)
    assert not Erasure.objects.exists()
    assert not DueErasure.objects.exists()
    assert Session.objects.get().entered_name


def test_a_later_session_of_a_held_guest_is_held() -> None:
    HoldFactory(of_guest=True)
    later = SessionFactory()
    assert later.is_held
    with pytest.raises(engine.Held):
        erase(later)


def test_a_session_beside_a_held_one_is_erased(three: list[Session]) -> None:
    HoldFactory(subject=three[0])
    assert erase(three[1])
    assert not DueErasure.objects.exists()


def test_the_last_of_several_holds_frees(three: list[Session]) -> None:
    first, second = HoldFactory(subject=three[0]), HoldFactory(subject=three[0], of_guest=True)
    release(first)
    with pytest.raises(engine.Held):
        erase(three[0])
    release(second)
    assert erase(three[0])


def test_retention_skips_held_sessions_and_erases_the_others(three: list[Session]) -> None:
    for session in three:
        Session.objects.filter(pk=session.pk).update(ended_at=timezone.now() - timedelta(days=90))
    webchat = three[0].webchat
    webchat.retention_days = 30
    webchat.save(update_fields=["retention_days"])
    HoldFactory(subject=three[1])
    today = timezone.localdate()
    assert retention.preview(webchat, days=30).now == 2
    assert (retention.due(on=today), retention.held_and_old(on=today)) == ({webchat.pk: 2}, 1)
    chunks = list(retention.anonymize_expired(now=timezone.now()))
    assert [chunk.anonymized for chunk in chunks] == [2]
    assert list(Session.objects.filter(anonymized_in=None)) == [three[1]]
    assert Guest.objects.get().name
    assert retention.due(on=today) == {webchat.pk: 0}


def test_a_hold_that_is_set_while_retention_looks_is_obeyed(three: list[Session]) -> None:
    from anonymization.batch import erase_batch

    HoldFactory(subject=three[1])
    records = erase_batch(
        [session.pk for session in three],
        among=Session.objects.all(),
        requester=recording.Requester.retention(),
    )
    assert len(records) == 2
    assert Session.objects.get(anonymized_in=None) == three[1]


# A guest with one held session --------------------------------------------------------------------------


def test_a_guest_with_a_held_session_keeps_that_one_alone(three: list[Session]) -> None:
    HoldFactory(subject=three[1])
    guest = three[0].guest
    preview = engine.preview(guest)
    record = erase(guest, expected=preview.shown)
    assert record
    assert (preview.held, preview.counts["sessions_app.Session"]) == (1, 2)
    assert "sessions_app.Guest" not in preview.shown
    assert record.kind == "sessions_app.Session"
    assert record.subjects == sorted(subject_of(three[n].uid) for n in (0, 2))
    assert record.counts["sessions_app.Session"] == record.counts["sessions_app.Message"] == 2
    left = Session.objects.get(guest=guest)
    assert (left, left.entered_name) == (three[1], "Jana Nováková")
    assert Session.objects.filter(guest=None).exclude(anonymized_in=None).count() == 2
    assert Message.objects.get().session == left
    guest.refresh_from_db()
    assert guest.name
    due = DueErasure.objects.get()
    assert (due.subject, due.source, due.ground) == (guest.uid, "api", "request")
    assert held.is_due(guest)


def test_a_repeated_request_is_refused_and_changes_nothing(three: list[Session]) -> None:
    HoldFactory(subject=three[1])
    erase(three[0].guest)
    with pytest.raises(engine.Held):
        erase(three[0].guest)
    assert Erasure.objects.count() == DueErasure.objects.count() == 1


def test_the_rows_around_a_hold_are_those_that_were_shown(three: list[Session]) -> None:
    shown = engine.preview(three[0].guest).shown
    hold = HoldFactory(subject=three[1])
    with pytest.raises(engine.SubjectChanged):
        erase(three[0].guest, expected=shown)
    around = engine.preview(three[0].guest).shown
    release(hold)
    with pytest.raises(engine.SubjectChanged):
        erase(three[0].guest, expected=around)
    assert not DueErasure.objects.exists()
    assert Session.objects.filter(anonymized_in=None).count() == 3


def test_a_person_whose_erasure_waits_returns_as_a_new_guest(three: list[Session]) -> None:
    HoldFactory(subject=three[1])
    erase(three[0].guest)
    again = SessionFactory()
    assert again.guest_id != three[0].guest_id
    assert not again.is_held


def test_the_release_carries_out_the_erasure(three: list[Session]) -> None:
    officer, hold = StaffFactory(role="officer"), HoldFactory(subject=three[1])
    erase(three[0].guest)
    released = holds.release_hold(hold, source=Source.PAGE, released_by=officer)
    assert not Session.objects.filter(anonymized_in=None).exists()
    assert Guest.objects.get().anonymized_in
    (record,) = released.records
    assert (record.kind, record.door, record.ground) == ("sessions_app.Guest", "api", "request")
    assert (record.requester, record.requested_by) == ("program", officer)
    assert not released.still_due
    note = Erasure.objects.get(kind=Note.HOLD_RELEASED)
    assert (note.door, note.requested_by) == ("page", officer)
    assert [entry.sequence for entry in verify_database().entries] == [1, 2, 3]
    assert not Hold.objects.exists()
    assert not DueErasure.objects.exists()


def test_the_last_release_carries_it_out(three: list[Session]) -> None:
    first, second = HoldFactory(subject=three[0]), HoldFactory(subject=three[1])
    erase(three[0].guest)
    released = release(first)
    assert released.still_due
    assert [record.kind for record in released.records] == ["sessions_app.Session"]
    assert Session.objects.get(anonymized_in=None) == three[1]
    released = release(second)
    assert [record.kind for record in released.records] == ["sessions_app.Guest"]
    assert not Session.objects.filter(anonymized_in=None).exists()
    assert not Hold.objects.exists()


def test_another_hold_on_the_same_session_keeps_it_waiting(three: list[Session]) -> None:
    first = HoldFactory(subject=three[1])
    erase(three[0].guest)
    HoldFactory(subject=three[1])
    released = release(first)
    assert (released.records, released.still_due) == ([], True)
    assert Session.objects.get(anonymized_in=None) == three[1]


def test_both_withdrawals_wait_for_a_held_guest(three: list[Session]) -> None:
    hold = HoldFactory(subject=three[0], of_guest=True)
    for session in three[:2]:
        withdrawal = recording.Requester.withdrawal()
        assert engine.erase(session, requester=withdrawal, wait=True) is None
    released = release(hold)
    assert [(r.requester, r.ground) for r in released.records] == [
        ("person", Ground.WITHDRAWAL)
    ] * 2
    assert Session.objects.get(anonymized_in=None) == three[2]
    assert Guest.objects.get().name


# Releasing ----------------------------------------------------------------------------------------------


def test_a_release_clears_the_case_number_and_says_who(three: list[Session]) -> None:
    officer, hold = StaffFactory(role="officer"), HoldFactory(subject=three[0])
    released = holds.release_hold(hold, source=Source.PAGE, released_by=officer)
    hold.refresh_from_db()
    assert (hold.case_number, hold.released_by) == ("", officer)
    assert hold.released_at
    assert (released.records, released.still_due) == ([], False)
    assert not three[0].is_held


def test_a_hold_is_released_once() -> None:
    hold = HoldFactory()
    release(hold)
    with pytest.raises(holds.HoldRefused, match="already released"):
        release(hold)
    with pytest.raises(holds.HoldRefused, match="already released"):
        holds.review_hold(hold, review_on=hold.review_on)
    assert Erasure.objects.filter(kind=Note.HOLD_RELEASED).count() == 1


@pytest.mark.parametrize("in_batch", [False, True])
def test_a_released_hold_is_deleted_with_the_erasure(in_batch: bool, three: list[Session]) -> None:
    from anonymization.batch import erase_batch

    HoldFactory(subject=three[0], released=True)
    HoldFactory(subject=three[0], of_guest=True, released=True)
    other = HoldFactory(subject=SessionFactory(new_guest=True, ended=True), released=True)
    if in_batch:
        keys = [session.pk for session in three]
        erase_batch(keys, among=Session.objects.all(), requester=recording.Requester.retention())
    else:
        erase(three[0].guest)
    assert list(Hold.objects.all()) == [other]


def test_hold_is_kept_if_the_ledger_refuses(
    three: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = HoldFactory(subject=three[0])
    erase(three[0].guest)

    def refuse(*_args: Any, **_options: Any) -> None:
        raise recording.LedgerUnavailable("full")

    monkeypatch.setattr(recording, "announce", refuse)
    with pytest.raises(recording.LedgerUnavailable):
        release(hold)
    hold.refresh_from_db()
    assert (hold.released_at, hold.case_number) == (None, "12 C 34/2026")
    assert Session.objects.get(anonymized_in=None) == three[0]


def test_the_hashes_of_the_ledger_tell_held_rows() -> None:
    session, free = SessionFactory(), SessionFactory(new_guest=True)
    HoldFactory(subject=session, of_guest=True)
    assert held.any_held([subject_of(session.uid)])
    assert held.any_held([subject_of(free.uid), subject_of(session.guest.uid)])
    assert not held.any_held([subject_of(free.uid), subject_of(free.guest.uid)])


def test_an_erasure_costs_nothing_more_without_holds(
    django_assert_num_queries: Any, three: list[Session]
) -> None:
    """The statement that counts the rows also returns whether there is any hold."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as queries:
        erase(three[0])
    assert [q["sql"] for q in queries if "anonymization_hold" in q["sql"]] == [
        q["sql"] for q in queries if "COUNT(*)" in q["sql"]
    ]


def test_the_hold_of_another_person_is_none_of_a_session(webchat: WebChat) -> None:
    mine, other = SessionFactory.create_batch(2, webchat=webchat, new_guest=True)
    hold = HoldFactory(subject=other, of_guest=True)
    assert held.holds_on(mine) == []
    held.release_again([mine])
    assert held.holds_on(other) == [hold]
