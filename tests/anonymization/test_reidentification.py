"""Test that the kept data of sessions identifies nobody, and that the report counts exceptions."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonymization import batch
from anonymization.ledger import recording
from anonymization.models import Note
from sessions_app import consent, sharing
from sessions_app.models import Guest, Session
from tests import traffic
from tests.factories import (
    ErasureFactory,
    RecordFactory,
    SessionFactory,
    StaffFactory,
    WebChatFactory,
)
from tests.races import wait_until_blocked_by_me

pytestmark = pytest.mark.django_db

MONDAY = date(2026, 1, 5)


def report(*arguments: str) -> dict[str, Any]:
    printed = StringIO()
    call_command("reidentification_report", "--json", *arguments, stdout=printed)
    answer: dict[str, Any] = json.loads(printed.getvalue())
    return answer


def of_sessions(*arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the two lines about sessions: by data that others may know, and by all kept data."""
    known, all_of_it = (
        line for line in report(*arguments)["models"] if line["model"] == "sessions_app.Session"
    )
    return known, all_of_it


def anonymize(pks: list[int]) -> None:
    for start in range(0, len(pks), 1000):
        batch.erase_batch(
            pks[start : start + 1000],
            among=Session.objects.all(),
            requester=recording.Requester.retention(),
        )


def test_a_hundred_sessions_a_day_leave_no_shell_alone() -> None:
    pks = traffic.simulate(
        first=date(2026, 1, 1), days=31, precision=configured.ERASURE_TIME_PRECISION
    )
    assert 2900 < len(pks) < 3400
    anonymize(pks)
    known, _all_of_it = of_sessions()
    assert known["columns"] == [
        "day",
        "webchat",
        "channel",
        "operator",
        "duration",
        "consent_version",
        "consented_on",
        "withdrawn",
        "notice_version",
        "informed_on",
    ]
    assert (known["rows"], known["alone"]) == (len(pks), 0)
    # This is not achieved by clearing everything.
    assert Session.objects.exclude(operator=None).exclude(duration=None).count() > len(pks) / 3


def test_the_report_finds_those_who_are_alone(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is the control: times are rounded to the day, all operators and durations are kept."""
    settings.ERASURE_TIME_PRECISION = "day"
    monkeypatch.setattr(sharing, "MIN_SHARED", 1)
    anonymize(traffic.simulate(first=MONDAY, days=3, precision="day"))
    known, all_of_it = of_sessions()
    assert known["alone"] > known["rows"] / 10
    assert known["smallest"] == 1
    assert known["few"] >= known["alone"]
    assert all_of_it["alone"] >= known["alone"]


def ended(webchat: Any, operator: Any, *, minutes: float = 7, **fields: Any) -> Session:
    session = SessionFactory(
        webchat=webchat, new_guest=True, operator=operator, ended=True, **fields
    )
    Session.objects.filter(pk=session.pk).update(duration=timedelta(minutes=minutes))
    return session


def left(session: Session) -> tuple[int | None, timedelta | None]:
    session.refresh_from_db()
    return session.operator_id, session.duration


def test_operator_and_duration_stay_in_company_only() -> None:
    webchat, often, seldom = (
        WebChatFactory(),
        StaffFactory(username="often"),
        StaffFactory(username="seldom"),
    )
    alike = [ended(webchat, often, minutes=5 + number) for number in range(sharing.MIN_SHARED)]
    longer, another = ended(webchat, often, minutes=20), ended(webchat, seldom)
    czech, elsewhere = ended(webchat, often, language="cs"), ended(WebChatFactory(), often)
    call = ended(webchat, often, channel="av")
    missed = ended(webchat, None)
    for session in (alike[0], longer, another, czech, elsewhere, call, missed):
        ErasureFactory(subject=session)
    # The other sessions are found one by one and together, and after the first one is deleted.
    anonymize([session.pk for session in alike[1:]])
    assert {left(session) for session in alike} == {(often.pk, timedelta(minutes=5))}
    assert {left(session) for session in (longer, another, czech, elsewhere, call, missed)} == {
        (None, None)
    }


def test_a_consent_of_another_day_is_no_company(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day in the evidence does not change if the precision becomes coarser."""
    webchat, operator = WebChatFactory(), StaffFactory()
    monkeypatch.setattr(
        consent, "start_of", lambda *_rounding: timezone.make_aware(datetime(2026, 3, 1))
    )
    sessions = [ended(webchat, operator) for _ in range(sharing.MIN_SHARED - 1)]
    monkeypatch.setattr(
        consent, "start_of", lambda *_rounding: timezone.make_aware(datetime(2026, 3, 5))
    )
    finer = ended(webchat, operator)
    assert sharing.sharing_sessions([finer.pk]) == []
    sessions += [ended(webchat, operator) for _ in range(sharing.MIN_SHARED - 1)]
    assert sharing.sharing_sessions([finer.pk]) == [finer.pk]


@pytest.mark.django_db(transaction=True)
def test_who_is_about_to_be_cleared_is_nobodys_company() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite the transaction excludes others")
    webchat, operator = WebChatFactory(), StaffFactory()
    sessions = [ended(webchat, operator) for _ in range(sharing.MIN_SHARED - 1)]
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        assert sharing.sharing_sessions([sessions[0].pk]) == []
        late = pool.submit(lambda: ended_and_erased(webchat, operator))
        assert wait_until_blocked_by_me(late), "it counts when this one is cleared"
        Session.objects.filter(pk=sessions[0].pk).update(operator=None, duration=None)
    assert left(late.result()) == (None, None)


def ended_and_erased(webchat: Any, operator: Any) -> Session:
    try:
        session = ended(webchat, operator)
        ErasureFactory(subject=session)
        return session
    finally:
        connection.close()


def test_a_withdrawal_singles_nobody_out() -> None:
    """An anonymized record shows a withdrawal. Only such sessions share values with it."""
    webchat, operator = WebChatFactory(), StaffFactory()
    sessions = [ended(webchat, operator) for _ in range(2 * sharing.MIN_SHARED)]
    one, *several = sessions[: sharing.MIN_SHARED + 1]
    consent.record_withdrawal(one)
    ErasureFactory(subject=one)
    assert left(one) == (None, None), "as many others are alike, but did not withdraw"
    for session in several:
        consent.record_withdrawal(session)
    anonymize([session.pk for session in sessions[1:]])
    assert {left(session) for session in several} == {(operator.pk, timedelta(minutes=5))}
    assert {left(session) for session in sessions[sharing.MIN_SHARED + 1 :]} == {(None, None)}, (
        "they are four"
    )
    known, _all_of_it = of_sessions()
    assert known["alone"] == 1, "the report says that the first one withdrew alone"


@pytest.mark.parametrize(
    ("minutes", "stays"), [(0.5, 0), (4.99, 0), (5, 5), (14, 5), (15, 15), (59, 30), (600, 60)]
)
def test_a_duration_becomes_that_of_its_band(minutes: float, stays: int) -> None:
    webchat, operator = WebChatFactory(), StaffFactory()
    alike = [ended(webchat, operator, minutes=minutes) for _ in range(sharing.MIN_SHARED)]
    Session.objects.update(waited=timedelta(minutes=minutes))
    ErasureFactory(subject=alike[0])
    assert left(alike[0]) == (operator.pk, timedelta(minutes=stays))
    assert alike[0].waited == timedelta(minutes=stays)


@pytest.mark.parametrize(
    ("precision", "together"), [("day", False), ("week", True), ("month", True)]
)
def test_company_is_that_of_the_period(settings: Any, precision: str, together: bool) -> None:
    settings.ERASURE_TIME_PRECISION = precision
    webchat, operator = WebChatFactory(), StaffFactory()
    sessions = [ended(webchat, operator) for _ in range(sharing.MIN_SHARED)]
    for number, session in enumerate(sessions):
        # The days after the change to daylight saving time, and the first day of a week.
        moment = timezone.make_aware(datetime(2026, 3, 30)) + timedelta(days=number // 4)
        Session.objects.filter(pk=session.pk).update(created_at=moment)
    ErasureFactory(subject=sessions[0])
    assert (left(sessions[0])[0] is not None) is together


def test_the_period_is_that_of_the_question_and_each_line_one_query(settings: Any) -> None:
    settings.ERASURE_TIME_PRECISION = "week"
    for days_later in (0, 7, 21):
        session = SessionFactory(new_guest=True)
        day = timezone.make_aware(datetime.combine(MONDAY, time(12))) + timedelta(days=days_later)
        Session.objects.filter(pk=session.pk).update(created_at=day)
        ErasureFactory(subject=session)
    assert of_sessions()[0]["rows"] == 3
    assert of_sessions("--from", "2026-01-12")[0]["rows"] == 2
    assert of_sessions("--from", "2026-01-12", "--to", "2026-01-12")[0]["rows"] == 1
    assert of_sessions("--to", "2026-01-11")[0]["rows"] == 1
    with CaptureQueriesContext(connection) as queries:
        lines = report()["models"]
    assert len(queries) == len(lines) + 1
    for wrong in ("yesterday", "2026-02-30"):
        with pytest.raises(CommandError, match=r"^A day is written as in 2026-01-31\.$"):
            report("--from", wrong)
    with pytest.raises(CommandError, match=r"^The first day \(--from\) is after the last one"):
        report("--from", "2026-01-12", "--to", "2026-01-11")


def test_few_are_fewer_than_five_and_alone_is_one(settings: Any) -> None:
    for alike in (1, 4, 5):
        SessionFactory.create_batch(alike, webchat=WebChatFactory(), new_guest=True)
    anonymize([session.pk for session in Session.objects.all()])
    known, all_of_it = of_sessions()
    assert (known["rows"], known["alone"], known["few"], known["smallest"]) == (10, 1, 5, 1)
    assert all_of_it["columns"][: len(known["columns"])] == known["columns"]
    rest = all_of_it["columns"][len(known["columns"]) :]
    assert {"language", "feedback_stars", "attachments_count"} <= set(rest)
    assert not {"webchat", "channel"} & set(rest), "counted once"
    told = report()
    assert (told["time_precision"], told["few"]) == (settings.ERASURE_TIME_PRECISION, 5)
    printed = StringIO()
    call_command("reidentification_report", stdout=printed)
    assert (
        f"sessions_app.Session, by {', '.join(known['columns'])}: "
        "10 anonymized, 1 alone, 5 with k < 5, smallest k: 1.\n"
    ) in printed.getvalue()


def test_nothing_anonymized_is_no_error_and_the_setting_is_named() -> None:
    SessionFactory()
    known, _all_of_it = of_sessions()
    assert (known["rows"], known["alone"], known["few"], known["smallest"]) == (0, 0, 0, None)
    printed = StringIO()
    call_command("reidentification_report", stdout=printed)
    lines = printed.getvalue().splitlines()
    assert lines[0] == "Times are rounded to the month (ERASURE_TIME_PRECISION)."
    assert all(
        line.endswith(": 0 anonymized, 0 alone, 0 with k < 5, smallest k: –.")
        for line in lines[1:-1]
    )
    assert lines[-1] == "Erasures that anonymized several records: 0, alone in their period: 0."


def test_acts_of_several_rows_that_are_alone_in_their_period_are_named() -> None:
    """Each row shows its period. A person alone in a period has all of its rows."""
    for day, rows in (
        ("2026-01-05", 4),  # alone
        ("2026-02-05", 1),  # a single row has no link
        ("2026-03-05", 4),
        ("2026-03-31", 1),  # not alone: one of the rows may belong to this person
        ("2026-04-01", 2),  # alone
        ("2026-05-02", 3),
        ("2026-05-03", 3),
    ):
        RecordFactory(day=date.fromisoformat(day), rows=rows)
    RecordFactory(kind=Note.COPY_BEGUN, day=date(2026, 4, 2), rows=0)

    linked = {"several": 5, "alone": 2, "periods": ["2026-01", "2026-04"]}
    assert report()["acts"] == linked
    assert report("--from", "2026-04-30")["acts"] == {
        "several": 3,
        "alone": 1,
        "periods": ["2026-04"],
    }
    assert report("--to", "2026-03-01")["acts"] == {
        "several": 2,
        "alone": 1,
        "periods": ["2026-01"],
    }
    printed = StringIO()
    call_command("reidentification_report", stdout=printed)
    assert printed.getvalue().splitlines()[-1] == (
        "Erasures that anonymized several records: 5, alone in their period: 2 (2026-01, 2026-04)."
    )


def test_a_person_with_several_sessions_counts_as_one_act() -> None:
    """Only the engine's record has the number of rows of the act."""
    SessionFactory.create_batch(3)
    ErasureFactory(subject=Guest.objects.get())
    assert report()["acts"] == {
        "several": 1,
        "alone": 1,
        "periods": [timezone.localdate().strftime("%Y-%m")],
    }
    for number in range(2):
        session = SessionFactory(email=f"{number}@example.com")
        ErasureFactory(subject=session)
    assert (report()["acts"]["several"], report()["acts"]["alone"]) == (3, 0)
