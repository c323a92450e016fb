"""Test that nothing is anonymized while the clock is wrong, even if rows have its times."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

from anonymization.ledger.recording import ErasureRefused
from sessions_app import retention
from sessions_app.models import RetentionRun, Session
from tests.database import digest
from tests.factories import RecordFactory, SessionFactory
from tests.sessions_app.test_retention import EndedFactory, identified, many, run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE_ON_SQLITE", 0)


def last_run(*, ago: timedelta) -> None:
    RetentionRun.objects.create(pk=1, began_at=timezone.now() - ago)


def refused(saying: str, *arguments: str) -> bool:
    """Return whether the command refuses and changes nothing but the report of its run."""
    before = digest()
    with pytest.raises(CommandError, match=saying):
        run(*arguments)
    report = "anonymization_lastrun"
    return digest() | {report: set()} == before | {report: set()}


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets the clock ahead, or right again."""
    real = timezone.now
    return lambda by: monkeypatch.setattr(timezone, "now", lambda: real() + by)


# Behind -----------------------------------------------------------------------------------------------------


def test_it_refuses_a_clock_before_the_newest_record() -> None:
    EndedFactory(days_ago=40)
    RecordFactory(created_at=timezone.now() + timedelta(hours=2))
    assert refused("newest record of the ledger")
    assert refused("newest record of the ledger", "--dry-run")
    assert run("--clock-is-right")["sessions"] == 1


def test_it_refuses_a_clock_before_the_last_run_until_it_is_said_to_be_right() -> None:
    EndedFactory(days_ago=40)
    last_run(ago=-timedelta(hours=2))
    assert refused("the last run is of")
    assert run("--clock-is-right")["sessions"] == 1
    assert run()["sessions"] == 0, "said once is enough"


def test_clocks_of_two_machines_may_differ_a_little() -> None:
    EndedFactory(days_ago=40)
    last_run(ago=-timedelta(seconds=50))
    assert run()["sessions"] == 1


# Ahead ------------------------------------------------------------------------------------------------------


def test_a_clock_that_jumped_vouches_for_itself_by_nothing(jump: Any, log_in: Any) -> None:
    EndedFactory(days_ago=3)
    assert run()["sessions"] == 0
    for day in (400, 401, 402):
        jump(timedelta(days=day))
        log_in("administrator").get("/")
        SessionFactory(new_guest=True)
    RecordFactory()
    assert refused("Is the clock right")
    assert refused("Is the clock right", "--dry-run")
    assert run("--clock-is-right")["sessions"] == 1


@pytest.mark.parametrize(
    ("days", "hours", "is_refused"), [(4, 12, False), (6, 23, False), (7, 1, True)]
)
def test_a_long_weekend_off_is_forgiven_and_a_week_is_not(
    days: int, hours: int, is_refused: bool
) -> None:
    SessionFactory(webchat=EndedFactory(days_ago=40).webchat, new_guest=True)
    last_run(ago=timedelta(days=days, hours=hours))
    if is_refused:
        assert refused("more than 7 days ago")
    else:
        assert run()["sessions"] == 1


@pytest.mark.parametrize(("days", "is_refused"), [(6, False), (9, True), (4000, True)])
def test_before_the_first_run_the_clock_is_compared_with_what_happened(
    jump: Any, days: int, is_refused: bool
) -> None:
    webchat = EndedFactory(days_ago=28).webchat
    jump(timedelta(days=days))
    SessionFactory(webchat=webchat, new_guest=True)
    if is_refused:
        assert refused("Is the clock right")
    assert run(*["--clock-is-right"] * is_refused)["sessions"] == 1


def test_a_clock_that_jumps_in_a_run_takes_nothing_else(
    jump: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FIRST_CHUNK", 1)
    monkeypatch.setattr(retention, "LARGEST_CHUNK", 1)
    many(3)
    young = EndedFactory.create_batch(2, days_ago=3, new_guest=True)
    began = timezone.now()
    chunks = retention.anonymize_expired(now=began)
    next(chunks)
    jump(timedelta(days=400))
    assert sum(chunk.anonymized for chunk in chunks) == 2
    assert identified() == {session.pk for session in young}
    assert RetentionRun.objects.get().began_at == began


# What counts as a run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--limit", "1"]])
def test_a_run_that_came_to_its_end_or_limit_counts(arguments: list[str]) -> None:
    many(2)
    before = timezone.now()
    run(*arguments)
    assert before <= RetentionRun.objects.get().began_at <= timezone.now()


def test_a_run_with_nothing_to_do_counts() -> None:
    last_run(ago=timedelta(days=6))
    run()
    assert RetentionRun.objects.get().began_at > timezone.now() - timedelta(hours=1)


def test_a_run_that_did_not_come_to_its_end_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    many(2)

    def refuse(*_args: Any, **_options: Any) -> None:
        raise ErasureRefused("The ledger can't be written.")

    monkeypatch.setattr(retention, "erase_batch", refuse)
    with pytest.raises(CommandError, match="can't be written"):
        run()
    assert not RetentionRun.objects.exists()
    assert Session.objects.filter(anonymized_in=None).count() == 2
