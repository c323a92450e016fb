"""Test that system columns and row order do not link the rows of an erasure after its period.

This concerns PostgreSQL only.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection
from django.utils import timezone

from anonymization import engine, maintenance, system_columns
from anonymization.ledger.recording import Requester
from anonymization.models import Erasure, Maintenance, Source
from anonymization.policy import registry
from lib.days import next_period, period_of
from sessions_app.models import Guest, Session
from tests.factories import RecordFactory, SessionFactory
from tests.pages import LogIn

pytestmark = pytest.mark.django_db(transaction=True)

real_now = timezone.now


@pytest.fixture
def _postgresql_only() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no system columns")


@pytest.fixture
def last_month(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Erase as in an earlier period."""

    def erase(email: str, *, days_ago: int = 40) -> None:
        session = SessionFactory(email=email, ended=True)
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda: real_now() - timedelta(days=days_ago))
            engine.erase(session, requester=Requester(Source.COMMAND))

    return erase


def writers(model: Any) -> list[int]:
    """Return ``xmin`` of the anonymized rows, in the order of their keys."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT xmin::text FROM {model._meta.db_table} WHERE anonymized_in IS NOT NULL ORDER BY id"
        )
        return [int(xmin) for (xmin,) in cursor.fetchall()]


@pytest.mark.usefixtures("_postgresql_only")
def test_a_finished_period_has_one_writer_and_is_not_touched_again(last_month: Any) -> None:
    for number in range(3):
        last_month(f"{number}@example.com")
    assert len(set(writers(Session))) == 3, "the control"
    assert set(writers(Session)) == set(writers(Guest)), "the control: a session and its guest"

    call_command("maintain", verbosity=0)

    united = writers(Session)
    assert len({*united, *writers(Guest)}) == 1
    call_command("maintain", verbosity=0)
    assert writers(Session) == united

    last_month("late@example.com")
    call_command("maintain", verbosity=0)
    assert len({*writers(Session), *writers(Guest)}) == 1, "a later row is united with the others"


@pytest.mark.usefixtures("_postgresql_only")
def test_periods_are_united_one_by_one_and_the_present_one_is_not(last_month: Any) -> None:
    for days_ago in (0, 40, 40, 80, 80):
        last_month(f"{Session.objects.count()}@example.com", days_ago=days_ago)
    before = writers(Session)

    found = system_columns.unite_finished_periods()

    assert len(found) == 2
    after = writers(Session)
    assert after[0] == before[0], "the period is not over"
    assert after[1] == after[2] != after[3] == after[4]


@pytest.mark.usefixtures("_postgresql_only")
def test_a_rewrite_puts_anonymized_rows_into_the_order_of_keys(last_month: Any) -> None:
    sessions = [SessionFactory(email=f"{n}@example.com", ended=True) for n in range(8)]
    for session in sessions[::-1]:
        engine.erase(session, requester=Requester(Source.COMMAND))
    assert in_place() != sorted(in_place()), "the control"

    call_command("maintain", "--rewrite", "--wait", "60", verbosity=0)

    assert in_place() == sorted(in_place())
    assert Maintenance.objects.get().in_key_order


@pytest.mark.usefixtures("_postgresql_only")
def test_a_failure_to_order_rows_is_not_taken_for_a_missing_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = {"no_such_index": {"primary_key": True}}
    monkeypatch.setattr(connection.introspection, "get_constraints", lambda *args: keys)
    with pytest.raises(ProgrammingError, match="no_such_index"):
        system_columns.order_by_key(registry.get(Session))


def in_place() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM sessions_app_session ORDER BY ctid")
        return [pk for (pk,) in cursor.fetchall()]


def test_the_record_says_until_when_its_rows_are_linked(log_in: LogIn) -> None:
    day = period_of(timezone.localdate()) - timedelta(days=1)
    record = RecordFactory(day=day, rows=3)
    single = RecordFactory(day=day, rows=1)
    assert not maintenance.is_linked_by_system_columns(single)
    linked = connection.vendor == "postgresql"
    assert page_says_so(log_in, record) is linked

    over = timezone.make_aware(
        timezone.datetime.combine(next_period(day), timezone.datetime.min.time())
    )
    for started_at, in_key_order in ((over - timedelta(days=1), True), (over, False)):
        finish(started_at, in_key_order=in_key_order)
        assert page_says_so(log_in, record) is linked
    finish(over, in_key_order=True)
    assert not page_says_so(log_in, record)


def finish(started_at: Any, *, in_key_order: bool) -> None:
    Maintenance.objects.create(
        started_at=started_at, finished_at=started_at, rewritten=True, in_key_order=in_key_order
    )


def page_says_so(log_in: LogIn, record: Erasure) -> bool:
    html = log_in("officer").get(record.get_absolute_url()).content.decode()
    return "show which records this erasure anonymized" in " ".join(html.split())


@pytest.mark.parametrize(
    ("precision", "day", "following"),
    [
        ("day", date(2026, 12, 31), date(2027, 1, 1)),
        ("week", date(2026, 12, 31), date(2027, 1, 4)),
        ("month", date(2026, 12, 31), date(2027, 1, 1)),
        ("month", date(2026, 1, 1), date(2026, 2, 1)),
    ],
)
def test_the_next_period(settings: Any, precision: str, day: date, following: date) -> None:
    settings.ERASURE_TIME_PRECISION = precision
    assert next_period(day) == following
