"""Test that after a failure only one connection is tried at a time, until one succeeds."""

from __future__ import annotations

import psycopg
import pytest

from mluvii_gdpr.postgresql import base
from mluvii_gdpr.postgresql.base import Breaker


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(base.time, "monotonic", lambda: now[0])
    return now


def is_allowed(breaker: Breaker, *, fails: type[BaseException] | None = None) -> bool:
    tried = False
    try:
        with breaker.attempt(lasts=20):
            tried = True
            if fails:
                raise fails
    except (psycopg.OperationalError, KeyboardInterrupt):
        pass
    return tried


def test_a_failure_is_followed_by_a_pause(clock: list[float]) -> None:
    breaker = Breaker()
    assert is_allowed(breaker)
    assert is_allowed(breaker, fails=psycopg.OperationalError)
    clock[0] += 0.9
    assert not is_allowed(breaker)
    clock[0] += 0.2
    assert is_allowed(breaker, fails=psycopg.OperationalError)
    assert not is_allowed(breaker)
    clock[0] += 1.1
    assert is_allowed(breaker)
    assert is_allowed(breaker)


def test_one_attempt_at_a_time_is_made_while_the_database_is_away(clock: list[float]) -> None:
    breaker = Breaker()
    is_allowed(breaker, fails=psycopg.OperationalError)
    clock[0] += 1.1
    with breaker.attempt(lasts=20):
        clock[0] += 19
        assert not is_allowed(breaker)
    assert is_allowed(breaker)


def test_an_attempt_that_somebody_broke_off_says_nothing(clock: list[float]) -> None:
    breaker = Breaker()
    assert is_allowed(breaker, fails=KeyboardInterrupt)
    assert is_allowed(breaker)
