"""Test that /readyz reports the current state and costs little."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from mluvii_gdpr import readiness
from mluvii_gdpr.models import EventsProcess

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [1000.0]
    monkeypatch.setattr(readiness.time, "monotonic", lambda: now[0])
    for answer in (readiness.answer, readiness.warnings):
        answer.forget()
    yield now
    for answer in (readiness.answer, readiness.warnings):
        answer.forget()


def status(client: Client) -> int:
    return client.get("/readyz").status_code


def test_a_good_answer_costs_one_query_for_half_a_minute(
    client: Client, clock: list[float], django_assert_num_queries: Any
) -> None:
    EventsProcess.give_sign("one")
    assert status(client) == 200
    for later in (0, 29):
        clock[0] = 1000.0 + later
        with django_assert_num_queries(1):
            assert status(client) == 200


def test_a_guard_that_goes_missing_is_noticed_after_half_a_minute_and_its_return_after_five_seconds(
    client: Client, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(client) == 200
    monkeypatch.setattr(readiness, "_find_problems", lambda: ["anonymization.E010"])
    assert status(client) == 200
    clock[0] += 30
    assert client.get("/readyz").json()["problems"] == ["anonymization.E010"]
    monkeypatch.setattr(readiness, "_find_problems", list)
    clock[0] += 4
    assert status(client) == 503
    clock[0] += 1
    assert status(client) == 200


def test_a_database_that_is_away_is_noticed_at_once(
    client: Client, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(client) == 200

    def away(*_args: object) -> None:
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", away)
        found = {"ready": False, "problems": ["database"], "warnings": []}
        assert client.get("/readyz").json() == found
    assert status(client) == 200


def test_an_answer_that_could_not_be_found_is_not_kept(
    client: Client, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> list[str]:
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(readiness, "_find_problems", away)
        assert status(client) == 503
    assert status(client) == 200


def test_a_check_that_hangs_keeps_no_further_request(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network share may hang forever. Each request of a load balancer would occupy a thread."""
    monkeypatch.setattr(readiness, "PATIENCE", 0.01)
    hanging = readiness.Answer(list)
    monkeypatch.setattr(readiness, "answer", hanging)
    with hanging._lock:
        assert client.get("/readyz").json()["problems"] == ["unanswered"]
    assert client.get("/readyz").json()["problems"] == []
